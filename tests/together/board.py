"""One application with every helper, whose extensions are set up in any order.

Each method of :class:`Board` that begins with ``add_`` sets up one helper, and the views below use
all of them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jinja2 import DictLoader
from pydantic import BaseModel
from quart import Quart, current_app, redirect, render_template, request, url_for
from quart_schema import QuartSchema, validate_request
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from wtforms import StringField, ValidationError

from quartpatterns.ajax import package_files, require_json, swagger_ui
from quartpatterns.appdispatch import DispatcherMiddleware
from quartpatterns.appfactories import configure
from quartpatterns.caching import Cache
from quartpatterns.deferredcallbacks import after_response, after_this_request
from quartpatterns.errorpages import APIError, ErrorPages
from quartpatterns.favicon import add_favicon
from quartpatterns.fileuploads import UploadSet, configure_uploads, send_upload
from quartpatterns.flashing import Flashing, flash
from quartpatterns.lazyloading import lazy_url
from quartpatterns.methodoverrides import HTTPMethodOverrideMiddleware
from quartpatterns.mongodb import Document, MongoDB
from quartpatterns.packages import register_blueprints
from quartpatterns.requestchecksum import generate_checksum, verify_digest
from quartpatterns.singlepageapplications import SinglePageApp
from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.sqlite3 import SQLite
from quartpatterns.streaming import stream_with_context
from quartpatterns.tasks import Tasks
from quartpatterns.templateinheritance import render_block
from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    current_user,
    login_required,
    login_user,
    safe_next,
)
from quartpatterns.wtforms import CSRFProtect, FileField, QuartForm, generate_csrf

TEMPLATES = {
    "layout.html": (
        "<html lang={{ g.lang_code }}>{{ language_links() }}"
        '{{ per_visitor("_messages.html") }}{{ per_visitor("_user.html") }}'
        "{% block content %}{% endblock %}"
    ),
    "_messages.html": "{% for text in get_flashed_messages() %}<p>{{ text }}</p>{% endfor %}",
    "_user.html": "[{{ current_user.name if current_user.is_authenticated else 'nobody' }}]",
    "index.html": (
        '{% extends "layout.html" %}{% block content %}'
        '<a href="{{ url_for("secret") }}">{{ made }}</a>{% block names %}'
        "{% for name in names %}<li>{{ name }}</li>{% endfor %}{% endblock %}"
        "{% endblock %}"
    ),
    "error.html": '<html lang={{ g.lang_code }}>{{ code }} <a href="{{ url_for("index") }}">',
}

cache = Cache()
csrf = CSRFProtect()
flashing = Flashing()
login_manager = LoginManager(login_view="login")
mongo = MongoDB()
photos = UploadSet("photos", ("txt",))
sqlite = SQLite()
tasks = Tasks()


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class User(UserMixin, Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@mongo.register
class Visit(Document):
    """A visit."""

    name: str


class Note(BaseModel):
    """The body of a request."""

    text: str


class PhotoForm(QuartForm):
    """A file and a title."""

    title = StringField()
    photo = FileField()

    async def validate_title(self, field: Any) -> None:
        if await db.session.scalar(select(User).where(User.name == field.data)):
            raise ValidationError("This is a user.")


@tasks.task
async def count_users() -> list[Any]:
    """Count in all databases."""
    rows = await sqlite.query_db("SELECT name FROM log")
    users = (await db.session.scalars(select(User.name))).all()
    visits = [visit.name async for visit in Visit.find_all()]
    return [len(rows), list(users), visits, url_for("index")]


@login_manager.user_loader
@db.preloading()
async def load_user(user_id: str) -> User | None:
    return await db.session.get(User, int(user_id))


class Board:
    """Creates the application.

    Arguments:
        app_class: The class of the application.
        folder: A folder for files and databases.
        config: Settings.
        backwards: Whether the extensions are set up in the opposite order.
    """

    def __init__(
        self, app_class: type[Quart], folder: Path, config: dict[str, Any], *, backwards: bool
    ) -> None:
        (folder / "favicon.ico").write_bytes(b"icon")
        (folder / "index.html").write_text('<base href="/">client')
        self.folder, self.config = folder, config
        self.sent: list[str] = []
        app = app_class("board", static_folder=str(folder), static_url_path="/static")
        self.app = app
        app.jinja_loader = DictLoader(TEMPLATES)
        configure(app, {"SITE": "Board"}, environ={}, overrides=config)
        self.languages = LanguageURLs(app, languages=["en", "de"])
        steps = [name for name in dir(self) if name.startswith("add_")]
        for name in reversed(steps) if backwards else steps:
            getattr(self, name)()
        self._views()

    def add_caching(self) -> None:
        cache.init_app(self.app)

    def add_csrf(self) -> None:
        csrf.init_app(self.app)

    def add_databases(self) -> None:
        db.init_app(self.app)
        sqlite.init_app(self.app)
        mongo.init_app(self.app)

    def add_error_pages(self) -> None:
        ErrorPages(self.app, default="error.html", prefixes={"/api": "problem"})

    def add_favicon(self) -> None:
        add_favicon(self.app)

    def add_flashing(self) -> None:
        flashing.init_app(self.app)

    def add_front_end(self) -> None:
        SinglePageApp(self.app, str(self.folder))

    def add_login(self) -> None:
        login_manager.init_app(self.app)

    def add_packages(self) -> None:
        register_blueprints(self.app, "tests.together.board_views")
        package_files(self.app, "jquery", "xstatic.pkg.jquery", "data")

    def add_schema(self) -> None:
        QuartSchema(self.app, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
        swagger_ui(self.app)

    def add_tasks(self) -> None:
        tasks.init_app(self.app)

    def add_uploads(self) -> None:
        configure_uploads(self.app, photos)

    def add_views_on_demand(self) -> None:
        lazy_url(self.app, "tests.together.board_views.lazy.settings", ["/settings"])

    async def create(self) -> None:
        """Create the tables."""
        async with self.app.app_context():
            await db.create_all()
            db.session.add(User(name="ada"))
            await db.session.commit()
            async with sqlite.transaction() as connection:
                await connection.execute("CREATE TABLE log (name TEXT)")
            await Visit(name="first").insert()

    def mounted(self) -> Quart:
        """Return another application, with this one below ``/board``."""
        outer = type(self.app)("outer")
        board = HTTPMethodOverrideMiddleware(self.app, methods={"POST"}, form_field="_method")
        outer.asgi_app = DispatcherMiddleware(outer.asgi_app, {"/board": board})  # type: ignore[method-assign]
        return outer

    def _views(self) -> None:
        app = self.app
        made: list[int] = []

        @app.before_request
        async def name_application() -> None:
            @after_this_request
            def add_header(response: Any) -> None:
                response.headers["X-Board"] = "1"

        @app.get("/<lang_code>/")
        @cache.cached(timeout=60)
        async def index() -> str:
            made.append(1)
            names = (await db.session.scalars(select(User.name))).all()
            return await render_template("index.html", names=names, made=len(made))

        @app.get("/<lang_code>/names")
        async def names() -> str:
            names = (await db.session.scalars(select(User.name))).all()
            return await render_block("index.html", "names", names=names)

        @app.route("/<lang_code>/login", methods=["GET", "POST"])
        async def login() -> Any:
            if request.method == "GET":
                return generate_csrf()
            user = await db.session.get(User, 1)
            login_user(user)
            await flash("Welcome.")
            form = await request.form
            return redirect(safe_next(form.get("next"), default=url_for("index")))

        @app.get("/<lang_code>/secret")
        @login_required
        async def secret() -> str:
            return f"secret of {current_user.name}"

        @app.get("/feed")
        @login_required
        async def feed() -> Any:
            @stream_with_context
            async def events() -> AsyncIterator[str]:
                yield f"{current_user.name} {url_for('feed')}\n"
                async for row in sqlite.stream_query("SELECT name FROM log"):
                    yield f"{row['name']}\n"
                async for name in await db.session.stream_scalars(select(User.name)):
                    yield f"{name}\n"

            return events()

        @app.post("/photos")
        @login_required
        async def add_photo() -> Any:
            await verify_digest(request)
            checksum = generate_checksum(request, "sha256")
            form = await PhotoForm.create()
            if not await form.validate_on_submit():
                return {"errors": form.errors}
            saved = await photos.save(form.photo.data)
            async with sqlite.transaction():
                await sqlite.query_db("INSERT INTO log VALUES (?)", [saved])
            after_response(self.sent.append, saved)
            return {"saved": saved, "sha256": await checksum.hexdigest()}

        @app.get("/photos/<name>")
        @login_required
        async def photo(name: str) -> Any:
            return await send_upload(photos, name)

        @app.delete("/photos/<name>")
        @login_required
        async def delete_photo(name: str) -> Any:
            await flash(f"Deleted {name}.")
            return redirect(url_for("index"), 303)

        @app.put("/api/notes")
        @require_json
        @validate_request(Note)
        async def put_note(data: Note) -> Any:
            if data.text == "no":
                raise APIError("not this text", status_code=409)
            return {"text": data.text, "site": current_app.config["SITE"]}

        @app.get("/api/secret")
        @login_required
        async def api_secret() -> Any:
            return {}

        @app.get("/api/count")
        async def count() -> Any:
            job = await count_users.delay()
            return {"count": await job.wait()}
