"""Each step of the move is an application whose own tests and commands succeed."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

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
SERVERS = {"flask run": "--port {}", "quart run": "--port {}", "hypercorn": "--bind 127.0.0.1:{}"}
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


def free_port() -> int:
    """Return a port that is free."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


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
    for line in lines(number):
        if line.startswith("export "):
            exports.append(line)
            continue
        if line == "pytest":
            continue  # test_step runs it
        words = [word for word in shlex.split(line) if not word.startswith("-")]
        server = next((each for each in SERVERS if set(each.split()) <= set(words)), None)
        worker = next((each for each in WORKERS if each in words), None)
        port = free_port()
        if server:
            line += f" {SERVERS[server].format(port)}"
        script = "\n".join([*exports, f"exec {line}"])
        log = tmp_path / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-ec", script],
                cwd=folder,
                env=commands,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            if server:
                assert "Tools" in fetch(f"http://127.0.0.1:{port}/", process, log)
            elif worker:
                wait_for(WORKERS[worker], process, log)
            else:
                assert process.wait(timeout=100) == 0, f"{line}\n{log.read_text()}"
        finally:
            stop(process)


def wait_for(text: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a program has printed *text*."""
    end = time.monotonic() + 60
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.05)


def fetch(url: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """Return a page of a server that is starting."""
    end = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                text: str = response.read().decode()
                return text
        except OSError:
            assert process.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.05)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stop a program and the processes that it has started."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait(timeout=30)
