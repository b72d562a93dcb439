# ruff: noqa: E501 - the port does not wrap lines
"""The stage data: sqlite3 becomes awaited, where it runs on the event loop."""

from __future__ import annotations

import importlib.util
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from quartpatterns.porting import make_plan
from tests.porting.ported import port, written

HEAD = """
import sqlite3
from flask import Flask, current_app, g

app = Flask(__name__)

"""
NEW_HEAD = """
import sqlite3
from quartpatterns.subclassing.names import Flask, current_app, g
import quartpatterns.sqlite3

app = Flask(__name__)

"""

# Each pair stands after HEAD.
PAIRS = {
    "the connection on g": (
        """
        def get_db():
            if "db" not in g:
                g.db = sqlite3.connect(current_app.config["DATABASE"], detect_types=1)
                g.db.row_factory = sqlite3.Row
            return g.db

        @app.teardown_appcontext
        def close_db(error):
            db = g.pop("db", None)
            if db is not None:
                db.close()

        def init_db():
            db = get_db()
            with current_app.open_resource("schema.sql") as f:
                db.executescript(f.read().decode("utf8"))

        @app.get("/<name>")
        def show(name):
            row = get_db().execute("SELECT id FROM user WHERE name = ?", (name,)).fetchone()
            try:
                cursor = get_db().execute("INSERT INTO user (name) VALUES (?)", (name,))
                get_db().commit()
            except sqlite3.IntegrityError:
                return str(row["id"])
            return str(cursor.lastrowid)
        """,
        """
        async def get_db():
            if "db" not in g:
                g.db = await quartpatterns.sqlite3.connect(current_app.config["DATABASE"], detect_types=1)
                g.db.row_factory = sqlite3.Row
            return g.db

        @app.teardown_appcontext
        async def close_db(error):
            db = g.pop("db", None)
            if db is not None:
                await db.close()

        async def init_db():
            db = await get_db()
            async with await current_app.open_resource("schema.sql") as f:
                await db.executescript((await f.read()).decode("utf8"))

        @app.get("/<name>")
        async def show(name):
            row = await (await (await get_db()).execute("SELECT id FROM user WHERE name = ?", (name,))).fetchone()
            try:
                cursor = await (await get_db()).execute("INSERT INTO user (name) VALUES (?)", (name,))
                await (await get_db()).commit()
            except sqlite3.IntegrityError:
                return str(row["id"])
            return str(cursor.lastrowid)
        """,
    ),
    "Flask's page": (
        """
        def make_dicts(cursor, row):
            return dict((cursor.description[i][0], value) for i, value in enumerate(row))

        def get_db():
            db = getattr(g, "_database", None)
            if db is None:
                db = g._database = sqlite3.connect("app.db")
                db.row_factory = make_dicts
            return db

        def query_db(query, args=(), one=False):
            cur = get_db().execute(query, args)
            rv = cur.fetchall()
            cur.close()
            return (rv[0] if rv else None) if one else rv

        @app.get("/")
        def index():
            for user in query_db("select * from users"):
                print(user["name"])
            user = query_db("select * from users where name = ?", ["a"], one=True)
            return user["name"]
        """,
        """
        def make_dicts(cursor, row):
            return dict((cursor.description[i][0], value) for i, value in enumerate(row))

        async def get_db():
            db = getattr(g, "_database", None)
            if db is None:
                db = g._database = await quartpatterns.sqlite3.connect("app.db")
                db.row_factory = make_dicts
            return db

        async def query_db(query, args=(), one=False):
            cur = await (await get_db()).execute(query, args)
            rv = await cur.fetchall()
            await cur.close()
            return (rv[0] if rv else None) if one else rv

        @app.get("/")
        async def index():
            for user in await query_db("select * from users"):
                print(user["name"])
            user = await query_db("select * from users where name = ?", ["a"], one=True)
            return user["name"]
        """,
    ),
    "closing, with, and loops": (
        """
        from contextlib import closing

        def connect_db():
            return sqlite3.connect("app.db")

        @app.before_request
        def before_request():
            g.db = connect_db()

        @app.get("/")
        def index():
            with closing(connect_db()) as db, closing(db.cursor()) as cursor:
                cursor.execute("select 1")
            with g.db:
                g.db.executemany("insert into a values (?)", [(1,)])
            for row in g.db.execute("select 1"):
                print(row)
            pairs = dict(g.db.execute("select 1, 2"))
            return [row[0] for row in g.db.execute("select 1")] + list(cursor)
        """,
        """
        from contextlib import closing

        async def connect_db():
            return await quartpatterns.sqlite3.connect("app.db")

        @app.before_request
        async def before_request():
            g.db = await connect_db()

        @app.get("/")
        async def index():
            async with aclosing(await connect_db()) as db, aclosing(await db.cursor()) as cursor:
                await cursor.execute("select 1")
            async with g.db:
                await g.db.executemany("insert into a values (?)", [(1,)])
            async for row in await g.db.execute("select 1"):
                print(row)
            pairs = dict([each async for each in await g.db.execute("select 1, 2")])
            return [row[0] async for row in await g.db.execute("select 1")] + list([each async for each in cursor])
        """,
    ),
    "what does not run on the event loop stays": (
        """
        import threading

        connection = sqlite3.connect("app.db", check_same_thread=False)

        class Store:
            def __init__(self):
                self.db = sqlite3.connect("store.db")

        def init_db():
            with sqlite3.connect("app.db") as db:
                db.executescript("create table if not exists a (b)")

        def work():
            sqlite3.connect("app.db").execute("delete from a")

        threading.Thread(target=work).start()
        init_db()

        @app.get("/")
        def index():
            db = sqlite3.connect("app.db")
            return str(db.total_changes)
        """,
        """
        import threading

        connection = sqlite3.connect("app.db", check_same_thread=False)

        class Store:
            def __init__(self):
                self.db = sqlite3.connect("store.db")

        def init_db():
            with sqlite3.connect("app.db") as db:
                db.executescript("create table if not exists a (b)")

        def work():
            sqlite3.connect("app.db").execute("delete from a")

        threading.Thread(target=work).start()
        init_db()

        @app.get("/")
        async def index():
            db = await quartpatterns.sqlite3.connect("app.db")
            return str(db.total_changes)
        """,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    """The port of each, and the port of the port, which changes nothing."""
    before, after = (textwrap.dedent(text).lstrip("\n") for text in PAIRS[name])
    written(tmp_path, {"app.py": HEAD.lstrip() + before})
    port(tmp_path, "data")
    text = (tmp_path / "app.py").read_text()
    statement = "from contextlib import aclosing\n"
    assert text.count(statement) == ("aclosing(" in after)
    text = text.replace(statement, "")
    assert text == NEW_HEAD.lstrip() + after
    assert not make_plan(tmp_path, "data").changes


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("ported_app", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


APPLICATION = """
import sqlite3
from contextlib import closing
from sqlite3 import IntegrityError
from flask import Flask, g, request

app = Flask(__name__)
app.config["DATABASE"] = "shop.db"

def connect_db():
    db = sqlite3.connect(app.config["DATABASE"])
    db.row_factory = sqlite3.Row
    return db

def get_db():
    if not hasattr(g, "db"):
        g.db = connect_db()
    return g.db

@app.teardown_request
def close(error):
    if (db := getattr(g, "db", None)) is not None:
        db.close()

@app.post("/init")
def init_db():
    with closing(connect_db()) as db:
        db.cursor().executescript("create table item (id integer primary key, name text unique)")
        db.commit()
    return ""

@app.post("/items/<name>")
def add(name):
    try:
        with get_db() as db:
            return {"id": db.execute("insert into item (name) values (?)", [name]).lastrowid}
    except IntegrityError:
        return "", 409

@app.post("/undone/<name>")
def undo(name):
    try:
        with get_db() as db:
            db.execute("insert into item (name) values (?)", [name])
            raise LookupError
    except LookupError:
        return {"names": [row["name"] for row in get_db().execute("select name from item")]}, 400

@app.get("/")
def index():
    return {"names": [row["name"] for row in get_db().execute("select name from item")]}
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The application, ported."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {"shop.py": APPLICATION})
    assert not port(tmp_path, "data").findings
    return _load(tmp_path / "shop.py")


async def test_application(shop: ModuleType) -> None:
    """A ported application commits, rolls back, and refuses the same as before."""
    client = shop.app.test_client()
    paths = ("/init", "/items/a", "/items/a", "/undone/b")
    responses = [await client.post(path) for path in paths]
    assert [each.status_code for each in responses] == [200, 200, 409, 400]
    assert await responses[-1].get_json() == {"names": ["a"]}  # on the connection that rolled back
    assert (await (await client.get("/")).get_json()) == {"names": ["a"]}
