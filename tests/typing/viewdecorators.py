"""The types that the decorators of ``quartpatterns.viewdecorators`` infer."""

from __future__ import annotations

from typing import assert_type

from quart import Quart, websocket
from quart.typing import ResponseTypes

from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    cached,
    endpoint,
    fresh_login_required,
    login_fresh,
    login_required,
    login_user,
    own_path,
    roles_required,
    safe_next,
    templated,
)

app = Quart(__name__)
login_manager = LoginManager(app)


class User(UserMixin):
    id = "ada"


@login_manager.user_loader
async def load_user(user_id: str) -> User | None:
    return User() if user_id == "ada" else None


@app.get("/secret/<int:number>")
@login_required
async def secret(number: int) -> str:
    return str(number)


@app.get("/sync")
@login_required
def synchronous() -> bytes:
    return b""


@app.get("/password")
@fresh_login_required
async def password() -> str:
    return ""


@app.get("/admin")
@roles_required("admin")
async def admin(page: int = 1) -> str:
    return str(page)


@app.websocket("/ws")
@login_required
async def ws() -> None:
    await websocket.send("a")


@app.get("/page")
@cached(timeout=60, vary=["Accept-Language"])
@templated()
async def page(number: int) -> dict[str, int]:
    return {"number": number}


@endpoint(app, "hello", "/hello")
async def hello() -> str:
    return "Hello"


async def results() -> None:
    assert_type(await load_user("ada"), User | None)
    assert_type(await secret(7), str | ResponseTypes)
    assert_type(await synchronous(), bytes | ResponseTypes)
    assert_type(await password(), str | ResponseTypes)
    assert_type(await admin(page=2), str | ResponseTypes)
    assert_type(await ws(), ResponseTypes | None)
    assert_type(await page(1), dict[str, int] | str)
    assert_type(await hello(), str)


async def arguments() -> None:
    await secret("7")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await admin(pages=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def functions() -> None:
    assert_type(login_user(User()), bool)
    assert_type(login_fresh(), bool)
    assert_type(safe_next("/a"), str)
    assert_type(own_path("/a", "http://localhost/"), str | None)
