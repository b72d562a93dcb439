"""Users in a database, in the four ways of Flask's page, with asynchronous queries."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

from quart import (
    Blueprint,
    Response,
    ResponseReturnValue,
    abort,
    redirect,
    render_template,
    request,
    url_for,
)
from sqlalchemy import MetaData, String, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.streaming import csv_response
from quartpatterns.subclassing import FaithfulQuart

# Migrations drop constraints by name, so all constraints need one.
NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
}


class Base(Model, DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


db = SQLAlchemy(model_class=Base)


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(50), unique=True)
    email: Mapped[str | None] = mapped_column(String(120), unique=True)

    def __init__(self, name: str | None = None, email: str | None = None) -> None:
        self.name = name
        self.email = email

    def __repr__(self) -> str:
        return f"<User {self.name!r}>"


users = Base.metadata.tables["users"]


class Person:
    """A plain class that is mapped to a table by hand."""

    id: int
    name: str | None
    email: str | None


registry().map_imperatively(Person, users)


views = Blueprint("users", __name__)


def as_dict(user: User | Person) -> dict[str, Any]:
    return {"id": user.id, "name": user.name, "email": user.email}


def read_text(fields: Mapping[str, Any], name: str, limit: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        abort(400, f"Give {name} as text.")
    if len(value) > limit:
        abort(400, f"Give {name} in {limit} characters at most.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        abort(400, f"Give {name} without control characters.")
    return value


@views.route("/")
@db.reading()
async def index() -> str:
    page = await db.paginate(select(User).order_by(User.id))
    return await render_template("users.html", page=page)


@views.route("/users")
@db.reading()
async def list_users() -> dict[str, Any]:
    page = await db.paginate(select(User).order_by(User.id))
    return {
        "users": [as_dict(user) for user in page],
        "page": page.page,
        "per_page": page.per_page,
        "total": page.total,
        "pages": page.pages,
        "next": page.next_num,
        "prev": page.prev_num,
    }


@views.route("/newest")
@db.reading()
async def list_newest() -> dict[str, Any]:
    page = await db.keyset_paginate(select(User).order_by(User.id.desc()))
    return {"users": [as_dict(user) for user in page], "next": page.next_cursor}


@views.route("/users.csv")
async def export_users() -> Response:
    return csv_response(db.rows(select(User.id, User.name, User.email).order_by(User.id)))


@views.route("/users", methods=["POST"])
async def create_user() -> ResponseReturnValue:
    fields = await request.get_json() if request.is_json else await request.form
    if not isinstance(fields, Mapping):
        abort(400, "Send an object with name and email.")
    user = User(read_text(fields, "name", 50), read_text(fields, "email", 120))
    db.session.add(user)
    try:
        await db.session.commit()
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    if not request.is_json:
        return redirect(url_for(".index"), 303)
    return as_dict(user), 201, {"Location": url_for(".get_user", id=user.id)}


@views.route("/users/<int:id>")
@db.reading()
async def get_user(id: int) -> dict[str, Any]:
    return as_dict(await db.get_or_404(User, id, description="There is no such user."))


@views.route("/users/by-name/<name>")
@db.reading()
async def get_user_by_name(name: str) -> dict[str, Any]:
    return as_dict(await db.one_or_404(select(User).where(User.name == name)))


@views.route("/declarative/users/<name>")
@db.reading()
async def get_declarative_user(name: str) -> dict[str, Any]:
    user = await db.session.scalar(select(User).where(User.name == name))
    if user is None:
        abort(404)
    return as_dict(user)


@views.route("/manual/users/<int:id>")
@db.reading()
async def get_person(id: int) -> dict[str, Any]:
    return as_dict(await db.get_or_404(Person, id))


@views.route("/core/users/<int:id>")
async def get_row(id: int) -> dict[str, Any]:
    async with db.engine.connect() as connection:
        row = (await connection.execute(users.select().where(users.c.id == id))).first()
    if row is None:
        abort(404)
    return {"id": row[0], "name": row.name, "email": row._mapping["email"]}


@views.route("/core/users/by-name/<name>")
async def get_row_by_name(name: str) -> dict[str, Any]:
    statement = text("SELECT id, name, email FROM users WHERE name = :name")
    async with db.engine.connect() as connection:
        row = (await connection.execute(statement, {"name": name})).first()
    if row is None:
        abort(404)
    return dict(row._mapping)


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create the application; the migrations create the tables."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        SQLALCHEMY_DATABASE_URI="sqlite:///sqlalchemy.db",
    )
    app.config.from_mapping(config or {})
    db.init_app(app)
    app.register_blueprint(views)
    return app
