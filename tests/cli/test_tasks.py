"""``quartpatterns tasks`` as a process: tables, JSON, exit codes, help."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.serving import TIMEOUT

APP = """
from quart import Quart
from quartpatterns.tasks import Tasks

app = Quart(__name__)
app.config.from_prefixed_env()
app.config["TASKS_QUEUES"] = ["high", "default"]
tasks = Tasks(app)


@tasks.task(name="mail.send")
async def send(to):
    raise ValueError(f"no mailbox [red]{to}[/red]")


@tasks.task(name="hello")
async def hello(number=0):
    return {number}
"""

Run = Callable[..., subprocess.CompletedProcess[str]]
COMMANDS = ["list", "show", "retry", "revoke", "purge", "stats"]


@pytest.fixture
def run(tmp_path: Path, redis_url: str) -> Run:
    """A function that runs a command, or Python code, in a folder with an application."""
    (tmp_path / "shop.py").write_text(APP)
    env = os.environ | {
        "QUART_REDIS_URL": redis_url,
        "QUART_TASKS_QUEUE_NAME": f"test:{secrets.token_hex(6)}",
    }

    def run(*arguments: str, code: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        start = ["-c", code] if code else ["-m", "quartpatterns"]
        return subprocess.run(
            [sys.executable, *start, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=tmp_path,
            env=env | more,
        )

    return run


def enqueue(run: Run, calls: str) -> list[str]:
    """Queue *calls*, and return the ids."""
    code = f"from shop import *\nfor job in tasks.enqueue_sync({calls}): print(job.id)"
    done = run(code=code)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def read(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_life_of_a_job(run: Run) -> None:
    """Listed in all queues, failed with its traceback, retried, revoked, purged."""
    [bad, good] = enqueue(run, "[send.s('a@b'), hello.s(7).set(queue='high')]")
    table = run("tasks", "list", "shop:app").stdout
    assert "send" in table
    assert [line.split()[:3] for line in table.splitlines() if "queued" in line] == [
        [good, "high", "queued"],
        [bad, "default", "queued"],
    ]
    only = read(run("tasks", "list", "shop:app", "--queue", "high", "--json"))
    assert [job["id"] for job in only] == [good]
    assert run("worker", "shop:app", "--burst").returncode == 0
    [failed] = read(run("tasks", "list", "shop:app", "--state", "failed", "--json"))
    assert (failed["id"], failed["args"], failed["tries"]) == (bad, ["a@b"], 1)
    assert failed["traceback"].startswith("Traceback (most recent call last)")
    shown = run("tasks", "show", "shop:app", bad)
    # Brackets are text, not markup of the table.
    assert "ValueError: no mailbox [red]a@b[/red]" in shown.stdout
    assert "Traceback (most recent call last)" in shown.stdout
    assert read(run("tasks", "show", "shop:app", good, "--json"))["value"] == [7]
    stats = {one["queue"]: one for one in read(run("tasks", "stats", "shop:app", "--json"))}
    assert [(one["failed"], one["done"]) for one in stats.values()] == [(0, 1), (1, 0)]
    assert "ever succeeded" in run("tasks", "stats", "shop:app").stdout
    nothing = run("tasks", "retry", "shop:app", "--all", "--queue", "high", "--json")
    assert read(nothing) == {"queued_again": 0}
    assert run("tasks", "retry", "shop:app", bad).stdout == "1 queued again\n"
    assert read(run("tasks", "revoke", "shop:app", bad, "--json")) == {"revoked": 1}
    assert run("tasks", "purge", "shop:app", "--state", "done").stdout == "2 deleted\n"
    assert run("tasks", "list", "shop:app").stdout == "no jobs\n"
    assert read(run("tasks", "list", "shop:app", "--json")) == []
    assert run("tasks", "retry", "shop:app", "--all").stdout == "0 queued again\n"


@pytest.mark.parametrize("command", ["show", "retry", "revoke", "purge"])
def test_unknown_id(run: Run, command: str) -> None:
    done = run("tasks", command, "shop:app", "nowhere")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no job 'nowhere'")
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_known_and_unknown_id(run: Run) -> None:
    """The known one is changed, and the error says so."""
    [id] = enqueue(run, "[hello.s()]")
    done = run("tasks", "revoke", "shop:app", id, "nowhere")
    assert done.returncode == 1
    assert "no job 'nowhere' waits or runs (1 others done)" in done.stderr
    assert read(run("tasks", "show", "shop:app", id, "--json"))["state"] == "revoked"


def test_question(run: Run) -> None:
    """The question is not in the output, which is JSON."""
    done = run("tasks", "purge", "shop:app", "--state", "queued", "--json")
    assert done.returncode == 1
    assert done.stderr.startswith("Delete all queued jobs, which then never run? [y/N]:")
    assert json.loads(done.stdout) == {"error": "aborted", "exit_code": 1}


@pytest.mark.parametrize(
    "arguments",
    [["list"], ["show", "ID"], ["retry", "--all"], ["revoke", "ID"], ["stats", "--json"]],
    ids=lambda arguments: arguments[0],
)
def test_without_redis(run: Run, arguments: list[str]) -> None:
    command, *rest = arguments
    url = "redis://:secret@127.0.0.1:1/0"
    done = run("tasks", command, "shop:app", *rest, QUART_REDIS_URL=url)
    assert done.returncode == 1
    assert "Redis" in done.stderr and "Traceback" not in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "shop:app", "--queue", "low"], "no queue 'low': this application has high, de"),
        (["list", "shop:app", "--state", "lost"], "'lost' is not one of 'queued'"),
        (["list", "shop:app", "--limit", "0"], "0 is not in the range"),
        (["retry", "shop:app"], "Name the jobs, or pass --all."),
        (["retry", "shop:app", "1", "--all"], "Name the jobs, or pass --all."),
        (["retry", "shop:app", "1", "--queue", "high"], "leave out --queue"),
        (["revoke", "shop:app"], "Name the jobs."),
        (["purge", "shop:app"], "Name the jobs, or pass --state."),
        (["purge", "shop:app", "1", "--queue", "high"], "leave out --queue"),
        (["stats", "shopp:app"], "no module 'shopp'"),
    ],
)
def test_usage_error(run: Run, arguments: list[str], message: str) -> None:
    done = run("tasks", *arguments)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_many_jobs(run: Run) -> None:
    """10,000 jobs: a list reads one page of them, and says that there are more."""
    ids = enqueue(run, "[hello.s(number) for number in range(10_000)]")
    started = time.perf_counter()
    done = run("tasks", "list", "shop:app", "--limit", "1000", "--json")
    assert [job["id"] for job in read(done)] == ids[:1000]
    assert done.stderr == "There may be more: --offset 1000\n"
    last = run("tasks", "list", "shop:app", "--offset", "9990", "--json")
    assert [job["id"] for job in read(last)] == ids[9990:]
    assert not last.stderr
    refused = run("tasks", "purge", "shop:app", "--state", "queued")
    assert refused.returncode == 1 and "which then never run? [y/N]" in refused.stderr
    purged = run("tasks", "purge", "shop:app", "--state", "queued", "--yes")
    assert purged.stdout == "10000 deleted\n"
    assert time.perf_counter() - started < TIMEOUT


@pytest.mark.parametrize(("columns", "lines"), [(80, 3), (140, 1)])
def test_terminal(run: Run, columns: int, lines: int) -> None:
    """A narrow terminal gets lines instead of a table with columns of four letters."""
    [id] = enqueue(run, "[hello.s(1)]")
    command = "import pty, sys; pty.spawn([sys.executable, '-m', 'quartpatterns', *sys.argv[1:]])"
    done = run("tasks", "list", "shop:app", code=command, COLUMNS=str(columns))
    shown = [line.split() for line in re.sub(r"\x1b\[\d*m", "", done.stdout).splitlines()]
    [first] = [number for number, line in enumerate(shown) if line[:1] == [id]]
    if lines == 1:
        assert shown[first][1:5] == ["default", "queued", "hello", "1"]
    else:
        assert shown[first][1:] == ["queued", "default"]
        assert shown[first + 1] == ["hello(1)"]
        assert shown[first + 2][-2:] == ["tries:", "0"]


@pytest.mark.slow
def test_help(run: Run) -> None:
    """Each command has an example and its exit codes, and the group shows whole sentences."""
    group = run("tasks", "--help").stdout
    assert "Exit code" in group and "\b" not in group
    assert all(f"  {each} " in group for each in COMMANDS)
    assert group.count("...") == 1  # "[ARGS]...": no sentence is cut off
    for command in COMMANDS:
        text = run("tasks", command, "--help").stdout
        assert f"quartpatterns tasks {command} shop:app" in text
        assert "Exit code: 0, 1 if Redis cannot be reached" in text
        assert "--json" in text
