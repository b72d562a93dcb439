"""The types that users of ``quartpatterns.sqlalchemy`` see: type checkers read this file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from typing import Any, assert_type

from quart import Quart
from sqlalchemy import URL, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.exceptions import HTTPException

from quartpatterns.sqlalchemy import (
    KeysetPage,
    Model,
    Pagination,
    QueryInfo,
    Session,
    SQLAlchemy,
    async_url,
    diagnose,
    get_recorded_queries,
    make_engine,
)


class Base(Model, DeclarativeBase):
    pass


class User(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


db = SQLAlchemy(model_class=Base)


async def extension(app: Quart) -> None:
    assert_type(db.init_app(app), None)
    assert_type(db.session, Session)
    assert_type(db.new_session(), Session)
    assert_type(db.engine, AsyncEngine)
    assert_type(db.engines, Mapping[str | None, AsyncEngine])
    assert_type(await db.create_all(), None)


async def queries() -> None:
    assert_type(await db.get_or_404(User, 1), User)
    assert_type(await db.first_or_404(select(User)), User)
    assert_type(await db.one_or_404(select(User)), User)
    assert_type(await db.one_or_404(select(User.name)), str)
    assert_type(db.batches(select(User.id)), AsyncGenerator[Sequence[Any]])
    assert_type(db.csv(select(User.id)), AsyncGenerator[bytes])


async def pages() -> None:
    page = await db.paginate(select(User))
    assert_type(page, Pagination[User])
    assert_type(page.items, list[User])
    assert_type([user for user in page], list[User])
    assert_type(await page.next(), Pagination[User])
    assert_type(await db.paginate(select(User.id)), Pagination[int])
    keyset = await db.keyset_paginate(select(User))
    assert_type(keyset, KeysetPage[User])
    assert_type(keyset.items, list[User])
    assert_type(keyset.next_cursor, str | None)
    assert_type(await keyset.next(), KeysetPage[User] | None)


@db.reading()
async def read(id: int, *, name: str = "") -> User:
    return await db.get_or_404(User, id)


@db.retrying(attempts=2)
async def rename(id: int, name: str) -> bool:
    return True


async def decorators() -> None:
    assert_type(await read(1, name="x"), User)
    assert_type(await asyncio.create_task(read(1)), User)
    assert_type(await rename(1, "x"), bool)
    function: Callable[[int, str], Coroutine[Any, Any, bool]] = rename
    assert_type(await function(1, "x"), bool)
    async with db.reading() as session:
        assert_type(session, Session)


def functions(error: SQLAlchemyError) -> None:
    assert_type(async_url("sqlite://"), URL)
    assert_type(make_engine(async_url("sqlite://")), AsyncEngine)
    assert_type(diagnose(error), HTTPException | None)
    assert_type(get_recorded_queries(), list[QueryInfo])
