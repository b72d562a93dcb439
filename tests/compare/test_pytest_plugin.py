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
    """By default every GET rule is requested; the message is the report."""
    with pytest.raises(pytest.fail.Exception, match=r"GET /planted · header:x-planted"):
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
