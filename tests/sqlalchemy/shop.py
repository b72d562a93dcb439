"""Models and applications for these tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, cast

import pytest
import quart
from quart import Quart
from sqlalchemy import URL, Pool, QueuePool, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns import streaming, subclassing
from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.extension import Registration
from tests.serving import eventually


class Base(Model, DeclarativeBase):
    pass


class Item(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


db = SQLAlchemy(model_class=Base)

Stream = Callable[[Callable[[], AsyncIterator[bytes]]], Callable[[], AsyncIterator[bytes]]]

streams = pytest.mark.parametrize(
    "stream_with_context",
    [
        pytest.param(quart.stream_with_context, id="quart's"),
        pytest.param(streaming.stream_with_context, id="streaming's"),
        pytest.param(subclassing.stream_with_context, id="subclassing's"),
    ],
)
"""Each way there is to keep a context in a stream."""

ENDLESS = {
    "sqlite": text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    ),
    "postgresql": text("SELECT pg_sleep(60)"),
}
"""Statements that nobody wants to wait for."""

SLOW = {
    "sqlite": text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)"
        " SELECT max(i) FROM n"
    ),
    "postgresql": text("SELECT pg_sleep(0.2)"),
}
"""Statements that take a moment."""


def make_app(
    app_class: type[Quart], url: str | URL, options: Mapping[str, Any] | None = None, **config: Any
) -> Quart:
    """An application with the database at *url*."""
    app = app_class(__name__)
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI=url, SQLALCHEMY_ENGINE_OPTIONS=dict(options or {}), **config
    )
    db.init_app(app)
    return app


def registration(app: Quart) -> Registration:
    return cast("Registration", app.extensions["sqlalchemy"])


def pool(app: Quart) -> Pool:
    """The pool of *app* on the running event loop."""
    return registration(app).engines().engine.pool


def checked_out(app: Quart) -> int:
    """How many connections are in use."""
    found = pool(app)
    assert isinstance(found, QueuePool)
    return found.checkedout()


async def none_checked_out(app: Quart) -> bool:
    """Wait until all connections are back in the pool."""
    await eventually(lambda: checked_out(app) == 0)
    return True


async def names(app: Quart) -> list[str]:
    """The names of all items, as another transaction sees them."""
    async with app.app_context(), db.engine.connect() as connection:
        rows = await connection.execute(text("SELECT name FROM item ORDER BY name"))
        return [row.name for row in rows]
