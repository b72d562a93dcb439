"""What ``--run`` reads from the output of tests: places, in the lines of the project as it was."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quartpatterns.porting import Plan, PortFinding, make_plan, oracle
from quartpatterns.porting.oracle import RunError, missed_places, run_ported
from tests.porting.forked_pytest import ForkedPytest
from tests.porting.ported import port, written

APP = """
from flask import Flask, flash, request

app = Flask(__name__)


@app.post("/")
def index():
    first = request.form["a"]
    return first + request.form["b"]


@app.get("/code")
def code():
    return "code"
"""
TESTS = """
from app import app


def test_index():
    response = app.test_client().post("/", data={"a": "1", "b": "2"})
    assert response.data == b"12"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    return written(tmp_path / "shop", {"app.py": APP, "test_app.py": TESTS})


@pytest.fixture(scope="module")
def process() -> Iterator[ForkedPytest]:
    with ForkedPytest(traced=True) as process:
        yield process


def missed(
    process: ForkedPytest,
    shop: Path,
    changes: dict[str, tuple[str, str]],
    *arguments: str,
) -> tuple[oracle.TestsRun, list[PortFinding]]:
    """Port, change texts of files after the port, run the tests, and return what is missed."""
    plan = port(shop)
    for name, (old, new) in changes.items():
        text = (shop / name).read_text()
        assert old in text
        (shop / name).write_text(text.replace(old, new, 1))
    outcome = process.run(shop, "-q", "-W", "always:coroutine:RuntimeWarning", *arguments)
    return outcome, missed_places(outcome.output, plan, shop, failed=outcome.code != 0)


def places(found: list[PortFinding]) -> list[tuple[str, int]]:
    return [(each.file, each.line) for each in found]


def test_line_of_a_missing_await(process: ForkedPytest, shop: Path) -> None:
    """Also if no test fails. The port has added a line before it."""
    code = "\n\ndef keep():\n    return request.form\n"
    written(shop, {"app.py": APP.replace("return first", "keep()\n    return first") + code})
    outcome, found = missed(process, shop, {"app.py": ("await keep", "keep")})
    assert outcome.code == 0, outcome.output
    assert [(each.file, each.line, each.code) for each in found] == [("app.py", 9, "keep()")]
    assert found[0].remedy == "add await"


@pytest.mark.parametrize("style", ["auto", "short", "native", "line", "no"])
def test_assertion(process: ForkedPytest, shop: Path, style: str) -> None:
    """An assert without a message, in each style of tracebacks."""
    outcome, found = missed(process, shop, {"test_app.py": ('b"12"', 'b"3"')}, f"--tb={style}")
    assert outcome.code == 1
    [(file, line)] = places(found)
    assert file == "test_app.py" and line == (1 if style == "no" else 6)


@pytest.mark.slow
def test_unittest(tmp_path: Path) -> None:
    """The output of unittest has other separators."""
    tests = """
    import unittest
    from app import app


    class Tests(unittest.TestCase):
        def test_first(self):
            self.assertEqual(app.test_client().get("/code").text, "code")

        def test_second(self):
            self.assertEqual(app.view_functions["code"](), "code")
    """
    shop = written(tmp_path / "shop", {"app.py": APP, "test_app.py": tests})
    command = shlex.join([sys.executable, "-m", "unittest"])
    outcome, found = run_ported(make_plan(shop), command, 60)
    assert outcome.code == 1 and outcome.passed == 2
    assert ("test_app.py", 10) in places(found)
    assert all(each.file == "test_app.py" for each in found)


def test_named(process: ForkedPytest, shop: Path) -> None:
    """A failure at a place that the report names is not missed."""
    text = APP + "\nx = lambda: flash('a')\n\n\n@app.get('/x')\ndef get():\n    return x() + ''\n"
    tests = TESTS + "\n\ndef test_x():\n    app.testing = True\n    app.test_client().get('/x')\n"
    written(shop, {"app.py": text, "test_app.py": tests})
    _, found = missed(process, shop, {})
    assert ("app.py", 17) not in places(found)


@pytest.mark.parametrize(
    ("output", "passed"),
    [
        ("3 passed in 0.1s", 3),
        ("==== 1 failed, 2 passed, 1 warning in 0.1s ====", 2),
        ("Ran 4 tests in 0.012s\n\nOK", 4),
        ("Ran 1 test in 0.012s", 1),
        ("done", 0),
    ],
)
def test_passed(output: str, passed: int) -> None:
    assert oracle.TestsRun(0, output).passed == passed


def test_hidden_warnings() -> None:
    assert oracle.TestsRun(0, "1 passed, 1 warning in 0.1s").hides_warnings
    assert not oracle.TestsRun(0, "warnings summary\n1 passed, 1 warning in 0.1s").hides_warnings
    assert not oracle.TestsRun(0, "1 passed in 0.1s").hides_warnings


@pytest.mark.parametrize(
    ("output", "library"),
    [
        ("async def functions are not natively supported", "pytest-asyncio"),
        ("ModuleNotFoundError: No module named 'quartpatterns'", "quartpatterns"),
    ],
)
def test_missing_libraries(shop: Path, output: str, library: str) -> None:
    plan: Plan = make_plan(shop)
    with pytest.raises(RunError, match=f"--run: install {library} where the tests run"):
        run_ported(plan, shlex.join([sys.executable, "-c", f"print({output!r})"]), 60)


def test_imports_the_copy(tmp_path: Path) -> None:
    """Also if another copy of the project is installed, and if its code is in src."""
    shop = written(tmp_path / "shop", {"src/store/__init__.py": APP})
    code = f"import store; assert not store.__file__.startswith({str(shop)!r})"
    command = shlex.join(["env", sys.executable, "-c", code])
    outcome, _ = run_ported(make_plan(shop), command, 60)
    assert outcome.code == 0, outcome.output


def test_linked_file(tmp_path: Path) -> None:
    """What changes in the copy is not written through a link into the original."""
    project, target = tmp_path / "project", tmp_path / "pytest.ini"
    files = {"app.py": "from flask import Flask\n", "test_app.py": "def test_app(): pass\n"}
    written(project, files)
    target.write_text("[pytest]\n")
    (project / "pytest.ini").symlink_to(target)
    plan = make_plan(project)
    assert "pytest.ini" in {change.file for change in plan.changes}
    with oracle.copied(project, plan.changes) as copy:
        assert "asyncio_mode" in (copy / "pytest.ini").read_text()
    assert target.read_text() == "[pytest]\n"
