"""``init_db`` and ``quart init-db``."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from quart import Quart
from quart.utils import run_sync

from quartpatterns.sqlite3 import SQLite, init_db, query_db
from quartpatterns.sqlite3.example import original
from quartpatterns.sqlite3.example.port import create_app
from tests.sqlite3.shop import app_database

ROOT = Path(__file__).parents[2]

SCHEMA = """
DROP TABLE IF EXISTS user;
CREATE TABLE user (name TEXT);  -- a comment; with a semicolon
INSERT INTO user VALUES ('Ünïcode; too');
CREATE TRIGGER to_upper_case AFTER INSERT ON user BEGIN
    UPDATE user SET name = upper(name);
    DELETE FROM user WHERE name = '';
END;
INSERT INTO user VALUES ('last')
"""

Make = Callable[[str], Quart]


@pytest.fixture
def make(app_class: type[Quart], tmp_path: Path) -> Make:
    """Create an application with a ``schema.sql``."""

    def make(schema: str) -> Quart:
        (tmp_path / "schema.sql").write_text(schema, encoding="utf-8")
        app = app_class("shop", root_path=str(tmp_path))
        app.config["DATABASE"] = str(tmp_path / "test.db")
        SQLite(app)
        return app

    return make


def users(app: Quart) -> list[str]:
    with closing(sqlite3.connect(app_database(app).settings.database)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM user")]


def invoke(app: Quart, *arguments: str) -> Result:
    result: Result = app.test_cli_runner().invoke(args=["init-db", *arguments])
    return result


@pytest.mark.checks("SQ-4", "SQ-7")
async def test_init_db(make: Make) -> None:
    """The statements of the file, in UTF-8, are executed each time."""
    app = make(SCHEMA)
    async with app.app_context():
        for _ in range(2):
            assert await init_db()
            found = await query_db("SELECT name FROM user ORDER BY name")
            assert [row["name"] for row in found] == ["LAST", "ÜNïCODE; TOO"]
    await app_database(app).connections.close()


@pytest.mark.checks("SQ-7")
@pytest.mark.parametrize("own", ["", "PRAGMA foreign_keys = OFF;\nBEGIN TRANSACTION;\n"])
async def test_own_transaction(make: Make, own: str) -> None:
    """A script with a transaction of its own, such as a dump, is executed as it is."""
    app = make(own + SCHEMA.rstrip() + ";" + ("\nCOMMIT;" if own else ""))
    async with app.app_context():
        assert await init_db()
        assert len(await query_db("SELECT * FROM user")) == 2
        assert (await query_db("PRAGMA foreign_keys", one=True))[0] == 1
    await app_database(app).connections.close()


@pytest.mark.checks("SQ-7")
async def test_all_or_nothing(make: Make) -> None:
    """If a statement fails, none has an effect."""
    app = make(SCHEMA)
    async with app.app_context():
        await init_db()
        app = make(SCHEMA + "; SELEKT 1")
        with pytest.raises(sqlite3.OperationalError, match="SELEKT"):
            await app.extensions["sqlite3"].db.init_db(app)
        assert len(await query_db("SELECT * FROM user")) == 2
    await app_database(app).connections.close()


async def test_if_empty(make: Make) -> None:
    """Workers that start at the same time create the tables once."""
    app = make(SCHEMA)
    db: SQLite = app.extensions["sqlite3"].db
    found = await asyncio.gather(*(db.init_db(app, if_empty=True) for _ in range(6)))
    assert sorted(found) == [False] * 5 + [True]
    assert len(await run_sync(users)(app)) == 2
    await app_database(app).connections.close()


async def test_no_schema(make: Make) -> None:
    app = make("")
    async with app.app_context():
        with pytest.raises(FileNotFoundError, match="write the statements that create the tables"):
            await init_db(schema="missing.sql")
    await app_database(app).connections.close()


@pytest.mark.checks("SQ-7")
def test_command(make: Make) -> None:
    """``quart init-db`` creates the tables and prints what it did."""
    app = make(SCHEMA)
    result = invoke(app)
    assert (result.exit_code, result.output) == (0, "Initialized the database.\n")
    assert len(users(app)) == 2
    result = invoke(app, "--if-empty")
    assert (result.exit_code, result.output) == (0, "The database has tables: unchanged.\n")


@pytest.mark.parametrize(
    ("schema", "arguments", "message"),
    [
        pytest.param("SELEKT 1;", (), 'near "SELEKT": syntax error', id="statement"),
        pytest.param("", ("--schema", "no.sql"), "write the statements", id="no file"),
    ],
)
def test_command_fails(make: Make, schema: str, arguments: tuple[str, ...], message: str) -> None:
    """The error is one line, and the exit code is 1."""
    result = invoke(make(schema), *arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ") and message in result.output
    assert result.output.count("\n") == 1


def test_command_without_folder(make: Make, tmp_path: Path) -> None:
    app = make(SCHEMA)
    app.config["DATABASE"] = str(tmp_path / "missing" / "app.db")
    del app.extensions["sqlite3"]
    SQLite(app)
    result = invoke(app)
    assert result.exit_code == 1 and "Create its folder" in result.output


@pytest.mark.checks("SQ-7")
def test_quart_command(tmp_path: Path) -> None:
    """The command in a process of its own, with an application factory."""
    (tmp_path / "shop.py").write_text(
        "from quartpatterns.sqlite3.example.port import create_app as make\n"
        f"def create_app():\n    return make({{'DATABASE': {str(tmp_path / 'app.db')!r}}})\n"
    )
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "quart", "--app", "shop:create_app", "init-db"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.endswith("Initialized the database.\n"), done.stderr
    assert done.returncode == 0
    with closing(sqlite3.connect(tmp_path / "app.db")) as connection:
        assert connection.execute("SELECT count(*) FROM users").fetchone() == (120,)


@pytest.mark.checks("SQ-7")
async def test_same_as_the_original(tmp_path: Path) -> None:
    """Port and original create the same database from the same schema."""

    def by_original(file: str) -> list[str]:
        app = original.create_app({"DATABASE": file})  # type: ignore[no-untyped-call]
        for _ in range(2):
            original.init_db(app)  # type: ignore[no-untyped-call]
        return dump(file)

    def dump(file: str) -> list[str]:
        with closing(sqlite3.connect(file)) as connection:
            return list(connection.iterdump())

    app = create_app({"DATABASE": str(tmp_path / "port.db")})
    for _ in range(2):
        async with app.app_context():
            await init_db()
    await app_database(app).connections.close()
    by_port = await run_sync(dump)(str(tmp_path / "port.db"))
    assert by_port == await run_sync(by_original)(str(tmp_path / "original.db"))
