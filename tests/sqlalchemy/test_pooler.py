"""A real PgBouncer in front of PostgreSQL, which gives each transaction any connection."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from quart import Quart
from sqlalchemy import make_url, select, text

from quartpatterns.compare.processes import Process, accepts, free_port
from quartpatterns.sqlalchemy.migrations import upgrade
from tests.conftest import unavailable
from tests.sqlalchemy.shop import Item, db, make_app, registration

pytestmark = pytest.mark.wire
REQUESTS = 240
TRANSACTION = {"SQLALCHEMY_POOLER": "transaction"}
DOCUMENTED = {
    "connect_args": {
        "prepared_statement_cache_size": 0,
        "statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__asyncpg_{os.urandom(8).hex()}__",
    }
}
"""What the documentation of SQLAlchemy recommends."""
SETTINGS = """
[databases]
* = host={host} port={port} user={user} password={password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
"""


@pytest.fixture
def pooler_url(postgres_url: str) -> Iterator[str]:
    """The URL of an empty database behind PgBouncer, which has four connections to it."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        unavailable("PgBouncer is not installed: install pgbouncer")
    server, port = make_url(postgres_url), free_port()
    text = SETTINGS.format(
        host=server.host,
        port=server.port,
        user=server.username,
        password=server.password,
        listen=port,
    )
    # The temporary folder, because nobody may not enter the home folder of root.
    with tempfile.TemporaryDirectory(prefix="quartpatterns-pgbouncer-") as folder:
        (file := Path(folder, "pgbouncer.ini")).write_text(text)
        Path(folder).chmod(0o755)
        as_nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        prefix = as_nobody if os.geteuid() == 0 else []
        with Process(
            [*prefix, program, str(file)], log=Path(folder, "log"), cwd=Path("/")
        ) as process:
            process.wait_until(lambda: accepts(port))
            yield server.set(port=port).render_as_string(hide_password=False)


async def served(
    url: str, path: str, options: Mapping[str, Any], config: Mapping[str, Any]
) -> Counter[int]:
    """Send 240 requests, 24 at a time, and count the status codes."""
    pool = {"pool_size": 12, "max_overflow": 0, "pool_timeout": 60, **options}
    app = make_app(Quart, url, pool, **config)

    @app.get("/session/<int:number>")
    async def session(number: int) -> dict[str, Any]:
        name = await db.session.scalar(select(Item.name).where(Item.id == number % 5 + 1))
        length = await db.session.scalar(text(f"SELECT {number} + :x"), {"x": number})
        return {"name": name, "sum": length}

    @app.get("/reading/<int:number>")
    @db.reading()
    async def reading(number: int) -> dict[str, Any]:
        name = await db.session.scalar(select(Item.name).where(Item.id == number % 5 + 1))
        length = await db.session.scalar(text(f"SELECT {number} + :x"), {"x": number})
        return {"name": name, "sum": length}

    @app.get("/rows/<int:number>")
    async def rows(number: int) -> dict[str, Any]:
        statement = select(Item.name).where(Item.id >= 1).order_by(Item.id)
        names = [name async for (name,) in db.rows(statement)]
        return {"name": names[number % 5], "sum": 2 * number}

    statuses: Counter[int] = Counter()
    async with app.app_context():
        await db.create_all()
        if await db.session.scalar(select(Item.id).limit(1)) is None:
            db.session.add_all(Item(id=n, name=f"item {n}") for n in range(1, 6))
            await db.session.commit()

    async def send(first: int) -> None:
        for number in range(first, REQUESTS, 24):
            response = await app.test_client().get(f"/{path}/{number}")
            statuses[response.status_code] += 1
            # Without the setting, a value may be that of another statement with the same name.
            if response.status_code == 200 and (options or config):
                expected = {"name": f"item {number % 5 + 1}", "sum": 2 * number}
                assert await response.get_json() == expected
            elif response.status_code == 503:
                assert "SQLALCHEMY_POOLER" in await response.get_data(as_text=True)

    await asyncio.gather(*map(send, range(24)))
    await registration(app).close()
    return statuses


@pytest.mark.parametrize("path", ["session", "reading", "rows"])
async def test_transaction(pooler_url: str, path: str) -> None:
    """With the setting, all 240 requests succeed, with the right values."""
    assert await served(pooler_url, path, {}, TRANSACTION) == {200: REQUESTS}


async def test_documented_options(pooler_url: str) -> None:
    """The options that SQLAlchemy documents are right with ``db.reading()``, too."""
    assert await served(pooler_url, "reading", DOCUMENTED, {}) == {200: REQUESTS}


async def test_without_the_setting(pooler_url: str) -> None:
    """Without the setting requests fail, and each error names it."""
    statuses = await served(pooler_url, "session", {}, {})
    assert statuses.keys() <= {200, 503}
    assert statuses[503]


def test_migrations(pooler_url: str) -> None:
    """Migrations leave no lock on a connection of the pooler, so that the next ones do not wait."""
    for _ in range(6):
        upgrade(pooler_url)
    with psycopg.connect(pooler_url, prepare_threshold=None) as connection:
        locks = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert locks.fetchone() == (0,)
