"""Applications with their tests, before and after the port."""

from __future__ import annotations

import difflib
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from quartpatterns.cli import main
from quartpatterns.porting import make_plan, oracle
from tests.porting.forked_pytest import ForkedPytest
from tests.porting.ported import port

APPLICATIONS = Path(__file__).parent / "applications"
NAMES = ("archive", "bulletin", "greetings", "stock")
# `make test` leaves out the larger ones.
SMALL_FIRST = [
    "greetings",
    "stock",
    pytest.param("archive", marks=pytest.mark.slow),
    pytest.param("bulletin", marks=pytest.mark.slow),
]
PASSED = re.compile(r"(\d+ passed)\b.* in ")
# What the port adds to a line, and takes away where a value is awaited once.
ADDED = re.compile(rb"\b(?:await|async) |\brequest[._]|[()\[\]]")
# Lines that the port writes anew.
NEW_LINE = re.compile(
    rb"(from \S+ )?import |(class .*|async def )(IsolatedAsyncio|asyncSet|asyncTear)"
    rb"|\w+ = await request\.|@(contextlib\.)?asynccontextmanager|\s+$"
)


@pytest.fixture(scope="module")
def pytest_process() -> Iterator[ForkedPytest]:
    with ForkedPytest() as process:
        yield process


@pytest.fixture
def application(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A copy of an application, whose name is the parameter of the test."""
    name: str = request.param
    return Path(shutil.copytree(APPLICATIONS / name, tmp_path / name))


def passed(run: oracle.TestsRun) -> str:
    """Return how many tests passed; they all did, and nothing was never awaited."""
    assert run.code == 0, run.output
    assert "never awaited" not in run.output
    found = PASSED.search(run.summary)
    assert found, run.output
    return found[1]


@pytest.mark.parametrize("application", SMALL_FIRST, indirect=True)
def test_application(application: Path, pytest_process: ForkedPytest) -> None:
    """Its tests pass on Flask and, after the port, on Quart. Nothing that breaks is left."""
    before = passed(pytest_process.run(application, "-q"))
    plan = port(application)
    assert passed(pytest_process.run(application, "-q")) == before
    assert [each for each in plan.findings if each.kind in ("breaks", "skipped")] == []
    assert not make_plan(application).changes
    for change in plan.changes:
        if change.before is not None and change.file.endswith(".py"):
            assert unexplained(change.before, change.after) == []


@pytest.mark.slow
@pytest.mark.parametrize("application", ["letters"], indirect=True)
def test_tasks(application: Path, pytest_process: ForkedPytest) -> None:
    """The tests of Celery's tasks pass, and after the stage data those of quartpatterns.tasks."""
    before = passed(pytest_process.run(application, "-q"))
    plan = port(application, "data")
    assert passed(pytest_process.run(application, "-q")) == before
    assert [each.kind for each in plan.findings] == ["differs"]
    assert not make_plan(application, "data").changes
    assert not [path for path in application.rglob("*.py") if b"import celery" in path.read_bytes()]


def unexplained(before: bytes, after: bytes) -> list[bytes]:
    """Return the lines that differ in something else than what the port writes."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    matcher = difflib.SequenceMatcher(
        None, [ADDED.sub(b"", line) for line in old], [ADDED.sub(b"", line) for line in new], False
    )
    lines: list[bytes] = []
    for kind, begin, end, new_begin, new_end in matcher.get_opcodes():
        if kind == "equal":
            pairs = zip(old[begin:end], new[new_begin:new_end], strict=True)
            lines += [
                line
                for line, changed in pairs
                if line != changed
                and b"await" not in changed
                and b"async" not in changed
                and b"request" not in line
            ]
        else:
            lines += [line for line in old[begin:end] if not NEW_LINE.search(line)]
            lines += [line for line in new[new_begin:new_end] if not NEW_LINE.search(line)]
    return lines


@pytest.mark.slow
@pytest.mark.parametrize("application", NAMES, indirect=True)
def test_command(application: Path) -> None:
    """The same with the command, which runs pytest as a user does."""
    tests = shlex.join([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"])
    arguments = ["port", str(application), "--run", tests, "--write"]
    found = CliRunner().invoke(main, arguments)
    assert found.exit_code == 0, found.output
    assert "missed (" not in found.output and "breaks (" not in found.output
    results = re.findall(r"(?m)^(?:Before|After): (\d+ passed)", found.output)
    assert len(results) == 2 and results[0] == results[1]
    assert CliRunner().invoke(main, ["port", str(application), "--check"]).exit_code == 0
