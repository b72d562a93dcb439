"""The section "Flask-SQLAlchemy Extension": models, sessions and pages of the extension."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import BaseModel, Field, field_validator
from pydantic_core import PydanticCustomError
from quart import (
    Blueprint,
    Response,
    ResponseReturnValue,
    abort,
    redirect,
    render_template,
    url_for,
)
from quart_schema import (
    DataSource,
    document_querystring,
    hide,
    validate_querystring,
    validate_request,
    validate_response,
)
from sqlalchemy import MetaData, String, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.schemas import InSchema, OutSchema
from quartpatterns.streaming import csv_response

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


# What clients send, and what they get.


class NewUser(InSchema[User]):
    """The fields have the maximum lengths of the columns."""

    name: str
    email: str

    @field_validator("name", "email")
    @classmethod
    def check_line(cls, value: str) -> str:
        if not value.strip() or any(unicodedata.category(one) == "Cc" for one in value):
            raise PydanticCustomError("line", "Input should be one line of text")
        return value


class UserOut(OutSchema[User]):
    id: int
    name: str | None
    email: str | None


class PageQuery(BaseModel):
    page: int = 1
    per_page: int = 20


class Page(BaseModel):
    users: list[UserOut]
    page: int
    per_page: int
    total: int | None
    pages: int
    next: int | None
    prev: int | None


class NewestQuery(BaseModel):
    cursor: str | None = None
    per_page: Annotated[int, Field(ge=1, le=100)] = 20


class NewestPage(BaseModel):
    users: list[UserOut]
    next: str | None


views = Blueprint("users", __name__)


@views.get("/")
@hide
@db.reading()
async def index() -> str:
    page = await db.paginate(select(User).order_by(User.id))
    return await render_template("users.html", page=page)


# Documented but not validated: paginate() reads the parameters, and answers 404 if they are
# invalid, as that of Flask-SQLAlchemy does.
@views.get("/users")
@document_querystring(PageQuery)
@validate_response(Page)
@db.reading()
async def list_users() -> Any:
    page = await db.paginate(select(User).order_by(User.id))
    return Page(
        users=[UserOut.model_validate(user) for user in page],
        page=page.page,
        per_page=page.per_page,
        total=page.total,
        pages=page.pages,
        next=page.next_num,
        prev=page.prev_num,
    )


@views.get("/newest")
@validate_querystring(NewestQuery)
@validate_response(NewestPage)
@db.reading()
async def list_newest(query_args: NewestQuery) -> Any:
    page = await db.keyset_paginate(
        select(User).order_by(User.id.desc()),
        cursor=query_args.cursor,
        per_page=query_args.per_page,
    )
    users = [UserOut.model_validate(user) for user in page]
    return NewestPage(users=users, next=page.next_cursor)


@views.get("/users.csv")
@hide
async def export_users() -> Response:
    return csv_response(db.rows(select(User.id, User.name, User.email).order_by(User.id)))


async def add_user(new: NewUser) -> User:
    user = User(new.name, new.email)
    db.session.add(user)
    try:
        await db.session.commit()
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    return user


@views.post("/")
@hide
@validate_request(NewUser, source=DataSource.FORM)
async def create_user_by_form(data: NewUser) -> ResponseReturnValue:
    await add_user(data)
    return redirect(url_for(".index"), 303)


@views.post("/users")
@validate_request(NewUser)
@validate_response(UserOut, 201)
async def create_user(data: NewUser) -> Any:
    user = await add_user(data)
    return UserOut.model_validate(user), 201, {"Location": url_for(".get_user", id=user.id)}


@views.get("/users/<int:id>")
@validate_response(UserOut)
@db.reading()
async def get_user(id: int) -> Any:
    user = await db.get_or_404(User, id, description="There is no such user.")
    return UserOut.model_validate(user)


@views.get("/users/by-name/<name>")
@validate_response(UserOut)
@db.reading()
async def get_user_by_name(name: str) -> Any:
    return UserOut.model_validate(await db.one_or_404(select(User).where(User.name == name)))
