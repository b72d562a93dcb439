"""Users in an SQLite database, with one connection per context."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, RootModel
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
    Info,
    QuartSchema,
    RequestSchemaValidationError,
    hide,
    validate_querystring,
    validate_request,
    validate_response,
)

from quartpatterns.ajax import swagger_ui
from quartpatterns.errorpages import handle_invalid_request
from quartpatterns.sqlite3 import SQLite, get_db, make_dicts, query_db, stream_query
from quartpatterns.streaming import csv_response
from quartpatterns.subclassing import FaithfulQuart

PER_PAGE = 50

views = Blueprint("users", __name__)


# What clients send, and what they get.


def parse_number(value: object) -> object:
    """Refuse ``1.0``, ``1_0`` and ``+1``, which pydantic reads as whole numbers."""
    if isinstance(value, str) and not re.fullmatch("[0-9]{1,9}", value):
        raise PydanticCustomError("number", "Input should be a number of at most 9 digits")
    return value


def check_line(value: str) -> str:
    if not value.strip() or any(unicodedata.category(character) == "Cc" for character in value):
        raise PydanticCustomError("line", "Input should be one line of text")
    return value


class PageQuery(BaseModel):
    page: Annotated[int, Field(ge=1), BeforeValidator(parse_number)] = 1


class LastQuery(BaseModel):
    last: Annotated[int, BeforeValidator(parse_number)] = 3


class NewUser(BaseModel):
    name: Annotated[str, Field(max_length=50), AfterValidator(check_line)]
    email: Annotated[str, Field(max_length=120), AfterValidator(check_line)]


class User(BaseModel):
    id: int
    name: str
    email: str


class UserList(BaseModel):
    users: list[User]


class UserRows(RootModel[list[NewUser]]):
    """Rows as dicts."""


class UserCount(BaseModel):
    users: int


async def select_page(page: int) -> list[sqlite3.Row]:
    query = "SELECT * FROM users ORDER BY id DESC LIMIT ? OFFSET ?"
    rows: list[sqlite3.Row] = await query_db(query, [PER_PAGE, (page - 1) * PER_PAGE])
    return rows


async def insert_user(user: NewUser) -> None:
    db = await get_db()
    try:
        await db.execute("INSERT INTO users (name, email) VALUES (?, ?)", [user.name, user.email])
    except sqlite3.IntegrityError:
        abort(409, "The name is taken.")
    await db.commit()


@views.get("/")
@hide
@validate_querystring(PageQuery)
async def index(query_args: PageQuery) -> str:
    page = query_args.page
    users = await select_page(page)
    return await render_template("users.html", users=users, page=page, per_page=PER_PAGE)


@views.post("/")
@hide
@validate_request(NewUser, source=DataSource.FORM)
async def add_user(data: NewUser) -> ResponseReturnValue:
    await insert_user(data)
    return redirect(url_for(".index"), 303)


@views.get("/users")
@validate_querystring(PageQuery)
@validate_response(UserList)
async def list_users(query_args: PageQuery) -> ResponseReturnValue:
    return {"users": [dict(user) for user in await select_page(query_args.page)]}


@views.get("/users/<name>")
@validate_response(User)
async def get_user(name: str) -> ResponseReturnValue:
    user = await query_db("SELECT * FROM users WHERE name = ?", [name], one=True)
    if user is None:
        abort(404, "There is no such user.")
    return {"id": user["id"], "name": user["name"], "email": user[2]}


@views.post("/users")
@validate_request(NewUser)
@validate_response(NewUser, 201)
async def create_user(data: NewUser) -> Any:
    await insert_user(data)
    return data, 201, {"Location": url_for(".get_user", name=data.name)}


@views.post("/forgotten")
@validate_response(UserCount)
async def forget_user() -> ResponseReturnValue:
    """The end of the request rolls back what is not committed."""
    await query_db("INSERT INTO users (name, email) VALUES ('forgotten', '')")
    rows = await query_db("SELECT count(*) FROM users WHERE name = 'forgotten'")
    return {"users": rows[0][0]}


@views.get("/dicts")
@validate_querystring(LastQuery)
@validate_response(UserRows)
async def list_dicts(query_args: LastQuery) -> ResponseReturnValue:
    (await get_db()).row_factory = make_dicts  # type: ignore[assignment]  # aiosqlite declares a class
    rows: list[Any] = await query_db(
        "SELECT name, email FROM users WHERE id <= ?", [query_args.last]
    )
    return rows


@views.get("/users.csv")
@hide
async def export_users() -> Response:
    rows = stream_query("SELECT id, name, email FROM users ORDER BY id")
    return csv_response(rows, header=False, line_end="\n")


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create the application. ``quart init-db`` or its start creates the tables."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(DATABASE="sqlite3.db", SQLITE_READ_ON_LOOP=True)
    app.config.from_mapping(config or {})
    db = SQLite(app)
    info = Info("Users in SQLite", "1")
    QuartSchema(app, info=info, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
    swagger_ui(app)
    app.register_error_handler(RequestSchemaValidationError, handle_invalid_request)
    app.register_blueprint(views)

    @app.before_serving
    async def create_tables() -> None:
        await db.init_db(app, if_empty=True)

    return app
