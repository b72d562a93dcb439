"""Exports of a database: slow clients, clients that leave, and the connection pool."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from quart import Quart, Response
from sqlalchemy import Dialect, Integer, QueuePool, String, TypeDecorator, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from quartpatterns.sqlalchemy import Model, SQLAlchemy
from quartpatterns.sqlalchemy.extension import Registration
from quartpatterns.streaming import csv_response, ndjson_response, stream_with_context
from tests.serving import TIMEOUT, eventually, served, unread_response

pytestmark = pytest.mark.wire

READERS = 30
SMALL, LARGE = 6_000, 100_000
fetched = 0


class Base(Model, DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


class Counted(TypeDecorator[int]):
    """An integer that counts how often it is fetched."""

    impl = Integer
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        global fetched
        fetched += 1
        return value


class User(Base):
    id: Mapped[int] = mapped_column(Counted, primary_key=True)
    name: Mapped[str] = mapped_column(String(100))


def create_app(app_class: type[Quart], url: str) -> Quart:
    app = app_class(__name__)
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI=url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 5, "max_overflow": 0, "pool_timeout": TIMEOUT},
    )
    db.init_app(app)
    users = select(User.id, User.name).order_by(User.id)

    @app.get("/<int:count>.csv")
    async def export(count: int) -> Response:
        return csv_response(db.rows(users.limit(count)), filename="users.csv")

    @app.get("/<int:count>.ndjson")
    async def export_json(count: int) -> Response:
        return ndjson_response(db.rows(users.limit(count)))

    @app.get("/generated/<int:count>.csv")
    async def export_generated(count: int) -> Response:
        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            async for chunk in db.csv(users.limit(count)):
                yield chunk

        return Response(generate(), content_type="text/csv")

    @app.get("/missing.csv")
    async def export_missing() -> Response:
        return csv_response(db.rows(text("SELECT * FROM missing")), filename="missing.csv")

    @app.get("/user")
    async def first_user() -> str:
        return str(await db.session.scalar(select(User.name).where(User.id == 1)))

    @app.errorhandler(DBAPIError)
    async def refuse(error: DBAPIError) -> tuple[str, int]:
        return "the export failed", 400

    return app


def checked_out(app: Quart) -> int:
    registration = cast("Registration", app.extensions["sqlalchemy"])
    pool = registration.engines().engine.pool
    assert isinstance(pool, QueuePool)
    return pool.checkedout()


@pytest.fixture(params=["sqlite", "postgres_url"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    return cast("str", request.getfixturevalue(request.param))


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    """The application with many users of 100 characters."""
    app = create_app(app_class, url)
    async with app.app_context():
        await db.create_all()
        await db.session.execute(
            text(
                'INSERT INTO "user" WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n'
                f" WHERE i < {LARGE}) SELECT i, '{'x' * 100}' FROM n"
            )
        )
        await db.session.commit()
    yield app
    await cast("Registration", app.extensions["sqlalchemy"]).close()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/{}.csv", "/{}.ndjson", "/generated/{}.csv"])
async def test_readers_that_read_nothing(app: Quart, path: str) -> None:
    """Thirty readers of half a megabyte hold no connection of a pool of five."""
    async with served(app, send_buffer=4096) as server, AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(unread_response(server.port, path.format(SMALL)))
            for _ in range(READERS)
        ]
        for reader in readers:
            assert (await reader.read(12)) == b"HTTP/1.1 200"
        await eventually(lambda: checked_out(app) == 0)
        assert (await server.client.get("/user")).text == "x" * 100
        # They still get all of it.
        rest = await readers[0].read(-1)
        assert rest.count(b"x" * 100) == SMALL


async def test_reader_that_stops(app: Quart) -> None:
    """A client that stops reading stops the cursor; one that leaves closes it."""
    global fetched
    async with served(app) as server:
        fetched = 0
        async with unread_response(server.port, f"/{LARGE}.csv") as reader:
            await reader.read(12)
            before = -1
            while before != fetched:
                before = fetched
                await asyncio.sleep(0.5)
            # 1 MiB is read ahead; a batch, the server and the sockets hold a little more.
            assert 8_000 < fetched < 60_000
            assert checked_out(app) == 1
        await eventually(lambda: checked_out(app) == 0)
        assert fetched < 60_000
        assert (await server.client.get("/user")).text == "x" * 100


async def test_whole_export(app: Quart) -> None:
    """All rows arrive, with the name of the file."""
    async with served(app) as server:
        response = await server.client.get(f"/{LARGE}.csv")
        assert response.headers["content-disposition"] == "attachment; filename=users.csv"
        lines = response.text.splitlines()
        assert (lines[0], len(lines)) == ("id,name", LARGE + 1)
        assert lines[-1] == f"{LARGE},{'x' * 100}"
        response = await server.client.get("/3.ndjson")
        assert [json.loads(line)["id"] for line in response.text.splitlines()] == [1, 2, 3]
        assert (await server.client.get("/0.csv")).text == "id,name\r\n"
        await eventually(lambda: checked_out(app) == 0)


async def test_error_before_the_first_row(app: Quart) -> None:
    """A query that fails is an error page, and not a file."""
    async with served(app) as server:
        response = await server.client.get("/missing.csv")
        assert (response.status_code, response.text) == (400, "the export failed")
        assert "content-disposition" not in response.headers
        await eventually(lambda: checked_out(app) == 0)


async def test_in_a_transaction(app: Quart) -> None:
    """Rows of an open transaction include what is not committed, and leave it open."""
    async with app.app_context():
        assert [row.id async for row in db.rows(select(User.id).limit(1))] == [1]
        assert checked_out(app) == 0
        await db.session.execute(insert(User), [{"id": 0, "name": "new"}])
        names = [row.name async for row in db.rows(select(User).where(User.id == 0))]
        assert names == ["new"]
        assert checked_out(app) == 1
        assert await db.session.scalar(select(User.name).where(User.id == 0)) == "new"
    assert checked_out(app) == 0


async def test_while_the_session_is_used(app: Quart) -> None:
    """Between the rows, ``db.session`` can be used and committed."""
    async with app.app_context():
        async for row in db.rows(select(User.id).limit(3)):
            user = await db.get_or_404(User, row.id)
            assert user.name == "x" * 100
            await db.session.commit()
    assert checked_out(app) == 0
