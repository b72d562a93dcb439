"""``quartpatterns worker`` as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import TIMEOUT

APP = """
from quart import Quart
from quartpatterns.tasks import Tasks

app = Quart(__name__)
app.config.from_prefixed_env()
tasks = Tasks(app)


@tasks.task
async def hello(): ...


def create_app(name="app"):
    return app


def broken():
    raise LookupError("no database configured")


async def create_async(): ...


bare = Quart("bare")
empty = Quart("empty")
Tasks(empty)
wsgi = dict
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    return tmp_path


def worker(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quartpatterns", "worker", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=TIMEOUT, cwd=folder, env=os.environ | env
    )


@pytest.mark.parametrize("name", ["shop:app", "shop:create_app()", "shop:create_app('x')", "shop"])
def test_burst(folder: Path, redis_url: str, name: str) -> None:
    """The name can be an application or a factory; a burst exits when the queue is empty."""
    done = worker(folder, name, "--burst", QUART_REDIS_URL=redis_url)
    assert done.returncode == 0, done.stderr
    assert "ready for the jobs of tasks:shop" in done.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("shopp:app", "no module 'shopp'; this folder has shop", id="module"),
        pytest.param("shop:apq", "has no 'apq'; it has", id="name"),
        pytest.param("shop:broken()", "LookupError: no database configured", id="factory"),
        pytest.param("shop:create_async()", "is an async factory", id="async"),
        pytest.param("shop:create_app(1, 2)", "failed: TypeError", id="arguments"),
        pytest.param("shop:app[0]", "is not MODULE:APP", id="expression"),
        pytest.param("shop:wsgi", "is not a Quart application but type", id="not quart"),
        pytest.param("shop:bare", "has no tasks: call Tasks(app)", id="no tasks"),
        pytest.param("shop:empty", "has no task: decorate a function", id="no task"),
    ],
)
def test_bad_name(folder: Path, name: str, message: str) -> None:
    """The error is one line that says what was found instead; exit code 2."""
    done = worker(folder, name)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("key", "value"), [("QUART_REDIS_URL", "localhost"), ("QUART_TASKS_LEASE", "soon")]
)
def test_bad_config(folder: Path, key: str, value: str) -> None:
    """An invalid configuration is an error of one line that names the key."""
    done = worker(folder, "shop:app", **{key: value})
    assert done.returncode == 2
    assert key.removeprefix("QUART_") in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_burst_without_redis(folder: Path) -> None:
    """A burst does not wait for Redis."""
    done = worker(folder, "shop:app", "--burst", QUART_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 1
    assert "Start Redis or Valkey, or set REDIS_URL" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_help(folder: Path) -> None:
    """The help has examples, settings, signals and exit codes."""
    text = worker(folder, "--help").stdout
    for word in ("shop:create_app()", "REDIS_URL", "TASKS_QUEUE_NAME", "SIGTERM", "Exit code"):
        assert word in text
