"""The section "Manual Object Relational Mapping": a table, a plain class, and their mapping."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, abort, g, url_for
from quart_schema import validate_request, validate_response
from sqlalchemy import Column, Integer, MetaData, String, Table, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import registry

from quartpatterns.sqlalchemy import DirectSession
from quartpatterns.sqlalchemy.example.port_declarative import UserNames
from quartpatterns.sqlalchemy.example.port_extension import NewUser, UserOut, db

# The part of the page's module database.py.

metadata = MetaData()


def db_session() -> DirectSession:
    """Return the session of the current context."""
    if "manual_session" not in g:
        g.manual_session = DirectSession(db.engine, autoflush=False, expire_on_commit=False)
    session: DirectSession = g.manual_session
    return session


async def init_db() -> None:
    """Create the tables that do not exist."""
    async with db.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)


# The part of models.py.


class User:
    id: int
    name: str | None
    email: str | None

    def __init__(self, name: str | None = None, email: str | None = None) -> None:
        self.name = name
        self.email = email

    def __repr__(self) -> str:
        return f"<User {self.name!r}>"


users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(50), unique=True),
    Column("email", String(120), unique=True),
)
registry().map_imperatively(User, users)


# The part of the application module.


views = Blueprint("manual", __name__, url_prefix="/manual")


async def shutdown_session(exception: BaseException | None = None) -> None:
    """Close the session of a context that ends."""
    if (session := g.pop("manual_session", None)) is not None:
        await session.close()


@views.post("/users")
@validate_request(NewUser)
@validate_response(UserOut, 201)
async def create_user(data: NewUser) -> Any:
    user = User(data.name, data.email)
    db_session().add(user)
    try:
        await db_session().commit()
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    return UserOut.model_validate(user), 201, {"Location": url_for(".get_user", id=user.id)}


@views.get("/users")
@validate_response(UserNames)
async def list_users() -> Any:
    found = await db_session().scalars(select(User).order_by(users.c.id))
    return UserNames(users=[repr(user) for user in found])


@views.get("/users/<int:id>")
@validate_response(UserOut)
async def get_user(id: int) -> Any:
    user = await db_session().scalar(select(User).where(users.c.id == id))
    if user is None:
        abort(404)
    return UserOut.model_validate(user)
