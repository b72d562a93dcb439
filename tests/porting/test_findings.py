"""What cannot be ported is reported: the place, the reason and the remedy."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from quartpatterns.porting import PortFinding, make_plan
from tests.porting.ported import written

HEAD = """
import subprocess
import threading
import time

import flask_unknown
from flask import Flask, render_template, request

app = Flask(__name__)


def helper(name):
    return render_template(name)


def wait():
    time.sleep(1)


"""
FIRST = HEAD.count("\n")


def findings(folder: Path, text: str) -> list[PortFinding]:
    written(folder, {"app.py": HEAD + text})
    found = make_plan(folder).findings
    return [each for each in found if "flask_unknown" not in each.why]


CASES = {
    "a lambda": (
        "show = lambda name: helper(name)\n",
        ("breaks", 0, "a lambda cannot use await helper()", "async def"),
    ),
    "a function that a module runs": (
        "page = helper('a')\n",
        ("differs", 0, "asyncio.run() fails if a server imports the module", "use Hypercorn"),
    ),
    "a context of a module": (
        "with app.app_context():\n    pass\n",
        ("differs", 0, "asyncio.run() fails if a server imports the module", "use Hypercorn"),
    ),
    "a context in a loop of a module": (
        "for each in [app]:\n    with each.app_context():\n        pass\n",
        ("breaks", 1, "a module cannot use async with each.app_context()", "asyncio.run()"),
    ),
    "the chunks of a response": (
        "def check():\n    return app.test_client().get('/').response == [b'a']\n",
        ("breaks", 1, "response does not exist in ASGI", "await response.get_data()"),
    ),
    "a class body": (
        "class Page:\n    text = helper('a')\n",
        ("breaks", 1, "the body of a class cannot use await helper()", "a function"),
    ),
    "a special method": (
        "class Page:\n    def __str__(self):\n        return helper('a')\n",
        ("breaks", 2, "__str__() cannot be asynchronous", "another name"),
    ),
    "a generator with yield from": (
        "def parts():\n    yield from [helper('a')]\n",
        ("breaks", 1, "parts() cannot be an asynchronous generator", "write a loop"),
    ),
    "a generator with a value": (
        "def parts():\n    yield helper('a')\n    return 1\n",
        ("breaks", 2, "parts() cannot be an asynchronous generator", "return no value"),
    ),
    "a step of an asynchronous generator": (
        "def parts():\n    yield helper('a')\n\n\ndef text():\n    return next(parts())\n",
        ("breaks", 5, "parts() is an asynchronous generator now", "async for"),
    ),
    "a generator that yields from an asynchronous one": (
        "def parts():\n    yield helper('a')\n\n\ndef text():\n    yield from parts()\n",
        ("breaks", 5, "parts() is an asynchronous generator now", "async for"),
    ),
    "WSGI middleware": (
        "app.wsgi_app = print(app.wsgi_app)\n",
        ("breaks", 0, "flask.Flask.wsgi_app does not exist in ASGI", "ProxyFix"),
    ),
    "the input of WSGI": (
        "@app.get('/')\ndef index():\n    return request.environ['wsgi.input'].read()\n",
        ("breaks", 2, "flask.Request.environ['wsgi.input'] does not exist", "request.body"),
    ),
    "the input of WSGI with a default": (
        "@app.get('/')\ndef index():\n    return request.environ.get('wsgi.input')\n",
        ("breaks", 2, "flask.Request.environ['wsgi.input'] does not exist", "request.body"),
    ),
    "the user of a server": (
        "@app.get('/')\ndef index():\n    return request.environ.get('REMOTE_USER', '')\n",
        ("breaks", 2, "flask.Request.environ['REMOTE_USER'] does not exist", "your proxy"),
    ),
    "another input of WSGI": (
        "@app.get('/')\ndef index():\n    request.environ['wsgi.input'] = None\n    return ''\n",
        ("breaks", 2, "flask.Request.environ['wsgi.input'] does not exist", "request.body"),
    ),
    "a thread": (
        "def start(x):\n    threading.Thread(target=helper, kwargs={}).start()\n",
        ("differs", 1, "threading.Thread() may call it without await", "accepts asynchronous"),
    ),
    "an unknown decorator": (
        "import cachetools\n\n\n@app.get('/')\n@cachetools.cached\ndef index():\n"
        "    return helper('a')\n",
        ("differs", 4, "@cachetools.cached may call it without await", "remove @async_to_sync"),
    ),
    "a view that blocks": (
        "@app.get('/')\ndef index():\n    subprocess.run('ls')\n    return ''\n",
        ("blocks", 2, "subprocess.run() stops the event loop", "create_subprocess_exec"),
    ),
    "a view that runs an event loop": (
        "import asyncio\n\n\n@app.get('/')\ndef index():\n    asyncio.run(asyncio.sleep(1))\n"
        "    return ''\n",
        ("breaks", 5, "asyncio.run() raises RuntimeError where an event loop", "await the"),
    ),
    "a view that runs an event loop of its own": (
        "import asyncio\n\n\n@app.get('/')\ndef index():\n    loop = asyncio.new_event_loop()\n"
        "    loop.run_until_complete(asyncio.sleep(1))\n    return ''\n",
        ("breaks", 6, "run_until_complete() raises RuntimeError", "await the coroutine"),
    ),
    "threads of libraries": (
        "def count():\n    return threading.active_count()\n",
        ("differs", 1, "threading.active_count() differs", "threads of your own"),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_finding(tmp_path: Path, name: str) -> None:
    text, (kind, line, why, remedy) = CASES[name]
    [found] = findings(tmp_path, text)
    assert (found.kind, found.line) == (kind, FIRST + line)
    assert why in found.why and remedy in found.remedy


def test_called_from_a_view(tmp_path: Path) -> None:
    """A synchronous function stops the event loop if a view calls it, and not in a script."""
    assert not findings(tmp_path, "wait()\n")
    [found] = findings(tmp_path, "@app.get('/')\ndef index():\n    wait()\n    return ''\n")
    assert (found.kind, found.code) == ("blocks", "time.sleep(1)")


def test_a_module_that_needs_a_context(tmp_path: Path) -> None:
    """The call cannot be run alone: it needs the context, which is no function in a loop."""
    text = "for each in [1]:\n    with app.app_context():\n        page = helper('a')\n"
    both = findings(tmp_path, text)
    lines = [(each.kind, each.line) for each in both]
    assert lines == [("breaks", FIRST + 1), ("breaks", FIRST + 2)]
    assert "asyncio.run(" not in (tmp_path / "app.py").read_text()


def test_unknown_extension(tmp_path: Path) -> None:
    written(tmp_path, {"app.py": HEAD})
    [found] = make_plan(tmp_path).findings
    assert found.why == "no rule knows flask_unknown"
    rules = tmp_path / "rules.toml"
    rules.write_text('bridged = ["flask_unknown"]\n')
    assert not make_plan(tmp_path, rules=[rules]).findings


def test_output_parses(tmp_path: Path) -> None:
    """What cannot be awaited stays as it is, so that the file can be read."""
    text = "".join(text for text, _ in CASES.values())
    written(tmp_path, {"app.py": HEAD + text})
    [change] = make_plan(tmp_path).changes
    compile(change.after, "app.py", "exec")


DATABASE = """
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)


class User(db.Model):
    def count(self):
        return User.query.filter_by(name=1).order_by("x").count()


@app.get("/")
def index():
    db.session.add(User())
    db.session.commit()
    return [User.query.all(), db.session.query(User).first(), db.get_or_404(User, 1)]


@app.get("/user")
def user():
    return str(User().count())
"""


def test_queries(tmp_path: Path) -> None:
    """Queries of Flask-SQLAlchemy stop the event loop, also those of models."""
    written(tmp_path, {"app.py": DATABASE})
    found = make_plan(tmp_path).findings
    assert {each.kind for each in found} == {"blocks"}
    assert [each.line for each in found] == [10, 16, 17, 17, 17]
    assert all("quartpatterns.sqlalchemy" in each.remedy for each in found)


def test_memory_databases(tmp_path: Path) -> None:
    """Each thread has its own database in memory, except with Flask-SQLAlchemy."""
    engine = "import flask\nimport sqlalchemy\n\nengine = sqlalchemy.create_engine('sqlite://')\n"
    written(tmp_path, {"app.py": engine})
    [found] = make_plan(tmp_path).findings
    assert (found.kind, found.line) == ("breaks", 4)
    assert "StaticPool" in found.remedy
    written(tmp_path, {"app.py": f"{engine}import flask_sqlalchemy\n"})
    assert not make_plan(tmp_path).findings


REMOVED = """
from flask import Flask, _request_ctx_stack
from flask.json import JSONEncoder
from flask.ext import sqlalchemy
import werkzeug.urls
import flask.ext.login
from flask.logging import default_handler
from flask.helpers import *

app = Flask(__name__)
app.json_encoder = JSONEncoder


@app.teardown_request
def first(error):
    app.json_decoder
    werkzeug.urls.url_decode("x")
"""


def test_removed_names(tmp_path: Path) -> None:
    """The stage async names what no longer exists, what stays Flask's, and hidden names, again."""
    written(tmp_path, {"app.py": REMOVED})
    plan = make_plan(tmp_path)
    assert [(each.kind, each.line) for each in plan.findings] == [
        ("breaks", 1),
        ("breaks", 2),
        ("breaks", 3),
        ("breaks", 5),
        ("differs", 6),
        ("breaks", 7),
        ("breaks", 10),
        ("breaks", 15),
        ("breaks", 16),
    ]
    written(tmp_path, {"app.py": plan.changes[0].after.decode()})
    assert [each.line for each in make_plan(tmp_path).findings] == [
        each.line for each in plan.findings
    ]


TESTS = """
import unittest
from app import app


class TestPages:
    def setup_method(self, method):
        app.app_context().push()


class Pages(unittest.TestCase):
    def setUp(self):
        app.app_context().push()

    @classmethod
    def setUpClass(cls):
        app.app_context().push()


def teardown_module():
    app.app_context().pop()
"""


def test_setups(tmp_path: Path) -> None:
    """pytest and unittest do not await these functions; setUp gets another name."""
    written(tmp_path, {"app.py": HEAD, "test_app.py": TESTS})
    found = [each for each in make_plan(tmp_path).findings if each.file == "test_app.py"]
    assert [(each.kind, each.line) for each in found] == [("breaks", 6), ("breaks", 15)]
    assert all("an asynchronous fixture" in each.remedy for each in found)


def test_set_up_of_a_base_class(tmp_path: Path) -> None:
    """The base class of test cases is in a file that has not the name of tests."""
    base = (
        "from unittest import TestCase\nfrom app import app\n\n\nclass Base(TestCase):\n"
        "    @classmethod\n    def setUpClass(cls):\n        app.app_context().push()\n"
    )
    written(tmp_path, {"app.py": HEAD, "base.py": base})
    [found] = [each for each in make_plan(tmp_path).findings if each.file == "base.py"]
    assert (found.kind, found.line) == ("breaks", 7)
    assert "does not await it" in found.why


def test_same_name_in_tests(tmp_path: Path) -> None:
    """A class of the tests with the same method hides no place of the application."""
    files = {
        "app.py": """
        from flask import Flask, render_template

        app = Flask(__name__)

        class Repo:
            def load(self):
                return render_template("a.html")

        @app.get("/")
        def index():
            return unknown_repo().load()
        """,
        "test_app.py": """
        from app import Repo, app

        class FakeRepo(Repo):
            def load(self):
                return app.test_client().get("/")
        """,
    }
    found = make_plan(written(tmp_path, files)).findings
    assert [("app.py", 11)] == [(each.file, each.line) for each in found]


def test_classes_of_one_name(tmp_path: Path) -> None:
    """A class that replaces its base class, which has the same name."""
    text = """
    class Page:
        def text(self):
            return helper("a")


    class Page(Page):
        def more(self):
            return self.text() + self.missing()
    """
    assert not findings(tmp_path, textwrap.dedent(text))
    plan = make_plan(tmp_path)
    assert "Page.more" in {made.name for made in plan.made_async}


def test_extension_that_an_asynchronous_factory_initialises(tmp_path: Path) -> None:
    """It may use a context of the application, which cannot be entered with ``with`` there."""
    text = """
    import flask_session
    from flask_login import LoginManager

    manager = LoginManager()


    def create_app():
        app = Flask(__name__)
        manager.init_app(app)
        flask_session.Session(app)
        with app.app_context():
            pass
        return app
    """
    [found] = findings(tmp_path, textwrap.dedent(text))
    assert (found.kind, found.code) == ("differs", "flask_session.Session(app)")
    assert "asyncio.to_thread(flask_session.Session, ...)" in found.remedy


def test_lines_before_the_stage_modernise(tmp_path: Path) -> None:
    """That stage writes two lines for one, and the report has the lines of the file as it is."""
    text = """
    import time
    from flask import Flask
    from werkzeug import check_password_hash, generate_password_hash

    app = Flask(__name__)


    @app.get("/")
    def index():
        time.sleep(1)
        return ""
    """
    written(tmp_path, {"app.py": text})
    plan = make_plan(tmp_path)
    assert [(each.line, each.code) for each in plan.findings] == [(10, "time.sleep(1)")]
    assert [(each.line, each.name) for each in plan.made_async] == [(9, "index")]
