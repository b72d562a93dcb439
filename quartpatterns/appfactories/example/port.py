"""The port: a guestbook made by a factory, with Quart."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from quart import Blueprint, Quart, abort, current_app, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from quartpatterns.appdispatch import DispatcherMiddleware
from quartpatterns.appfactories import configure, on_setup
from quartpatterns.deferredcallbacks.example.text_list import TextList, create_text_list
from quartpatterns.subclassing import FaithfulQuart

DEFAULTS = {
    "INDEX_TEMPLATE": "admin/index.html",
    "MAX_ENTRIES": 100,
    "REDIS_URL": "",  # entries are in the memory of the process, or in this Redis
    "SITE": "Guestbook",
}
MAX_LENGTH = 200  # characters of an entry

ASGIApp = Callable[..., Coroutine[Any, Any, None]]


class Guestbook:
    """An extension: made once, without state, and bound to each application."""

    def init_app(self, app: Quart, name: str) -> None:
        """Give *app* its entries; with another name they are not those of another application."""
        app.extensions["guestbook"] = create_text_list(app, name, app.config["MAX_ENTRIES"])

    @property
    def entries(self) -> TextList:
        """The entries of the current application."""
        entries: TextList = current_app.extensions["guestbook"]
        return entries


guestbook = Guestbook()
frontend = Blueprint("frontend", __name__)
admin = Blueprint("admin", __name__, url_prefix="/admin")


def create_app(
    config: str | Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None
) -> Quart:
    """Return a new application.

    Without the name of a file, two more instances of the same factory are mounted below ``/dev``
    and ``/prod``, each with its own file.

    Arguments:
        config: The name of a file in the folder ``config``, which environment variables override;
            or a mapping of settings, with which neither file nor environment are read.
        environ: The environment variables; by default those of the process.
    """
    app = FaithfulQuart(__name__)
    if isinstance(config, Mapping):
        # The mapping can contain settings of other applications.
        own = {key: config[key] for key in config if key in DEFAULTS or key in app.config}
        configure(app, DEFAULTS, environ={}, overrides=own)
    else:
        file = f"config/{config}.toml" if config else None
        configure(app, DEFAULTS, file=file, environ=environ)
    name = config if isinstance(config, str) else "main"
    guestbook.init_app(app, name)
    app.register_blueprint(frontend)
    app.register_blueprint(admin)
    if not isinstance(config, str):
        shared = {"QUART_REDIS_URL": app.config["REDIS_URL"]}
        instances = {f"/{each}": create_app(each, environ=shared) for each in ("dev", "prod")}
        app.asgi_app = DispatcherMiddleware(app.asgi_app, instances)  # type: ignore[method-assign]
    app.asgi_app = nosniff(app.asgi_app)  # type: ignore[method-assign]
    return app


@frontend.get("/")
async def index() -> str:
    """Show the guestbook."""
    return await render_template(
        "frontend/index.html", entries=await guestbook.entries.all(), max_length=MAX_LENGTH
    )


@frontend.post("/entries")
async def add() -> ResponseReturnValue:
    """Add an entry."""
    text = (await request.form).get("text", "").strip()
    if not 1 <= len(text) <= MAX_LENGTH:
        abort(400, f"An entry has 1 to {MAX_LENGTH} characters.")
    await guestbook.entries.append(text)
    return redirect(url_for("frontend.index"), 303)


@admin.get("/")
async def overview() -> str:
    """Show the page that ``INDEX_TEMPLATE`` names."""
    name = current_app.config["INDEX_TEMPLATE"]
    return await render_template(name, entries=await guestbook.entries.all())


@on_setup(admin)
def show_site(app: Quart) -> None:
    """Pass the name of the site to every template."""

    @app.context_processor
    async def site() -> dict[str, str]:
        return {"site": app.config["SITE"]}


@on_setup(admin)
async def ensure_template(app: Quart) -> None:
    """Fail at start-up if the template that ``INDEX_TEMPLATE`` names is missing."""
    app.jinja_env.get_template(app.config["INDEX_TEMPLATE"])


def nosniff(app: ASGIApp) -> ASGIApp:
    """Return middleware that sets ``X-Content-Type-Options: nosniff`` in each response."""

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                name = b"x-content-type-options"
                headers = [header for header in message["headers"] if header[0] != name]
                message = {**message, "headers": [*headers, (name, b"nosniff")]}
            await send(message)

        await app(scope, receive, sending)

    return middleware
