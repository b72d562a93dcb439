"""Models and applications for these tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from quart import Quart
from sqlalchemy import URL, Pool, QueuePool, String, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.extension import Registration
from tests.serving import eventually


class Base(Model, DeclarativeBase):
    pass


class Item(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(50), unique=True)


db = SQLAlchemy(model_class=Base)

ENDLESS = {
    "sqlite": text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    ),
    "postgresql": text("SELECT pg_sleep(60)"),
}
"""Statements that run for a minute or longer."""

SLOW = {
    "sqlite": text(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)"
        " SELECT max(i) FROM n"
    ),
    "postgresql": text("SELECT pg_sleep(0.2)"),
}
"""Statements that run for a fraction of a second."""


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


async def wait_for_connections(app: Quart) -> bool:
    """Wait until all connections are back in the pool."""
    await eventually(lambda: checked_out(app) == 0)
    return True


async def names(app: Quart) -> list[str]:
    """The names of all items, as another transaction sees them."""
    async with app.app_context(), db.engine.connect() as connection:
        rows = await connection.execute(text("SELECT name FROM item ORDER BY name"))
        return [row.name for row in rows]
