"""Tasks with ``process=True``."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import psutil
import pytest
from quart import Quart

from quartpatterns.compare.processes import in_thread
from quartpatterns.tasks import (
    ProcessLostError,
    TaskFailedError,
    Tasks,
    chain,
    run_worker,
)
from quartpatterns.tasks.testing import eager_tasks
from tests.tasks import cpu
from tests.tasks.test_crashes import until
from tests.tasks.test_supervisor import Command, ready

NAME = "tests.tasks.cpu:create_app()"


@pytest.fixture
def app(
    app_class: type[Quart], redis_url: str, queue_name: str, monkeypatch: pytest.MonkeyPatch
) -> Quart:
    """The application; its processes get the same configuration from the environment."""
    monkeypatch.setenv("APP_CLASS", app_class.__name__)
    monkeypatch.setenv("QUART_REDIS_URL", redis_url)
    monkeypatch.setenv("QUART_TASKS_QUEUE_NAME", queue_name)
    monkeypatch.setenv("QUART_TASKS_PROCESSES", "2")
    monkeypatch.setenv("QUART_TASKS_SHUTDOWN_TIMEOUT", "0")
    return cpu.create_app()


@pytest.fixture
async def worker(app: Quart) -> AsyncGenerator[asyncio.Task[None]]:
    """A worker in this process."""
    worker = asyncio.create_task(run_worker(app, application=NAME))
    async with app.app_context(), asyncio.timeout(600):
        yield worker
    worker.cancel()
    await asyncio.wait([worker])
    zombie = psutil.STATUS_ZOMBIE
    alive = [one for one in psutil.Process().children() if one.status() != zombie]
    children = [child.cmdline() for child in alive]
    assert not [command for command in children if "--process" in command]


@pytest.mark.usefixtures("worker")
async def test_context() -> None:
    """A task has its own process with the started application; processes are used again."""
    job = await cpu.about.delay()
    first = await job.wait()
    assert first["pid"] != os.getpid()
    assert first == {
        "pid": first["pid"],
        "app": "cpu",
        "opened": first["pid"],
        "main": True,
        "id": job.id,
    }
    assert (await (await cpu.about.delay()).wait())["pid"] == first["pid"]
    large = "é" * 300_000
    assert await (await cpu.echo.delay(1, b=large)).wait() == [(1,), {"b": large}]
    assert await (await chain(cpu.echo.s(1), cpu.echo.s(2)).delay()).wait() == [([(1,), {}], 2), {}]


@pytest.mark.usefixtures("worker")
async def test_progress_and_retry(app: Quart) -> None:
    """A task reports progress, queues jobs, and retries."""
    job = await cpu.progress.delay()
    await job.wait()
    state = (await job.result()).progress
    assert state["done"] == 1
    assert await cpu.tasks.job(state["next"]).wait() == [(5,), {}]
    assert await (await cpu.retry.delay()).wait() == 2


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("exit", "ProcessLostError: the process of the task ended with exit code 7"),
        ("segfault", "ProcessLostError: the process of the task was ended by SIGSEGV"),
        ("kill", "ended by SIGKILL: perhaps it needed too much memory"),
        ("sys.exit", "SystemExit: 3"),
    ],
)
@pytest.mark.usefixtures("worker")
async def test_crash(how: str, text: str) -> None:
    """A process that dies makes one job fail; its neighbour and the worker go on."""
    other = await cpu.about.delay()
    job = await cpu.die.delay(how)
    with pytest.raises(TaskFailedError, match=text):
        await job.wait()
    await other.wait()
    assert await (await cpu.echo.delay(1)).wait() == [(1,), {}]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("value", "^ValueError: too large \ud800$"),
        ("stop", "^RuntimeError: a synchronous function raised StopIteration$"),
        ("json", "^TypeError: the result of task .*fail is not JSON"),
    ],
)
@pytest.mark.usefixtures("worker")
async def test_error(kind: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """The text of an error is as without a process, and the log has its traceback."""
    with pytest.raises(TaskFailedError, match=text):
        await (await cpu.fail.delay(kind)).wait()
    assert "cpu.py" in caplog.text or kind == "json"


@pytest.mark.usefixtures("worker")
async def test_timeout(tmp_path: Path) -> None:
    """A timeout ends the process; ``finally`` blocks run."""
    file = tmp_path / "lines"
    with pytest.raises(TaskFailedError, match="TimeoutError"):
        await (await cpu.hang.delay(str(file))).wait()
    assert file.read_text().split() == ["started", "finally"]


@pytest.mark.usefixtures("worker")
async def test_revoke(tmp_path: Path) -> None:
    """A revocation kills even a process that catches everything."""
    file = tmp_path / "lines"
    job = await cpu.ignore_signals.delay(str(file))
    await until(file.exists)
    await until(lambda: bool(file.read_text()))
    assert await job.revoke()
    with pytest.raises(TaskFailedError, match="revoked"):
        await job.wait()
    assert not psutil.pid_exists(int(file.read_text()))


async def test_stop(app: Quart, tmp_path: Path) -> None:
    """A worker that stops kills the process, and its job is queued again."""
    file = tmp_path / "lines"
    worker = asyncio.create_task(run_worker(app, application=NAME))
    async with app.app_context():
        job = await cpu.ignore_signals.delay(str(file))
        await until(lambda: file.exists() and bool(file.read_text()))
        worker.cancel()
        await asyncio.wait([worker])
        assert not psutil.pid_exists(int(file.read_text()))
        assert not (await job.result()).ready
        assert await job.revoke()


async def test_killed_worker(app: Quart, redis_url: str, queue_name: str, tmp_path: Path) -> None:
    """The processes of a worker that is killed end, even in the middle of a job."""
    start, file = Command(redis_url, queue_name, tmp_path / "app"), tmp_path / "lines"
    async with app.app_context(), in_thread(start(app=NAME)) as worker:
        await asyncio.to_thread(ready, worker, 1)
        job = await cpu.ignore_signals.delay(str(file))
        await until(lambda: file.exists() and bool(file.read_text()))
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(int(file.read_text())))
        await job.revoke()


@pytest.mark.usefixtures("worker")
async def test_signal_of_others(tmp_path: Path) -> None:
    """A service manager sends SIGTERM to all processes; the worker decides about its jobs."""
    file = tmp_path / "lines"
    job = await cpu.sleep.delay(str(file))
    await until(lambda: file.exists() and bool(file.read_text()))
    os.kill(int(file.read_text()), signal.SIGTERM)
    assert await job.wait() == "slept"


@pytest.mark.parametrize(
    ("how", "text"), [("exit", "ended with exit code 7"), ("timeout", "TimeoutError")]
)
@pytest.mark.usefixtures("worker")
async def test_processes_of_tasks(tmp_path: Path, how: str, text: str) -> None:
    """What a task has started and forked ends with its process, which fails at once."""
    file = tmp_path / "lines"
    job = await cpu.leave_processes.delay(str(file), how)
    with pytest.raises(TaskFailedError, match=text):
        await job.wait()
    await until(lambda: not [id for id in file.read_text().split() if runs(int(id))])


@pytest.mark.usefixtures("worker")
async def test_fork() -> None:
    """A fork that returns from the task ends, and the task has one result."""
    pid, status = await (await cpu.fork.delay()).wait()
    assert status == 0
    assert (await (await cpu.about.delay()).wait())["pid"] == pid


def runs(id: int) -> bool:
    """Return whether a process runs; one that its parent has not waited for does not."""
    try:
        return psutil.Process(id).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_killed_worker_leaves_nothing(
    app: Quart, redis_url: str, queue_name: str, tmp_path: Path
) -> None:
    """What a task has started ends with its process when the worker is killed."""
    start, file = Command(redis_url, queue_name, tmp_path / "app"), tmp_path / "lines"
    async with app.app_context(), in_thread(start(app=NAME)) as worker:
        await asyncio.to_thread(ready, worker, 1)
        job = await cpu.leave_processes.delay(str(file), "sleep")
        await until(lambda: file.exists() and bool(file.read_text()))
        os.kill(worker.pid, signal.SIGKILL)
        await until(lambda: not [id for id in file.read_text().split() if runs(int(id))])
        await job.revoke()


async def test_without_a_name(app: Quart) -> None:
    """``run_worker(app)`` cannot start processes without the name of the application."""
    with pytest.raises(RuntimeError, match=r"pass application='module:app' to run_worker\(\)"):
        await run_worker(app, burst=True)
    with pytest.raises(ProcessLostError, match="ended with exit code"):
        await run_worker(app, application="tests.tasks.cpu:nothing", burst=True)


async def test_eager(app: Quart) -> None:
    """With eager tasks, a task runs in the process of the test."""
    with eager_tasks(app):
        async with app.app_context():
            app.config["OPENED_BY"] = 0
            assert (await (await cpu.about.delay()).wait())["pid"] == os.getpid()


def test_not_for_coroutines() -> None:
    """``process=True`` is for synchronous functions."""
    tasks = Tasks()
    with pytest.raises(TypeError, match="process=True is for synchronous functions"):

        @tasks.task(process=True)
        async def work() -> Any: ...
