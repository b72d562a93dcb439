"""A sample application: logins, albums in a database, forms with tokens, flashes and a task."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from quart import Quart, redirect, render_template_string, request, url_for
from quart.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from wtforms import StringField
from wtforms.validators import InputRequired

from quartpatterns.flashing import Flashing, flash
from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import Tasks
from quartpatterns.viewdecorators import (
    LoginManager,
    UserMixin,
    current_user,
    fresh_login_required,
    login_required,
)
from quartpatterns.wtforms import CSRFProtect, QuartForm


class Base(Model, DeclarativeBase):
    """The base of the models."""


db = SQLAlchemy(model_class=Base)
tasks = Tasks()
CLASSES = {"Quart": Quart, "FaithfulQuart": FaithfulQuart}


class User(Base, UserMixin):
    """A user."""

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)


class Album(Base):
    """An album, which a task makes a cover for."""

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    cover: Mapped[str | None]


class AlbumForm(QuartForm):
    """The form of an album."""

    title = StringField(validators=[InputRequired()])


@tasks.task
async def make_cover(album_id: int) -> str:
    """Make the cover of an album."""
    album = await db.session.get_one(Album, album_id)
    album.cover = f"{album.title}.jpg"
    await db.session.commit()
    return album.cover


def create_app(name: str = "FaithfulQuart", config: Mapping[str, Any] | None = None) -> Quart:
    """Return a new application of the class *name*."""
    app = CLASSES[name](__name__)
    app.config.update(TESTING=True, SECRET_KEY="test", REDIS_URL="redis://127.0.0.1:1/0")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite:///board.db", SESSION_PROTECTION="strong")
    app.config.from_mapping(config or {})
    db.init_app(app)
    tasks.init_app(app)
    CSRFProtect(app)
    Flashing(app)
    logins = LoginManager(app, login_view="login")

    @logins.user_loader
    async def load_user(user_id: str) -> User | None:
        async with db.new_session() as session:
            return await session.get(User, int(user_id))

    @app.before_serving
    async def create_tables() -> None:
        async with app.app_context():
            await db.create_all()

    # A second start of the same application would end it.
    @app.while_serving
    async def resource() -> AsyncGenerator[None]:
        app.extensions["board"] = "open"
        yield
        del app.extensions["board"]

    @app.get("/login")
    async def login() -> str:
        return "Please log in"

    @app.get("/me")
    @login_required
    async def me() -> str:
        return str(current_user.name)

    @app.get("/secret")
    @fresh_login_required
    async def secret() -> str:
        return "secret"

    @app.route("/albums", methods=["GET", "POST"])
    @login_required
    async def albums() -> ResponseReturnValue:
        form = await AlbumForm.create()
        if await form.validate_on_submit():
            album = Album(title=form.title.data or "")
            db.session.add(album)
            await db.session.commit()
            job = await make_cover.delay(album.id)
            await flash(f"{album.title} was created", "success")
            return redirect(url_for("album", id=album.id, job=job.id), 303)
        page = "<form>{{ form.hidden_tag() }}{{ form.title() }}</form>{{ form.errors }}"
        return await render_template_string(page, form=form)

    @app.get("/albums/<int:id>")
    async def album(id: int) -> dict[str, Any]:
        found = await db.get_or_404(Album, id)
        count = await db.session.scalar(select(func.count(Album.id)))
        return {"title": found.title, "cover": found.cover, "count": count}

    @app.get("/no-form")
    async def no_form() -> str:
        return "<form></form>"

    @app.delete("/albums/<int:id>")
    async def delete(id: int) -> ResponseReturnValue:
        return {"deleted": id, "body": await request.get_json(silent=True)}

    return app
