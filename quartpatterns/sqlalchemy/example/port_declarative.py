"""The section "Declarative": a base, a model and a session for each context, no extension.

The page's ``scoped_session`` has a session for each thread. On an event loop all requests are in
one thread, so the session is an attribute of ``g``.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from quart import Blueprint, abort, g, url_for
from quart_schema import validate_request, validate_response
from sqlalchemy import String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import DirectSession
from quartpatterns.sqlalchemy.example.port_extension import NewUser, UserOut, db

# The part of the page's module database.py.


class Base(DeclarativeBase):
    pass


def db_session() -> DirectSession:
    """Return the session of the current context."""
    if "declarative_session" not in g:
        # Expired attributes would be loaded when they are read, which can't be awaited.
        g.declarative_session = DirectSession(db.engine, autoflush=False, expire_on_commit=False)
    session: DirectSession = g.declarative_session
    return session


async def init_db() -> None:
    """Create the tables that do not exist."""
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


# The part of models.py.


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


# The part of the application module.


class UserNames(BaseModel):
    users: list[str]


views = Blueprint("declarative", __name__, url_prefix="/declarative")


async def shutdown_session(exception: BaseException | None = None) -> None:
    """Close the session of a context that ends."""
    if (session := g.pop("declarative_session", None)) is not None:
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
    location = url_for(".get_user", name=user.name)
    return UserOut.model_validate(user), 201, {"Location": location}


@views.get("/users")
@validate_response(UserNames)
async def list_users() -> Any:
    users = await db_session().scalars(select(User).order_by(User.id))
    return UserNames(users=[repr(user) for user in users])


@views.get("/users/<name>")
@validate_response(UserOut)
async def get_user(name: str) -> Any:
    user = await db_session().scalar(select(User).where(User.name == name))
    if user is None:
        abort(404)
    return UserOut.model_validate(user)
