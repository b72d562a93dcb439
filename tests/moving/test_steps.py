"""Each step of the move is an application whose own tests and commands succeed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from quartpatterns.compare.processes import Process, accepts, free_port
from tests.assembled import (
    DOCS,
    assemble,
    environment,
    files_not_changed,
    files_not_shown,
    run,
    steps,
)

STEPS = steps("moving")
PAGES = DOCS / "moving"
NUMBERS = sorted(STEPS)
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.M | re.S)
SERVERS = {"flask run": "--port {}", "hypercorn": "--bind 127.0.0.1:{}"}
"""The option that sets the port of a server, by the words of its command."""
WORKERS = {"celery": "[queues]", "worker": "ready for the jobs"}
"""What a worker prints when it waits for jobs, by a word of its command."""


def page(number: int) -> Path:
    """Return the page of a step."""
    return PAGES / f"{STEPS[number].name}.md"


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_step(number: int, tmp_path: Path) -> None:
    """The tests that a reader has after a step succeed, and report no warning."""
    folder = tmp_path / "toolshed"
    assemble("moving", number, folder)
    # A reader needs pytest-asyncio from step 2.
    without = ["-p", "no:asyncio"] if number < 2 else []
    # Flask-Login 0.6.3, on Python 3.12 and newer.
    known = "ignore:datetime.datetime.utcnow:DeprecationWarning:flask_login"
    options = ["-q", "-p", "no:cacheprovider", "-W", "error", "-W", known, *without]
    output = run(folder, "pytest", *options)
    assert re.search(r"\d+ passed", output)
    assert "skipped" not in output


@pytest.mark.parametrize("number", NUMBERS)
def test_page_shows_every_file(number: int) -> None:
    """The page of a step shows, or links, every file that the step adds or changes."""
    assert files_not_shown(STEPS[number], page(number)) == set()


@pytest.mark.parametrize("number", NUMBERS[1:])
def test_every_file_changes(number: int, tmp_path: Path) -> None:
    """A step contains no file that is as it was before."""
    assert not files_not_changed("moving", number, tmp_path / "toolshed")


@pytest.mark.slow
def test_nothing_of_flask_is_left(tmp_path: Path) -> None:
    """The finished application starts where no extension for Flask and no Celery is installed."""
    folder = tmp_path / "toolshed"
    assemble("moving", NUMBERS[-1], folder)
    code = (
        "import sys\n"
        "for name in ('celery', 'flask_login', 'flask_sqlalchemy', 'flask_wtf'):\n"
        "    sys.modules[name] = None\n"
        "import toolshed\n"
        "toolshed.create_app({'SECRET_KEY': 'test'})\n"
    )
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment(folder), check=True, timeout=100
    )
    sources = [file.read_text() for file in folder.rglob("*.py")]
    assert not [text for text in sources if re.search(r"^(from|import) (flask|celery)", text, re.M)]


def lines(number: int) -> list[str]:
    """Return the commands of a page."""
    blocks = BLOCK.findall(page(number).read_text())
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def commands(redis_server_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return an environment with a queue, for the commands of a page."""
    yield environment(
        tmp_path / "toolshed",
        FLASK_CELERY__broker_url=redis_server_url,
        FLASK_REDIS_URL=redis_server_url,
        QUART_REDIS_URL=redis_server_url,
        PYTHONUNBUFFERED="1",
    )


@pytest.mark.slow
@pytest.mark.wire
@pytest.mark.parametrize("number", NUMBERS)
def test_commands(number: int, tmp_path: Path, commands: dict[str, str]) -> None:
    """The commands of a page run as they are typed; only servers get a free port."""
    folder = tmp_path / "toolshed"
    assemble("moving", number, folder)
    exports: list[str] = []
    for place, line in enumerate(lines(number)):
        if line.startswith("export "):
            exports.append(line)
        elif line != "pytest":  # test_step runs it
            run_line(line, exports, folder, commands, tmp_path / f"{place}.log")


def run_line(line: str, exports: list[str], folder: Path, env: dict[str, str], log: Path) -> None:
    """Run a command of a page: a server until it has answered, a worker until it is ready."""
    words = [word for word in shlex.split(line) if not word.startswith("-")]
    server = next((each for each in SERVERS if set(each.split()) <= set(words)), None)
    worker = next((each for each in WORKERS if each in words), None)
    port = free_port()
    if server:
        line += f" {SERVERS[server].format(port)}"
    command = ["bash", "-ec", "\n".join([*exports, f"exec {line}"])]
    if server is None and worker is None:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return
    with Process(command, log=log, cwd=folder, env=env) as process:
        if server:
            process.wait_until(lambda: accepts(port))
            assert "Tools" in httpx.get(f"http://127.0.0.1:{port}/", timeout=30).text
        elif worker:
            process.wait_until(lambda: WORKERS[worker] in process.output())
