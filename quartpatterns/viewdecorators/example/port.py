"""The port: view decorators with Quart.

The pages below ``/extras`` show what the helper has beyond Flask's page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import escape
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
    same_origin_required,
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
    login_manager = LoginManager(app, refresh_view="confirm")
    login_manager.needs_refresh_message = None
    calls = Counter[str]()

    @login_manager.user_loader
    async def load_user(user_id: str) -> User | None:
        return USERS.get(user_id)

    # As on Flask's page. Without this handler, a program gets 401 as JSON.
    @login_manager.unauthorized_handler
    async def unauthorized() -> ResponseReturnValue:
        return redirect(url_for("login", next=request.url))

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html", user=g.user)

    @app.route("/login", methods=["GET", "POST"])
    @same_origin_required
    async def login() -> ResponseReturnValue:
        if request.method != "POST":
            return await render_template("login.html", next=request.args.get("next", ""))
        form = await request.form
        target = form.get("next", "")
        user = USERS.get(form.get("username", ""))
        if user is None or user.password != form.get("password"):
            return await render_template("login.html", next=target, wrong=True), 401
        login_user(user)
        return redirect(safe_next(target, default=url_for("index")))

    @app.get("/secret_page")
    @login_required
    async def secret_page() -> str:
        return await render_template("secret.html", user=g.user)

    @app.get("/cached/<page>")
    @cached()
    async def slow(page: str) -> str:
        if len(calls) == 1000:
            calls.clear()
        calls[page] += 1
        name = request.args.get("name", "nobody")
        return f"{escape(page)}, made {calls[page]} times, for {escape(name)}"

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

    add_extras(app)
    return app


def add_extras(app: FaithfulQuart) -> None:
    """Add logging out, roles, fresh logins, and cached pages that depend on more than the path."""
    gone_calls = Counter[str]()

    @app.get("/extras")
    async def extras() -> str:
        return await render_template("extras.html", user=g.user)

    @app.post("/extras/logout")
    @same_origin_required
    async def logout() -> ResponseReturnValue:
        logout_user()
        return redirect(url_for("index"))

    @app.get("/extras/admin")
    @roles_required("admin")
    def admin() -> str:
        return f"{g.user.id} is an admin"

    @app.get("/extras/password")
    @fresh_login_required
    async def password() -> str:
        return f"{g.user.id} may change the password"

    @app.route("/extras/confirm", methods=["GET", "POST"])
    @same_origin_required
    @login_required
    async def confirm() -> ResponseReturnValue:
        if request.method != "POST":
            return await render_template("confirm.html")
        if (await request.form).get("password") != g.user.password:
            return await render_template("confirm.html", wrong=True), 401
        confirm_login()
        return redirect(url_for("password"))

    @app.get("/extras/visits")
    @cached()
    async def visits() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']}"

    @app.get("/extras/language")
    @cached(vary=["Accept-Language"])
    async def language() -> str:
        return request.accept_languages.best_match(["en", "de"], "en")

    @app.get("/extras/gone")
    @cached()
    async def gone() -> ResponseReturnValue:
        gone_calls["gone"] += 1
        return f"gone {gone_calls['gone']}", 410
