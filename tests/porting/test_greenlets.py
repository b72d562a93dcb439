"""The stage ``serve`` with ``--greenlets``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from quartpatterns.porting import Plan, PortError, make_plan
from tests.porting.ported import written

APP = """
from flask import Flask
from sqlalchemy import text

from database import Base, Note, engine, session

app = Flask(__name__)
Base.metadata.create_all(engine)


@app.post("/<name>")
def create(name):
    session.add(Note(text=name))
    session.commit()
    return name


@app.get("/")
def index():
    driver = type(session.connection().connection.dbapi_connection).__name__
    return [driver, *session.scalars(text("SELECT text FROM note"))]


@app.teardown_appcontext
def remove(error=None):
    session.remove()
"""
DATABASE = """
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

engine = create_engine("sqlite:///notes.db")
session = scoped_session(sessionmaker(bind=engine))


class Base(DeclarativeBase):
    pass


class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
"""
REQUESTS = """
import asyncio
import app, asgi

async def main():
    async with asgi.app.test_app() as served:
        client = served.test_client()
        await client.post("/ada")
        response = await client.get("/")
        print(await response.get_json())
    print(app.app.test_client().get("/").json)

asyncio.run(main())
"""


def serve(folder: Path, *, greenlets: bool = True) -> Plan:
    """Port a project, and write ``asgi.py``."""
    plan = make_plan(folder, "serve", greenlets=greenlets)
    for change in plan.changes:
        (folder / change.file).write_bytes(change.after)
    return plan


def found(plan: Plan) -> list[tuple[str, int, str]]:
    """Return what a report contains."""
    return [(each.kind, each.line, each.code) for each in plan.findings]


@pytest.mark.slow
def test_asgi_file(tmp_path: Path) -> None:
    """Flask answers with the asynchronous driver, and its own client with the other one."""
    folder = written(tmp_path, {"app.py": APP, "database.py": DATABASE})
    plan = serve(folder)
    assert [change.file for change in plan.changes] == ["asgi.py"]
    assert plan.requirements == ["quartpatterns[sqlalchemy]"]
    assert not plan.findings
    assert "async_drivers(engine, session)" in (folder / "asgi.py").read_text()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", REQUESTS], cwd=folder, capture_output=True, text=True
    )
    assert done.stdout == "['SQLiteAdapter', 'ada']\n['Connection', 'ada']\n", done.stderr
    assert not serve(folder).changes


EXTENSION = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()


def create_app():
    app = Flask(__name__)
    db.init_app(app)
    return app
"""


def test_extension(tmp_path: Path) -> None:
    """The application itself is given to ``async_drivers``, and other engines."""
    engine = "from sqlalchemy import create_engine\napp = create_engine('sqlite:///x.db')\n"
    folder = written(tmp_path, {"shop.py": EXTENSION, "other.py": engine})
    serve(folder)
    text = (folder / "asgi.py").read_text()
    assert "from shop import create_app\nfrom other import app as app_1\n" in text
    assert "flask_app = create_app()" in text
    assert "async_drivers(flask_app, app_1)" in text
    compile(text, "asgi.py", "exec")


def test_from_threads(tmp_path: Path) -> None:
    """An unchanged asgi.py for threads becomes one for greenlets; others are left alone."""
    folder = written(tmp_path, {"shop.py": EXTENSION})
    serve(folder, greenlets=False)
    threads = (folder / "asgi.py").read_text()
    assert "RouteDispatcher(app, WSGIMiddleware(flask_app.wsgi_app))" in threads
    serve(folder)
    greenlets = (folder / "asgi.py").read_text()
    assert "GreenletWSGIMiddleware(flask_app.wsgi_app)" in greenlets
    assert not serve(folder, greenlets=False).changes
    written(folder, {"asgi.py": greenlets + "\n# mine\n"})
    assert not serve(folder).changes
    written(folder, {"asgi.py": threads + "\n# mine\n"})
    with pytest.raises(PortError, match="there is an asgi.py already"):
        serve(folder)


def test_report(tmp_path: Path) -> None:
    """The report names what stops all requests, and what all requests share."""
    text = """
    import asyncio
    import threading
    import time

    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import create_engine
    from sqlalchemy.orm import scoped_session, sessionmaker

    app = Flask(__name__)
    db = SQLAlchemy(app)
    lock = threading.Lock()
    shared = threading.local()
    Session = scoped_session(sessionmaker(create_engine("sqlite:///shop.db")))


    def make():
        return create_engine("sqlite:///other.db")


    def wait():
        time.sleep(1)


    @app.get("/")
    def index():
        wait()
        return str(db.session.execute(db.text("SELECT 1")).scalar())


    @app.get("/asynchronous")
    async def asynchronous():
        return "x"


    @app.get("/run")
    def run():
        return asyncio.run(asynchronous())


    def main():
        time.sleep(2)
        asyncio.run(asynchronous())


    def in_thread():
        threading.Thread(target=main).start()
        return asyncio.Lock()  # of no thread
    """
    plan = serve(written(tmp_path, {"app.py": text}))
    assert found(plan) == [
        ("differs", 12, "threading.Lock()"),
        ("differs", 13, "threading.local()"),
        ("blocks", 14, 'create_engine("sqlite:///shop.db")'),
        ("blocks", 18, 'create_engine("sqlite:///other.db")'),
        ("blocks", 22, "time.sleep(1)"),
        ("breaks", 32, "async def asynchronous():"),
        ("breaks", 38, "asyncio.run(asynchronous())"),
    ]


def test_asynchronous_hook(tmp_path: Path) -> None:
    """A hook cannot be written for the other application, so the remedy is another one."""
    hook = "\n\napp = create_app()\n\n\n@app.before_request\nasync def hook():\n    pass\n"
    plan = serve(written(tmp_path, {"shop.py": EXTENSION + hook}))
    [finding] = plan.findings
    assert (finding.kind, finding.code) == ("breaks", "async def hook():")
    assert "hook" in finding.why
    assert "remove 'async'" in finding.remedy


def test_drivers(tmp_path: Path) -> None:
    """A project that imports its driver compares errors with the classes of that driver."""
    imports = "from psycopg2.errors import UniqueViolation\nimport psycopg2x\n"
    assert found(serve(written(tmp_path, {"shop.py": imports + EXTENSION}))) == [
        ("differs", 1, "from psycopg2.errors import UniqueViolation")
    ]


def test_refused(tmp_path: Path) -> None:
    """It is for the stage ``serve``, and for applications with SQLAlchemy."""
    folder = written(tmp_path, {"app.py": "from flask import Flask\n\napp = Flask(__name__)\n"})
    with pytest.raises(PortError, match="--greenlets is for projects with SQLAlchemy"):
        make_plan(folder, "serve", greenlets=True)
    with pytest.raises(PortError, match="--greenlets is for the stage serve, not for data"):
        make_plan(folder, "data", greenlets=True)
