"""The fixture ``assert_parity``, used as a user would: in test files of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quartpatterns.compare import Case, Difference, Step
from quartpatterns.compare.pytest_plugin import AssertParity
from tests.compare import after, before

pytest_plugins = ["pytester"]
ROOT = str(Path(__file__).parents[2])
PLANTED = Difference("header:x-planted", "before", "after", "planted")


def test_alike(assert_parity: AssertParity) -> None:
    """Nothing is raised where every difference is declared."""
    cases = [Case("index", Step("/")), Case("planted", Step("/planted"), differs=[PLANTED])]
    assert_parity(before.create_app(), after.create_app(), cases=cases)


async def test_in_an_async_test(assert_parity: AssertParity) -> None:
    """In a thread, as it runs a loop of its own."""
    apps = before.create_app(), after.create_app()
    await asyncio.to_thread(assert_parity, *apps, cases=[Case("index", Step("/"))])


def test_planted_difference(assert_parity: AssertParity) -> None:
    """By default every GET rule is asked; the report is the message."""
    with pytest.raises(pytest.fail.Exception, match=r"GET /planted · header:x-planted"):
        assert_parity("tests.compare.before", "tests.compare.after:create_app()")


def test_from_outside(pytester: pytest.Pytester) -> None:
    """A user installs the package and writes one line."""
    pytester.makefile(".toml", asked='[[case]]\npath = "/planted"\n')
    pytester.makepyfile(
        """
        def test_port(assert_parity):
            assert_parity("tests.compare.before", "tests.compare.after", requests="asked.toml")
        """
    )
    pytester.makeconftest(f"import sys; sys.path.insert(0, {ROOT!r})")
    result = pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*undeclared*", "*original  before*", "*port      after*"])
