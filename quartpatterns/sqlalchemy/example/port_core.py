"""The section "SQL Abstraction Layer": an engine, and a table that is loaded from the database."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, abort, current_app, url_for
from quart_schema import validate_request, validate_response
from sqlalchemy import MetaData, Table, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from quartpatterns.sqlalchemy.example.port_extension import NewUser, UserOut, db

views = Blueprint("core", __name__, url_prefix="/core")


async def reflect_users(connection: AsyncConnection) -> Table:
    """Return the table as the database has it. It is loaded once in an application."""
    tables: dict[str, Table] = current_app.extensions.setdefault("reflected_tables", {})
    if "users" not in tables:
        # Each task has its own MetaData: others would see a table that has no columns yet.
        tables["users"] = await connection.run_sync(
            lambda sync: Table("users", MetaData(), autoload_with=sync)
        )
    return tables["users"]


@views.post("/users")
@validate_request(NewUser)
@validate_response(UserOut, 201)
async def create_user(data: NewUser) -> Any:
    try:
        async with db.engine.begin() as connection:
            users = await reflect_users(connection)
            result: Any = await connection.execute(users.insert(), data.model_dump())
    except IntegrityError:
        abort(409, "The name or the email is taken.")
    [id] = result.inserted_primary_key
    user = UserOut(id=id, name=data.name, email=data.email)
    return user, 201, {"Location": url_for(".get_user", id=id)}


@views.get("/users/<int:id>")
@validate_response(UserOut)
async def get_user(id: int) -> Any:
    async with db.engine.connect() as connection:
        users = await reflect_users(connection)
        row = (await connection.execute(users.select().where(users.c.id == id))).first()
    if row is None:
        abort(404)
    return UserOut(id=row[0], name=row.name, email=row._mapping["email"])


@views.get("/users/by-name/<name>")
@validate_response(UserOut)
async def get_user_by_name(name: str) -> Any:
    statement = text("SELECT * FROM users WHERE name = :name")
    async with db.engine.connect() as connection:
        row = (await connection.execute(statement, {"name": name})).first()
    if row is None:
        abort(404)
    return UserOut.model_validate(dict(row._mapping))
