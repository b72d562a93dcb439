"""Statements that are recorded, and slow ones that are logged, with the line that executed them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import re

import pytest
from quart import Quart
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError

from quartpatterns.sqlalchemy import get_recorded_queries, recording
from tests.sqlalchemy.shop import SLOW, Item, db, make_app, registration


def line() -> int:
    """The number of the line that calls."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


async def test_queries(app_class: type[Quart], url: str) -> None:
    """A query is recorded with its parameters, its times and the line of the view."""
    app = make_app(app_class, url, SQLALCHEMY_RECORD_QUERIES=True)
    lines: list[int] = []

    async def load(id: int) -> None:
        async with db.new_session() as session:
            await session.get(Item, id)

    @app.get("/")
    async def view() -> dict[str, object]:
        await db.paginate(select(Item).order_by(Item.id), count=False)
        lines.append(line() - 1)
        db.session.add(Item(name="new"))
        await db.session.commit()
        lines.append(line() - 1)
        await asyncio.gather(load(1), load(2))
        async with db.engine.begin() as connection:
            await connection.execute(insert(Item), [{"name": "a"}, {"name": "b"}])
            lines.append(line() - 1)
        found = get_recorded_queries()
        return {
            "places": [query.location for query in found],
            "statements": [query.statement.split()[0] for query in found],
            "seconds": [query.duration for query in found],
            "values": [repr(query.parameters) for query in found],
        }

    async with app.app_context():
        await db.create_all()
    data = await (await app.test_client().get("/")).get_json()
    assert data["statements"] == ["SELECT", "INSERT", "SELECT", "SELECT", "INSERT"]
    assert all(0 < seconds < 10 for seconds in data["seconds"])
    assert "new" in data["values"][1] and "'a'" in data["values"][4]
    places = [re.fullmatch(r"(.*):(\d+) \((.*)\)", place) for place in data["places"]]
    names = [place[3].rpartition(".")[2] for place in places if place]
    assert names == ["view", "view", "load", "load", "view"]
    assert {place[1] for place in places if place} == {"test_recording.py"}
    numbers = [int(place[2]) for place in places if place]
    assert [numbers[index] for index in (0, 1, 4)] == lines
    await registration(app).close()


async def test_contexts(app_class: type[Quart], url: str) -> None:
    """Each context has its own queries, and keeps the last thousand."""
    app = make_app(app_class, url, SQLALCHEMY_RECORD_QUERIES=True)
    async with app.app_context():
        for number in range(recording.MAX_RECORDED + 5):
            await db.session.execute(text(f"SELECT {number}"))
        found = get_recorded_queries()
        assert len(found) == recording.MAX_RECORDED
        assert found[-1].statement.endswith(str(recording.MAX_RECORDED + 4))
    async with app.app_context():
        assert get_recorded_queries() == []
    await registration(app).close()


async def test_without(app: Quart) -> None:
    """Nothing is recorded by default."""
    async with app.app_context():
        await db.session.scalars(select(Item))
        assert get_recorded_queries() == []


async def test_slow(app_class: type[Quart], url: str, caplog: pytest.LogCaptureFixture) -> None:
    """A slow query is logged with line, duration and statement, but no parameters."""
    app = make_app(app_class, url, SQLALCHEMY_SLOW_QUERY_SECONDS=0.05)
    statement = {
        "postgresql": "SELECT CAST(pg_sleep(0.2) AS text), CAST(:secret AS text)",
        "sqlite": str(SLOW["sqlite"]).replace("max(i)", "max(i), :secret"),
    }[registration(app).url.get_backend_name()]

    @app.get("/")
    async def view() -> str:
        await db.session.execute(text("SELECT :secret"), {"secret": "quick"})
        await db.session.execute(text(statement), {"secret": "hidden"})
        return ""

    assert (await app.test_client().get("/")).status_code == 200
    logged = [record for record in caplog.records if record.name == "quartpatterns.sqlalchemy"]
    found = [
        re.fullmatch(r"slow query: (\S+) s, test_recording\.py:\d+ \((.*)\): (.*)", record.message)
        for record in logged
    ]
    # On a loaded machine the quick query can be slow as well.
    assert {record.levelno for record in logged} == {logging.WARNING}
    assert all(match and float(match[1]) >= 0.05 for match in found)
    assert all(match and match[2].endswith("view") for match in found)
    slow = {"postgresql": "pg_sleep", "sqlite": "max(i)"}[registration(app).url.get_backend_name()]
    assert [slow in record.message for record in logged].count(True) == 1
    assert "hidden" not in caplog.text
    async with app.app_context():
        assert get_recorded_queries() == []
    await registration(app).close()


async def test_slow_and_failed(
    app_class: type[Quart], postgres_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A slow query that fails is logged, too."""
    app = make_app(app_class, postgres_url, SQLALCHEMY_SLOW_QUERY_SECONDS=0.05)
    async with app.app_context():
        await db.session.execute(text("SET statement_timeout = 100"))
        with pytest.raises(DBAPIError):
            await db.session.execute(text("SELECT pg_sleep(5)"))
    assert "pg_sleep" in caplog.text
    assert "then QueryCanceledError" in caplog.text
    await registration(app).close()


async def test_outside_of_the_package(
    app_class: type[Quart], sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A threshold of 0 logs all queries, and None logs none."""
    app = make_app(app_class, sqlite_url, SQLALCHEMY_SLOW_QUERY_SECONDS=0)
    async with app.app_context():
        await db.session.execute(text("SELECT 4711"))
    assert "SELECT 4711" in caplog.text
    await registration(app).close()
