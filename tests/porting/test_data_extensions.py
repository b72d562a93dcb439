"""The stage data: Flask-Caching, Flask-Login, Celery, and calls that are sent to a thread."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from quartpatterns.porting import Plan, make_plan
from tests.porting.ported import port, written

PAIRS = {
    "Flask-Caching": (
        """
        from flask import Flask
        from flask_caching import Cache

        app = Flask(__name__)
        app.config["CACHE_TYPE"] = "simple"
        cache = Cache(app, config={"CACHE_TYPE": 'flask_caching.backends.simple', "a": "simple"})

        @cache.memoize(60)
        def square(number):
            return number ** 2

        @app.get("/<int:number>")
        @cache.cached(timeout=50)
        def index(number):
            if cache.get("last") is None:
                cache.set("last", square(number))
            return str(square(number) + square.uncached(number))

        @app.post("/clear")
        def clear():
            cache.delete_memoized(square, 3)
            cache.clear()
            return ""
        """,
        """
        from quartpatterns.subclassing.names import Flask
        from quartpatterns.caching import Cache

        app = Flask(__name__)
        app.config["CACHE_TYPE"] = "SimpleCache"
        cache = Cache(app, config={"CACHE_TYPE": 'SimpleCache', "a": "simple"})

        @cache.memoize(60)
        async def square(number):
            return number ** 2

        @app.get("/<int:number>")
        @cache.cached(timeout=50)
        async def index(number):
            if await cache.get("last") is None:
                await cache.set("last", await square(number))
            return str(await square(number) + await square.uncached(number))

        @app.post("/clear")
        async def clear():
            await cache.delete_memoized(square, 3)
            await cache.clear()
            return ""
        """,
    ),
    "Flask-Login": (
        """
        import flask_login
        from flask import Flask
        from flask_login import LoginManager, UserMixin, current_user
        from flask_login.utils import login_required, login_user

        app = Flask(__name__)
        login_manager = LoginManager(app)

        class User(UserMixin):
            id = "1"

        @login_manager.user_loader
        def load_user(user_id):
            return User()

        @app.get("/")
        @login_required
        def index():
            if not current_user.is_active:
                return login_manager.unauthorized()
            flask_login.logout_user()
            login_user(User())
            return current_user.id
        """,
        """
        from quartpatterns import viewdecorators as flask_login
        from quartpatterns.subclassing.names import Flask
        from quartpatterns.viewdecorators import LoginManager, UserMixin, current_user
        from quartpatterns.viewdecorators import login_required, login_user

        app = Flask(__name__)
        login_manager = LoginManager(app)

        class User(UserMixin):
            id = "1"

        @login_manager.user_loader
        async def load_user(user_id):
            return User()

        @app.get("/")
        @login_required
        async def index():
            if not current_user.is_active:
                return await login_manager.unauthorized()
            flask_login.logout_user()
            login_user(User())
            return current_user.id
        """,
    ),
    "threads": (
        """
        import smtplib
        import subprocess
        from urllib.request import urlopen
        from flask import Flask

        app = Flask(__name__)

        def build():
            subprocess.run(["make"], check=True)

        def commit():
            return subprocess.check_output(
                ["git", "log"],
            )

        @app.get("/")
        def index():
            server = smtplib.SMTP("localhost")
            server.sendmail("a", "b", "c")
            server.quit()
            text = urlopen("http://a").read()
            subprocess.run(
                ["git", "push"]
            )
            return commit()
        """,
        """
        import smtplib
        import subprocess
        from urllib.request import urlopen
        from quartpatterns.subclassing.names import Flask
        import asyncio

        app = Flask(__name__)

        def build():
            subprocess.run(["make"], check=True)

        def commit():
            return subprocess.check_output(
                ["git", "log"],
            )

        @app.get("/")
        async def index():
            server = await asyncio.to_thread(smtplib.SMTP, "localhost")
            await asyncio.to_thread(server.sendmail, "a", "b", "c")
            await asyncio.to_thread(server.quit)
            text = await asyncio.to_thread((await asyncio.to_thread(urlopen, "http://a")).read)
            await asyncio.to_thread(subprocess.run,
                ["git", "push"]
            )
            return await asyncio.to_thread(commit)
        """,
    ),
    "Celery": (
        """
        from celery import Celery, shared_task
        from flask import Flask

        app = Flask(__name__)
        celery = Celery()

        @celery.task
        def send(to):
            print(to)

        @shared_task(ignore_result=True)
        def clean():
            send("a")

        @app.post("/")
        def start():
            clean.apply_async(countdown=5)
            return send.delay("a").id
        """,
        """
        from celery import Celery, shared_task
        from quartpatterns.subclassing.names import Flask
        import asyncio

        app = Flask(__name__)
        celery = Celery()

        @celery.task
        def send(to):
            print(to)

        @shared_task(ignore_result=True)
        def clean():
            send("a")

        @app.post("/")
        async def start():
            await asyncio.to_thread(clean.apply_async, countdown=5)
            return (await asyncio.to_thread(send.delay, "a")).id
        """,
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    """The port of each, and the port of the port, which changes nothing."""
    before, after = (textwrap.dedent(text).lstrip("\n") for text in PAIRS[name])
    written(tmp_path, {"app.py": before})
    port(tmp_path, "data")
    assert (tmp_path / "app.py").read_text() == after
    assert not make_plan(tmp_path, "data").changes


def _found(folder: Path, text: str) -> list[tuple[str, str]]:
    """Return the kinds and lines of code of what is found in a module."""
    written(folder, {"app.py": text})
    plan: Plan = port(folder, "data")
    return [(each.kind, each.code) for each in plan.findings]


def test_what_celery_does_not_await(tmp_path: Path) -> None:
    """A task that would have to be asynchronous is named, and stays as it is."""
    text = """
    from celery import shared_task
    from flask import Flask, render_template
    from celery.result import AsyncResult

    app = Flask(__name__)

    @shared_task
    def send():
        return render_template("mail.txt")

    @app.get("/<id>")
    def show(id):
        return AsyncResult(id).state
    """
    assert _found(tmp_path, text) == [
        ("differs", "from celery import shared_task"),
        ("breaks", 'render_template("mail.txt")'),
        ("blocks", "AsyncResult(id).state"),
    ]


def test_decorators_of_flask_login_above_the_route(tmp_path: Path) -> None:
    """A view that nothing protects is an error of the new library, and so it is named."""
    text = """
    from flask import Flask
    from flask_login import login_required

    app = Flask(__name__)

    @login_required
    @app.get("/")
    def index():
        return ""
    """
    assert _found(tmp_path, text) == [("breaks", "@login_required")]


def test_what_blocks_in_spite_of_threads(tmp_path: Path) -> None:
    """The end of a with statement, and code outside of the project that reads."""
    text = """
    import json, smtplib
    from urllib.request import urlopen
    from flask import Flask

    app = Flask(__name__)

    @app.get("/")
    def index():
        with smtplib.SMTP("localhost") as server:
            server.noop()
        return json.load(urlopen("http://a"))
    """
    expected = [
        ("blocks", 'smtplib.SMTP("localhost") as server'),
        ("blocks", 'urlopen("http://a")'),
    ]
    assert _found(tmp_path, text) == expected
    assert [(each.kind) for each in make_plan(tmp_path, "data").findings] == ["blocks", "blocks"]


def test_objects_of_sqlite3_that_leave_the_project(tmp_path: Path) -> None:
    """Code that does not await gets a connection or a cursor."""
    text = """
    import pandas, sqlite3
    from flask import Flask

    app = Flask(__name__)

    @app.get("/")
    def index():
        db = sqlite3.connect("a.db")
        frame = pandas.read_sql("select 1", db)
        row = next(db.execute("select 1"))
        return str(frame)
    """
    assert _found(tmp_path, text) == [
        ("breaks", "db"),
        ("blocks", 'pandas.read_sql("select 1", db)'),
        ("breaks", 'db.execute("select 1")'),
    ]
