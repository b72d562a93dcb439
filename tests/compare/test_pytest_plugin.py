"""The fixture ``assert_parity``, as in the tests of a user."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quartpatterns.compare import Case, Difference, Step
from quartpatterns.compare.pytest_plugin import AssertParity
from tests.compare import flask_app, quart_app

pytest_plugins = ["pytester"]
ROOT = str(Path(__file__).parents[2])
PLANTED = Difference("header:x-planted", "flask", "quart", "planted")


def test_equal(assert_parity: AssertParity) -> None:
    """It passes if every difference is declared."""
    cases = [Case("index", Step("/")), Case("planted", Step("/planted"), differs=[PLANTED])]
    assert_parity(flask_app.create_app(), quart_app.create_app(), cases=cases)


async def test_in_an_async_test(assert_parity: AssertParity) -> None:
    """It runs an event loop of its own, so an async test calls it in a thread."""
    apps = flask_app.create_app(), quart_app.create_app()
    await asyncio.to_thread(assert_parity, *apps, cases=[Case("index", Step("/"))])


def test_planted_difference(assert_parity: AssertParity) -> None:
    """By default every GET rule is requested; the message begins with the first difference."""
    first = (
        r"^\d of \d+ cases failed: GET /planted: header:x-planted: original 'flask', port 'quart'"
    )
    with pytest.raises(
        pytest.fail.Exception, match=rf"{first}\n(.*\n)+undeclared: GET /planted · "
    ):
        assert_parity("tests.compare.flask_app", "tests.compare.quart_app:create_app()")


def test_installed_plugin(pytester: pytest.Pytester) -> None:
    """The installed plugin works in the project of a user."""
    pytester.makefile(".toml", cases='[[case]]\npath = "/planted"\n')
    pytester.makepyfile(
        """
        def test_port(assert_parity):
            apps = "tests.compare.flask_app", "tests.compare.quart_app"
            assert_parity(*apps, requests="cases.toml")
        """
    )
    pytester.makeconftest(f"import sys; sys.path.insert(0, {ROOT!r})")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*undeclared*", "*original  flask*", "*port      quart*"])


def test_missing_library(pytester: pytest.Pytester) -> None:
    """If a library of the comparison is not installed, the test fails with the extra."""
    pytester.makepyfile(
        """
        import sys

        def test_port(assert_parity):
            sys.modules["msgspec"] = None
            assert_parity("a:b", "c:d")
        """
    )
    result = pytester.runpytest_subprocess("-p", "quartpatterns.compare.pytest_plugin")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["assert_parity needs msgspec: pip install *compare*"])
    result.stdout.no_fnmatch_line("*Traceback*")


SHOPS = """
import flask, quart

old, new = flask.Flask(__name__), quart.Quart(__name__)

@old.get("/")
def index():
    old.logger.warning("called in Flask")
    return "fine"

@new.get("/")
async def index_of_port():
    return str(1 / 0)

@new.before_serving
async def start():
    if new.config.get("FAIL"):
        raise RuntimeError("no database")

def failing():
    new.config["FAIL"] = True
    return new
"""


@pytest.mark.slow
def test_what_is_first(pytester: pytest.Pytester) -> None:
    """The difference is the first line of a failure, and the logs of both applications follow."""
    pytester.makepyfile(
        shops=SHOPS,
        test_shops="""
        def test_port(assert_parity):
            assert_parity("shops:old", "shops:new")
        """,
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(failed=1)
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if " test_port ___" in line)
    assert lines[start + 1] == "1 of 1 case failed: GET /: status: original 200, port 500"
    result.stdout.fnmatch_lines(
        [
            "undeclared: GET / · body",
            "*Captured log call*",
            "*ZeroDivisionError: division by zero",
            "*called in Flask*",
            "FAILED *1 of 1 case failed: GET /: status*",
        ]
    )


@pytest.mark.slow
def test_short_errors(pytester: pytest.Pytester) -> None:
    """What cannot be compared is one line below the line of the test."""
    pytester.makepyfile(
        shops=SHOPS,
        test_shops="""
        def test_module(assert_parity):
            assert_parity("shops:old", "shps:new")

        def test_start(assert_parity):
            assert_parity("shops:old", "shops:failing")

        def test_file(assert_parity):
            assert_parity("shops:old", "shops:new", requests="nothing.toml")
        """,
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "--show-capture=no")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            '>       assert_parity("shops:old", "shps:new")',
            "E * no module 'shps'; *did you mean shops*",
            "test_shops.py:2: ApplicationLoadError",
            '>       assert_parity("shops:old", "shops:failing")',
            "E * the port failed at its startup: no database",
            '>       assert_parity("shops:old", "shops:new", requests="nothing.toml")',
            "E * nothing.toml: No such file or directory",
        ]
    )
    assert "importlib" not in result.stdout.str()
    assert "transports.py" not in result.stdout.str()
