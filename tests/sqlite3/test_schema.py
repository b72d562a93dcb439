"""``init_db`` and ``quart init-db``."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Quart
from quart.utils import run_sync

from quartpatterns.sqlite3 import SQLite, init_db, query_db
from quartpatterns.sqlite3.example import original
from quartpatterns.sqlite3.example.port import create_app
from quartpatterns.sqlite3.statements import (
    changes_connection,
    is_blank,
    is_outside_transaction,
    keyword,
    split_script,
)
from tests.examples import examples
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
    """A script with a transaction of its own, such as a dump, is one transaction as well."""
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


FAILING = {
    "a column that begins with a keyword": "CREATE TABLE mail (\n    id INTEGER,\n"
    "    attachment BLOB,\n    commit_id TEXT,\n    pragma_name TEXT,\n    vacuumed TEXT\n);",
    "a trigger with one statement": "CREATE TABLE a (b);\nCREATE TRIGGER t AFTER INSERT ON a\n"
    "BEGIN\nSELECT 1;\nEND;",
    "keywords in a comment": "/*\nPRAGMA x;\nCOMMIT;\n*/ CREATE TABLE a (b); -- '\nSELECT 1;",
    "keywords in a string": "CREATE TABLE a (b);\nINSERT INTO a VALUES ('\nCOMMIT;\nBEGIN;\n');",
    "quoted names": 'CREATE TABLE [a;b] ("c;""d", `e;f`);',
    "an own transaction": "PRAGMA foreign_keys = OFF;\nBEGIN;\nCREATE TABLE a (b);\nCOMMIT;",
    "two transactions": "BEGIN;\nCREATE TABLE a (b);\nEND TRANSACTION;\nBEGIN IMMEDIATE;"
    "\nCREATE TABLE c (d);\nCOMMIT;",
    "a pragma at first": "PRAGMA main.journal_mode = WAL;\nCREATE TABLE a (b);",
    "a version": "PRAGMA user_version = 3;\nCREATE TABLE a (b);",
    "a savepoint": "SAVEPOINT s; CREATE TABLE a (b); ROLLBACK TO s; RELEASE s; CREATE TABLE c (d);",
}


@pytest.mark.checks("SQ-7")
@pytest.mark.parametrize("schema", FAILING.values(), ids=FAILING)
async def test_no_half_schema(make: Make, schema: str) -> None:
    """Whatever the script contains: if its last statement fails, nothing remains of it."""
    for script in (schema, schema + "\nSELEKT 1;"):
        app = make(script)
        async with app.app_context():
            fails = "SELEKT" in script
            if fails:
                with pytest.raises(sqlite3.OperationalError, match="SELEKT"):
                    await init_db()
            else:
                assert await init_db()
            found = await query_db("SELECT name FROM sqlite_master")
            version = await query_db("PRAGMA user_version", one=True)
            assert bool(found) is not fails
            assert version[0] == (3 if "version" in script and not fails else 0)
        await app_database(app).connections.close()
        await run_sync(os.remove)(app_database(app).settings.database)


@pytest.mark.checks("SQ-7")
@pytest.mark.parametrize(
    ("schema", "statement"),
    [
        ("CREATE TABLE a (b); PRAGMA foreign_keys = OFF; DROP TABLE a;", "PRAGMA in statement 2"),
        ("CREATE TABLE a (b); VACUUM; CREATE TABLE c (d)", "VACUUM in statement 2"),
        ("BEGIN; PRAGMA synchronous = 0; CREATE TABLE a (b); COMMIT;", "PRAGMA in statement 2"),
        ("CREATE TABLE a (b); ATTACH ':memory:' AS x; CREATE TABLE x.a (b);", "ATTACH in"),
        ("BEGIN; CREATE TABLE a (b); ROLLBACK;", "ROLLBACK in statement 3"),
    ],
)
async def test_not_atomic(make: Make, schema: str, statement: str) -> None:
    """What can't be all or nothing is refused before anything is executed."""
    app = make(schema)
    async with app.app_context():
        with pytest.raises(sqlite3.ProgrammingError, match=f"{statement}.* move it to"):
            await init_db()
        assert await query_db("SELECT * FROM sqlite_master") == []
    await app_database(app).connections.close()


@pytest.mark.checks("SQ-7")
async def test_first_and_last(make: Make, tmp_path: Path) -> None:
    """Statements for the connection work before and after the others, as in a migration."""
    other = tmp_path / "other.db"
    app = make(
        "PRAGMA foreign_keys = OFF; PRAGMA journal_mode = WAL; ATTACH '" + str(other) + "' AS o;\n"
        "BEGIN; CREATE TABLE o.a (b); CREATE TABLE c (d); END;\n"
        "DETACH o; PRAGMA foreign_keys = ON; VACUUM;"
    )
    async with app.app_context():
        assert await init_db()
        assert len(await query_db("SELECT * FROM c")) == 0
    await app_database(app).connections.close()
    with closing(sqlite3.connect(other)) as connection:
        assert connection.execute("SELECT count(*) FROM a").fetchone() == (0,)


@pytest.mark.checks("SQ-7")
async def test_encoding(make: Make, tmp_path: Path) -> None:
    """A byte order mark is no part of the script; other encodings and NUL are clear errors."""
    app = make("\ufeffCREATE TABLE user (name);")
    async with app.app_context():
        assert await init_db()
        (tmp_path / "schema.sql").write_bytes("-- ä\nSELECT 1;".encode("utf-16"))
        with pytest.raises(sqlite3.DataError, match="is not UTF-8 text .* save it so"):
            await init_db()
        (tmp_path / "schema.sql").write_bytes(b"SELECT 1;\0")
        with pytest.raises(sqlite3.ProgrammingError, match="NUL"):
            await init_db()
    await app_database(app).connections.close()


TRICKY = st.lists(
    st.sampled_from(
        "; ' \" ` [ ] -- /* */ \n a CREATE TRIGGER TEMP EXPLAIN BEGIN END SELECT".split(" ")
    )
).map(" ".join)


@settings(max_examples=examples(300))
@given(TRICKY)
def test_split(script: str) -> None:
    """The statements are the script, and all but the last are complete for SQLite."""
    found = list(split_script(script))
    assert script.startswith("".join(found))
    for statement in found[:-1]:
        assert sqlite3.complete_statement(statement)
    whole = "".join(found)
    assert is_blank(script[len(whole) :])
    for statement in found:
        cut = statement.rindex(";") if ";" in statement else 0
        assert not sqlite3.complete_statement(statement[:cut])


def test_long_scripts() -> None:
    """The time is linear in the length of the script, and of the blanks before a statement."""
    values = "('a;b''c', \"d\"), " * 100_000
    begun = time.monotonic()
    script = f"INSERT INTO a VALUES {values} (1, 2);" + "SELECT 1;\n" * 100_000
    assert sum(1 for _ in split_script(script)) == 100_001
    for blank in (" " * 100_000, "-- ;--" * 10_000 + "\n", "/* */ ;" * 10_000, "--\n" * 10_000):
        assert keyword(f"{blank}select") == "SELECT"
        assert not changes_connection(f"{blank}select")
        assert not is_outside_transaction(f"{blank}select")
        assert changes_connection(f"{blank}create{blank}temporary table a (b)")
    assert time.monotonic() - begun < 10


async def test_indented_query(make: Make) -> None:
    """A statement that begins with many blanks does not stop the event loop."""
    app = make("CREATE TABLE user (name);")
    async with app.app_context(), asyncio.timeout(5):
        assert await query_db("\n" + " " * 60 + "SELECT 1", one=True)
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


@pytest.mark.checks("SQ-7")
def test_long_triggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splitting takes linear time, also if the ``END`` of a trigger is missing."""
    lengths: list[int] = []

    def complete_statement(statement: str) -> bool:
        lengths.append(len(statement))
        return complete(statement)

    complete = sqlite3.complete_statement
    monkeypatch.setattr(sqlite3, "complete_statement", complete_statement)
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN " + "SELECT 1; -- ;\n" * 1000
    assert len(list(split_script(trigger))) == 1
    assert len(list(split_script(f"{trigger} end /* ; */ ; SELECT 2; SELECT 3"))) == 3
    assert sum(lengths) < 3 * len(trigger)
