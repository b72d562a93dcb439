"""Exemptions in modules that are imported for their first request."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from quart import Quart, request
from quart.testing import WebsocketResponseError

from quartpatterns.lazyloading import lazy_url
from quartpatterns.wtforms import CSRFProtect, generate_csrf
from tests.written import Write

pytestmark = pytest.mark.checks("WT-16")

VIEWS = """
    import functools

    from quart import websocket
    from quart.views import MethodView

    from late_csrf import csrf

    @csrf.exempt
    async def hook():
        return "hook"

    @csrf.exempt
    def synchronous():
        return "synchronous"

    def decorated(view):
        @functools.wraps(view)
        async def wrapper():
            return await view()
        return wrapper

    @decorated
    @csrf.exempt
    async def inner():
        return "inner"

    @csrf.exempt
    class Methods(MethodView):
        async def post(self):
            return "Methods"

    class Decorated(MethodView):
        decorators = [csrf.exempt]

        async def post(self):
            return "Decorated"

    async def protected():
        return "protected"

    async def other():
        return "other"

    csrf.exempt("late_views.other")

    @csrf.exempt
    async def echo():
        await websocket.send("echo")

    async def protected_echo():
        await websocket.send("echo")
"""
EXEMPT = ["hook", "synchronous", "inner", "Methods", "Decorated", "other"]


@pytest.fixture
def app(app_class: type[Quart], write: Write) -> Quart:
    csrf_module = "from quartpatterns.wtforms import CSRFProtect\n\ncsrf = CSRFProtect()\n"
    write({"late_views.py": VIEWS, "late_csrf.py": csrf_module})
    import late_csrf  # type: ignore[import-not-found]

    app = app_class(__name__)
    app.secret_key = "something unique and secret"
    csrf: CSRFProtect = late_csrf.csrf
    csrf.init_app(app)
    for name in (*EXEMPT, "protected", "missing"):
        lazy_url(app, f"late_views.{name}", [f"/{name}"], methods=["POST"])
    for name in ("echo", "protected_echo"):
        lazy_url(app, f"late_views.{name}", [f"/{name}"], websocket=True)
    app.add_url_rule("/token", "token", generate_csrf)

    @app.post("/manual")
    @csrf.exempt
    async def manual() -> str:
        await csrf.protect()
        return "manual"

    return app


@pytest.mark.parametrize("name", EXEMPT)
async def test_first_request(app: Quart, name: str) -> None:
    """The first request and later ones are exempt."""
    client = app.test_client()
    for _ in range(2):
        response = await client.post(f"/{name}")
        assert (response.status_code, await response.get_data(as_text=True)) == (200, name)


async def test_not_exempt(app: Quart) -> None:
    """Other views of the module are protected, before and after its import."""
    client = app.test_client()
    assert (await client.post("/protected")).status_code == 400
    assert (await client.post("/hook")).status_code == 200
    assert (await client.post("/protected")).status_code == 400
    assert (await client.post("/manual")).status_code == 400
    token = await (await client.get("/token")).get_data(as_text=True)
    headers = {"X-CSRFToken": token}
    assert (await client.post("/protected", headers=headers)).status_code == 200


async def test_apply_exemptions(app: Quart) -> None:
    """``protect(apply_exemptions=True)`` knows them too; without ``await`` it is an error."""
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False
    csrf: Any = app.extensions["csrf"]

    @app.before_request
    async def check() -> None:
        pending = csrf.protect(apply_exemptions=True)
        if "unawaited" in request.args:
            pending.close()
        else:
            await pending

    client = app.test_client()
    assert (await client.post("/hook?unawaited")).status_code == 500
    assert (await client.post("/hook")).status_code == 200
    assert (await client.post("/protected")).status_code == 400


async def test_module_with_an_error(app: Quart) -> None:
    """A view that can't be imported is a 500, as without protection."""
    assert (await app.test_client().post("/missing")).status_code == 500


async def test_only_checked_methods_import(app: Quart) -> None:
    assert (await app.test_client().options("/hook")).status_code == 200
    assert "late_views" not in sys.modules


async def test_websocket(app: Quart) -> None:
    """A page of another site can open an exempt websocket only."""
    client = app.test_client()
    headers = {"Origin": "https://other.example"}
    async with client.websocket("/echo", headers=headers) as socket:
        assert await socket.receive() == "echo"
    with pytest.raises(WebsocketResponseError):
        async with client.websocket("/protected_echo", headers=headers) as socket:
            await socket.receive()
