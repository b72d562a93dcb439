"""``quartpatterns parity --mutate`` as a process: its output and its exit code."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import quartpatterns

OLD = """
from flask import Flask

app = Flask(__name__)


@app.get("/")
def index():
    return "hello"


@app.get("/<name>")
def user(name):
    return f"hello {name}"
"""
NEW = """
from quart import Quart

app = Quart(__name__)


@app.get("/")
async def index():
    return "hello"


@app.get("/<name>")
async def user(name):
    return f"hello {name}"
"""
COUNTING = """
from pathlib import Path

from flask import Flask

app = Flask(__name__)
file = Path(__file__).with_name("visits")


@app.get("/")
def index():
    with file.open("a") as visits:
        visits.write("x")
    return "hello" if file.stat().st_size < 3 else ""
"""
REQUESTS = '[[case]]\nname = "start"\npath = "/"\n'
USER = '[[case]]\nname = "user"\npath = "/ada"\n'
REASON = """
[[survivor]]
file = "mutate_new.py"
line = 'return f"hello {name}"'
change = 'f"hello {name}" -> "mutant"'
reason = "Nobody is greeted."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"old": OLD, "new": NEW}.items():
        (tmp_path / f"mutate_{name}.py").write_text(text)
    (tmp_path / "requests.toml").write_text(REQUESTS)
    (tmp_path / "survivors.toml").write_text(REASON)
    return tmp_path


def mutate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quartpatterns", "parity", "--mutate"]
    command += ["--flask", "mutate_old:app", "--quart", "mutate_new:app"]
    command += ["--requests", "requests.toml", *arguments]
    package = str(Path(quartpatterns.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package}
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=folder, env=env)


def not_caught(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    (comparison,) = json.loads(done.stdout)["comparisons"].values()
    return {each["change"]: each for each in comparison["not_caught"]}


def test_survivors(folder: Path) -> None:
    """What the requests do not cover is listed with its line, and the exit code is 1."""
    done = mutate(folder)
    assert done.returncode == 1, done.stderr
    assert "not reached: " in done.stdout
    assert "mutate_new.py:12 · user · decorator" in done.stdout
    assert 'without @app.get("/<name>")' in done.stdout
    assert "mutate_new.py:7" not in done.stdout  # it is caught


def test_json_and_reasons(folder: Path) -> None:
    """A reason explains one change, and the others still fail."""
    done = mutate(folder, "--json", "--survivors", "survivors.toml")
    found = not_caught(done)
    assert done.returncode == 1, done.stderr
    assert re.search(r"^mutate_old:app.*: \d+ mutants, \d+ caught, ", done.stderr, re.M)
    assert found['f"hello {name}" -> "mutant"']["reason"] == "Nobody is greeted."
    assert found['f"hello {name}" -> "mutant"']["outcome"] == "not reached"
    assert found['without @app.get("/<name>")'] == {
        "file": "mutate_new.py",
        "number": 12,
        "line": '@app.get("/<name>")',
        "within": "user",
        "kind": "decorator",
        "change": 'without @app.get("/<name>")',
        "outcome": "survived",
        "reason": None,
    }


def test_all_caught(folder: Path) -> None:
    """With a request for each route nothing survives; a reason for what is caught is stale."""
    (folder / "requests.toml").write_text(REQUESTS + USER)
    done = mutate(folder, "--survivors", "survivors.toml", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stale reason" in done.stdout
    assert "unexplained" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mutate", "--wire", "favicon"], "--mutate runs in process: leave out --wire"),
        (
            ["--mutate", "favicon", "packages", "--survivors", "x"],
            "--survivors needs one comparison",
        ),
        (["favicon", "--survivors", "x"], "--survivors needs --mutate"),
        (["favicon", "--jobs", "2"], "--jobs needs --mutate"),
        (["subclassing", "--table", "--wire"], "--table runs no comparison: leave out --wire"),
        (["subclassing", "--table", "--names"], "leave out --names"),
        (["--mutate", "favicon", "--survivors", "missing.toml"], "missing.toml: No such file"),
    ],
)
def test_usage_errors(arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "quartpatterns", "parity", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_terminated(folder: Path) -> None:
    """SIGTERM ends all processes, and leaves no temporary folder."""
    temporary = folder / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-m", "quartpatterns", "parity", "--mutate", "--jobs", "2"]
    command += ["--flask", "mutate_old:app", "--quart", "mutate_new:app"]
    package = str(Path(quartpatterns.__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": package, "TMPDIR": str(temporary)}
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE) as running:
        wait_until(lambda: list(temporary.glob("quartpatterns-mutants-*/*/log")))
        children = psutil.Process(running.pid).children(recursive=True)
        running.terminate()
    assert children
    wait_until(lambda: not any(child.is_running() for child in children))
    wait_until(lambda: not list(temporary.iterdir()))


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_unreliable(folder: Path) -> None:
    """If something outside makes the unchanged port fail at the end, the result proves nothing."""
    (folder / "mutate_old.py").write_text(COUNTING)
    done = mutate(folder, "--json", "--jobs", "1")
    (comparison,) = json.loads(done.stdout)["comparisons"].values()
    assert (comparison["unexplained"], comparison["reliable"]) == (0, False)
    assert done.returncode == 2, done.stderr


def test_cases_that_fail_anyway(folder: Path) -> None:
    """Nothing is learnt from requests that fail on the unchanged port."""
    (folder / "mutate_new.py").write_text(NEW.replace('"hello"', '"good morning"'))
    done = mutate(folder, "--json")
    assert done.returncode == 2
    (reason,) = json.loads(done.stdout)["not_run"].values()
    assert (
        reason
        == "the cases must pass before anything is changed: start: header:content-length, body"
    )
