"""Users in an SQLite database, with one connection per context."""

from __future__ import annotations

import sqlite3
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

from quartpatterns.sqlite3 import SQLite, get_db, make_dicts, query_db, stream_query
from quartpatterns.streaming import csv_response
from quartpatterns.subclassing import FaithfulQuart

PER_PAGE = 50

views = Blueprint("users", __name__)


def read_page() -> int:
    try:
        return max(int(request.args.get("page", 1)), 1)
    except ValueError:
        abort(400, "Give page as a number.")


def read_text(fields: Mapping[str, Any], name: str, limit: int) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        abort(400, f"Give {name} as text.")
    if len(value) > limit:
        abort(400, f"Give {name} in {limit} characters at most.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        abort(400, f"Give {name} without control characters.")
    return value


async def select_page() -> list[sqlite3.Row]:
    offset = (read_page() - 1) * PER_PAGE
    query = "SELECT * FROM users ORDER BY id DESC LIMIT ? OFFSET ?"
    rows: list[sqlite3.Row] = await query_db(query, [PER_PAGE, offset])
    return rows


@views.route("/")
async def index() -> str:
    users = await select_page()
    return await render_template("users.html", users=users, page=read_page(), per_page=PER_PAGE)


@views.route("/users")
async def list_users() -> dict[str, Any]:
    return {"users": [dict(user) for user in await select_page()]}


@views.route("/users/<name>")
async def get_user(name: str) -> dict[str, Any]:
    user = await query_db("SELECT * FROM users WHERE name = ?", [name], one=True)
    if user is None:
        abort(404, "There is no such user.")
    return {"id": user["id"], "name": user["name"], "email": user[2]}


@views.route("/users", methods=["POST"])
async def create_user() -> ResponseReturnValue:
    fields = await request.get_json() if request.is_json else await request.form
    if not isinstance(fields, Mapping):
        abort(400, "Send an object with name and email.")
    db = await get_db()
    try:
        await db.execute(
            "INSERT INTO users (name, email) VALUES (?, ?)",
            [read_text(fields, "name", 50), read_text(fields, "email", 120)],
        )
    except sqlite3.IntegrityError:
        abort(409, "The name is taken.")
    await db.commit()
    if not request.is_json:
        return redirect(url_for(".index"), 303)
    name = fields["name"]
    return {"name": name}, 201, {"Location": url_for(".get_user", name=name)}


@views.route("/forgotten", methods=["POST"])
async def forget_user() -> dict[str, Any]:
    """The end of the request rolls back what is not committed."""
    await query_db("INSERT INTO users (name, email) VALUES ('forgotten', '')")
    rows = await query_db("SELECT count(*) FROM users WHERE name = 'forgotten'")
    return {"users": rows[0][0]}


@views.route("/dicts")
async def list_dicts() -> ResponseReturnValue:
    (await get_db()).row_factory = make_dicts  # type: ignore[assignment]  # aiosqlite declares a class
    last = request.args.get("last", 3)
    rows: list[Any] = await query_db("SELECT name, email FROM users WHERE id <= ?", [last])
    return rows


@views.route("/users.csv")
async def export_users() -> Response:
    rows = stream_query("SELECT id, name, email FROM users ORDER BY id")
    return csv_response(rows, header=False, line_end="\n")


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create the application. ``quart init-db`` or its start creates the tables."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(DATABASE="sqlite3.db")
    app.config.from_mapping(config or {})
    db = SQLite(app)
    app.register_blueprint(views)

    @app.before_serving
    async def create_tables() -> None:
        await db.init_db(app, if_empty=True)

    return app
