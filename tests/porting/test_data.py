"""The stage data: what waits is replaced by what can be awaited."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from quartpatterns.porting import make_plan
from quartpatterns.porting.report import as_text
from tests.porting.ported import port, ported, written

HEAD = "from flask import Flask\n"
PAIRS = {
    "time.sleep": (
        """
        import time
        from time import sleep

        app = Flask(__name__)

        @app.get("/")
        def wait():
            time.sleep(1)
            sleep(2)
            return str(time.time())
        """,
        """
        import time
        from asyncio import sleep

        app = Flask(__name__)

        @app.get("/")
        async def wait():
            await asyncio.sleep(1)
            await sleep(2)
            return str(time.time())
        """,
    ),
    "requests": (
        """
        import requests

        app = Flask(__name__)

        @app.get("/")
        def ask():
            try:
                first = requests.get("http://a", timeout=5).json()
                with requests.Session() as session:
                    response = session.post("http://b", json=first)
                    return response.text
            except requests.exceptions.RequestException:
                return "", 502
        """,
        """
        import niquests as requests

        app = Flask(__name__)

        @app.get("/")
        async def ask():
            try:
                first = (await requests.aget("http://a", timeout=5)).json()
                async with requests.AsyncSession() as session:
                    response = await session.post("http://b", json=first)
                    return response.text
            except requests.exceptions.RequestException:
                return "", 502
        """,
    ),
    "names of requests": (
        """
        from requests import ConnectionError, get
        from requests.auth import HTTPBasicAuth
        from requests import post as send

        app = Flask(__name__)

        @app.get("/")
        def ask():
            send("http://b")
            return get("http://a", auth=HTTPBasicAuth("a", "b")).text
        """,
        """
        from niquests import ConnectionError
        from niquests import aget as get
        from niquests.auth import HTTPBasicAuth
        from niquests import apost as send

        app = Flask(__name__)

        @app.get("/")
        async def ask():
            await send("http://b")
            return (await get("http://a", auth=HTTPBasicAuth("a", "b"))).text
        """,
    ),
}


def _dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


@pytest.mark.parametrize("name", PAIRS)
def test_pair(tmp_path: Path, name: str) -> None:
    """The port of each, and the port of the port, which changes nothing."""
    before, after = map(_dedented, PAIRS[name])
    text = ported(tmp_path, HEAD + before, "data")
    flask, _, rest = text.partition("\n")
    assert flask == "from quartpatterns.subclassing.names import Flask"
    assert rest.removeprefix("import asyncio\n") == after
    assert ("import asyncio\n" in text) == ("asyncio.sleep" in text)
    assert not make_plan(tmp_path, "data").changes


def test_requirements(tmp_path: Path) -> None:
    """The report names what the new imports need."""
    text = """
    import requests, sqlite3

    app = Flask(__name__)

    @app.get("/")
    def index():
        sqlite3.connect("a").execute("SELECT 1")
        return requests.get("http://a").text
    """
    files = {"app.py": HEAD + _dedented(text), "test_app.py": "def test_index(): pass\n"}
    plan = make_plan(written(tmp_path, files), "data")
    assert plan.requirements == ["quartpatterns[sqlite3]", "niquests", "pytest-asyncio"]
    assert "to install: quartpatterns[sqlite3] niquests pytest-asyncio" in as_text(plan)
    assert make_plan(tmp_path, "modernise").requirements == []


def test_stage_async_leaves_data(tmp_path: Path) -> None:
    """Without the stage, blocking calls stay, and are named."""
    written(tmp_path, {"app.py": HEAD + _dedented(PAIRS["time.sleep"][0])})
    plan = port(tmp_path)
    assert b"time.sleep(1)" in plan.changes[0].after
    assert [each.kind for each in plan.findings] == ["blocks", "blocks"]


def test_calls_in_threads(tmp_path: Path) -> None:
    """A generator expression and a function in parentheses become arguments of to_thread()."""
    text = """
    import subprocess

    app = Flask(__name__)

    def total(items):
        subprocess.run(["true"])
        return sum(items)

    @app.get("/")
    def index():
        return str(total(int(x) for x in "123") + (total)([4]))
    """
    changed = ported(tmp_path, HEAD + _dedented(text), "data")
    assert 'await asyncio.to_thread(total, (int(x) for x in "123"))' in changed
    assert "await asyncio.to_thread((total), [4])" in changed
