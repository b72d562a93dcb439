"""The port: view decorators with Quart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quart import Blueprint, g, redirect, render_template, request, session, url_for
from quart.typing import ResponseReturnValue
from werkzeug.routing import Rule

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    cached,
    confirm_login,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
    roles_required,
    safe_next,
    templated,
)


@dataclass(frozen=True)
class User(UserMixin):
    """A user of the example, with a password in plain text."""

    id: str
    password: str
    roles: tuple[str, ...] = ()


USERS = {"ada": User("ada", "engine", ("admin",)), "bob": User("bob", "builder")}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create the application, with a cache in memory."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SECRET_KEY="dev", LOGIN_FRESH_LIFETIME=3600)
    app.config.from_mapping(config or {})
    login_manager = LoginManager(app, login_view="login", refresh_view="login")
    login_manager.login_message = None
    calls = Counter[str]()

    @login_manager.user_loader
    async def load_user(user_id: str) -> User | None:
        return USERS.get(user_id)

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    @app.get("/login")
    async def login() -> str:
        return await render_template("login.html", next=request.args.get("next", ""))

    @app.post("/login")
    async def log_in() -> ResponseReturnValue:
        form = await request.form
        user = USERS.get(form.get("username", ""))
        if user is None or user.password != form.get("password"):
            return await render_template("login.html", next=form.get("next", ""), wrong=True), 401
        login_user(user)
        return redirect(safe_next(form.get("next"), default=url_for("index")))

    @app.post("/logout")
    async def logout() -> ResponseReturnValue:
        logout_user()
        return redirect(url_for("index"))

    @app.get("/secret_page")
    @login_required
    async def secret_page() -> str:
        return await render_template("secret.html")

    @app.get("/admin")
    @roles_required("admin")
    def admin() -> str:
        return f"{g.user.id} is an admin"

    @app.get("/password")
    @fresh_login_required
    async def password() -> str:
        return f"{g.user.id} may change the password"

    @app.post("/confirm")
    @login_required
    async def confirm() -> ResponseReturnValue:
        if (await request.form).get("password") != g.user.password:
            return "wrong password", 401
        confirm_login()
        return redirect(url_for("password"))

    @app.get("/cached/<page>")
    @cached(timeout=300)
    async def slow(page: str) -> str:
        calls[page] += 1
        return f"{page}, made {calls[page]} times, for {request.args.get('name', 'nobody')}"

    @app.get("/cached/visits")
    @cached()
    async def visits() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']}"

    @app.get("/cached/language")
    @cached(vary=["Accept-Language"])
    async def language() -> str:
        return request.accept_languages.best_match(["en", "de"], "en")

    @app.get("/cached/gone")
    @cached()
    async def gone() -> ResponseReturnValue:
        calls["gone"] += 1
        return f"gone {calls['gone']}", 410

    @app.get("/rendered")
    async def rendered() -> str:
        return await render_template("value.html", value=42)

    @app.get("/named")
    @templated("value.html")
    async def named() -> dict[str, int]:
        return {"value": 42}

    @app.get("/value")
    @templated()
    def value() -> dict[str, int]:
        return {"value": 42}

    @app.get("/templated/<kind>")
    @templated("value.html")
    async def kinds(kind: str) -> Any:
        answers = {"nothing": None, "text": "as it is", "redirect": redirect(url_for("index"))}
        return answers.get(kind, ("no such kind", 404))

    pages = Blueprint("pages", __name__, url_prefix="/pages")

    @pages.get("/value")
    @templated()
    async def page_value() -> dict[str, int]:
        return {"value": 42}

    app.register_blueprint(pages)

    app.url_map.add(Rule("/endpoint", endpoint="my_endpoint"))

    @app.endpoint("my_endpoint")
    async def my_view() -> str:
        return "Hello world"

    return app
