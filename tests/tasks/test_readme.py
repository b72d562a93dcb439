"""The examples in docs/tasks run as they are written, in their order."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

import quartpatterns.tasks
from quartpatterns.tasks.testing import running_worker
from tests.serving import TIMEOUT

README = Path(quartpatterns.tasks.__file__).with_name("README.md")
DOCS = Path(__file__).parents[2] / "docs" / "tasks"
PAGES = sorted(DOCS.glob("*.md"))
TOP_LEVEL_AWAIT = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def blocks(page: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)


async def run(code: str, names: dict[str, Any], redis_url: str) -> None:
    """Run a block; one that awaits has the context of a view, and a worker."""
    compiled = compile(code, "<block>", "exec", flags=TOP_LEVEL_AWAIT)
    if not compiled.co_flags & inspect.CO_COROUTINE:
        exec(compiled, names)
        return
    app: Quart = names["app"]
    async with running_worker(app, redis_url), app.app_context():
        await eval(compiled, names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_pages(page: Path, redis_url: str) -> None:
    names: dict[str, Any] = {"__name__": "shop"}
    for code in blocks(page):
        if not code.startswith("# "):  # Those are files: see test_files.
            await run(code, names, redis_url)
    if page.stem == "signals":
        assert names["reports"] == ["shop.pay payment-7: ValueError('cannot pay 7')"]


def test_files(tmp_path: Path, redis_url: str) -> None:
    """The page about tests is an application, a conftest.py and two tests, which pass."""
    for code in blocks(DOCS / "testing.md"):
        first, _, rest = code.partition("\n")
        (tmp_path / first.removeprefix("# ")).write_text(rest)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    options = ["-o", "asyncio_mode=auto", f"--rootdir={tmp_path}", f"--basetemp={tmp_path}/tmp"]
    done = subprocess.run(
        [*command, *options, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_style() -> None:
    """Lines have fewer than 120 characters, except for rows of tables."""
    for page in [README, *PAGES]:
        for line in page.read_text().splitlines():
            assert len(line) < 120 or line.startswith("|"), (page.name, line)


def test_links() -> None:
    """Each link to a file leads to one."""
    for page in [README, *PAGES]:
        for target in re.findall(r"\]\(([^):#]+\.md)[)#]", page.read_text()):
            found = (page.parent / target).exists()
            assert found or target == "../patterns/tasks.md", (page.name, target)


def test_comparison() -> None:
    """Each test that the table names exists."""
    tests = DOCS.parents[1] / "tests"
    for path, name in re.findall(
        r"`([\w/]+\.py)(?:::(\w+))?`", (DOCS / "comparison.md").read_text()
    ):
        file = tests.parent / path if path.startswith("tests/") else tests / "tasks" / path
        assert file.exists(), path
        assert not name or f"def {name}(" in file.read_text(), (path, name)
