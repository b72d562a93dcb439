"""``quartpatterns worker --workers``, ``--reload`` and ``--check``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from quart import Quart

from quartpatterns.compare.processes import Process, in_thread
from quartpatterns.tasks import TaskFailedError
from tests.tasks import shop
from tests.tasks.conftest import MakeApp
from tests.tasks.test_crashes import client_of, exit_code, log_of, starts, until


@pytest.fixture
def app_class() -> type[Quart]:
    """One class is enough here: the workers, in their own processes, run a plain Quart."""
    return Quart


@pytest.fixture
def client(make_app: MakeApp) -> Quart:
    """An application that queues the tasks of ``tests.tasks.shop``."""
    return client_of(make_app)


class Command:
    """``quartpatterns worker`` with options."""

    def __init__(self, redis_url: str, queue_name: str, folder: Path) -> None:
        self._settings = {"REDIS_URL": redis_url, "TASKS_QUEUE_NAME": queue_name}
        self._folder = folder

    @contextlib.contextmanager
    def __call__(
        self, *options: str, app: str = "tests.tasks.shop:create_app()", **config: object
    ) -> Iterator[Process]:
        env = {f"QUART_{key}": str(value) for key, value in (self._settings | config).items()}
        self._folder.mkdir(exist_ok=True)
        command = Process(
            [sys.executable, "-m", "quartpatterns", "worker", app, *options],
            log=self._folder / f"worker{len(list(self._folder.iterdir()))}.log",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | env,
            cwd=self._folder,
        )
        with command:
            yield command


@pytest.fixture
def start(redis_url: str, queue_name: str, tmp_path: Path) -> Command:
    """Starts the command."""
    return Command(redis_url, queue_name, tmp_path / "app")


def ready(worker: Process, count: int) -> None:
    worker.wait_until(lambda: worker.output().count("ready for the jobs") >= count)


async def test_dead_worker(client: Quart, start: Command, tmp_path: Path) -> None:
    """The jobs of a dead worker start again long before their leases end; it is replaced."""
    started = tmp_path / "started"
    async with client.app_context(), in_thread(start("--workers", "2", TASKS_LEASE=600)) as command:
        await asyncio.to_thread(ready, command, 2)
        job = await shop.wait.delay(600, str(started))
        await until(lambda: len(starts(started)) == 1)
        ((first, _),) = starts(started)
        os.kill(first, signal.SIGKILL)
        second, deliveries = await job.wait(timeout=60)
        assert (deliveries, second != first) == (2, True)
        await until(lambda: command.output().count("ready for the jobs") == 3)
        assert re.search(r"worker \d+ has ended \(SIGKILL\)", await log_of(command))
        os.kill(command.pid, signal.SIGTERM)
        assert await exit_code(command) == 0


@pytest.mark.slow
async def test_poison(client: Quart, start: Command) -> None:
    """With the leases ended early, the job that ends its process still fails alone."""
    async with client.app_context(), in_thread(start("--workers", "2", TASKS_LEASE=600)) as command:
        jobs = [await shop.slow_double.delay(number) for number in range(4)]
        poison = await shop.exit_process.delay()
        jobs += [await shop.slow_double.delay(number) for number in range(4, 9)]
        assert [await job.wait(timeout=90) for job in jobs] == [2 * number for number in range(9)]
        with pytest.raises(TaskFailedError, match="WorkerLostError: 3 workers died"):
            await poison.wait(timeout=90)
        assert (await log_of(command)).count("has ended (exit code 7)") in (3, 4)


async def test_stop(client: Quart, start: Command, tmp_path: Path) -> None:
    """A signal lets the workers finish their jobs; a second one ends them at once."""
    started = tmp_path / "started"
    async with client.app_context():
        async with in_thread(start("--workers", "2", TASKS_SHUTDOWN_TIMEOUT=60)) as command:
            await asyncio.to_thread(ready, command, 2)
            job = await shop.wait.delay(1, str(started))
            await until(lambda: len(starts(started)) == 1)
            os.kill(command.pid, signal.SIGINT)
            assert await exit_code(command) == 0
            assert (await job.wait(timeout=1))[1] == 1
            assert (await log_of(command)).count("the application has shut down") == 2
        async with in_thread(start("--workers", "2", TASKS_SHUTDOWN_TIMEOUT=60)) as command:
            await asyncio.to_thread(ready, command, 2)
            job = await shop.wait.delay(600, str(tmp_path / "again"))
            await until(lambda: len(starts(tmp_path / "again")) == 1)
            os.kill(command.pid, signal.SIGTERM)
            await until(lambda: "stopping; 1 jobs" in command.output())
            os.kill(command.pid, signal.SIGTERM)
            assert await exit_code(command) == 128 + signal.SIGTERM


async def test_service_manager(client: Quart, start: Command, tmp_path: Path) -> None:
    """A signal to all processes, as systemd sends it, lets the workers finish their jobs too."""
    started = tmp_path / "started"
    async with (
        client.app_context(),
        in_thread(start("--workers", "2", TASKS_SHUTDOWN_TIMEOUT=60)) as command,
    ):
        await asyncio.to_thread(ready, command, 2)
        job = await shop.wait.delay(2, str(started))
        await until(lambda: len(starts(started)) == 1)
        workers = psutil.Process(command.pid).children()
        assert len(workers) == 2
        for process in (*workers, psutil.Process(command.pid), *workers):
            process.terminate()
        assert await exit_code(command) == 0
        assert (await job.wait(timeout=1))[1] == 1
        assert (await log_of(command)).count("the application has shut down") == 2


async def test_dead_supervisor(client: Quart, start: Command) -> None:
    """The workers do not outlive the process that has started them."""
    async with in_thread(start("--workers", "2")) as command:
        await asyncio.to_thread(ready, command, 2)
        workers = psutil.Process(command.pid).children(recursive=True)
        assert len(workers) >= 2
        os.kill(command.pid, signal.SIGKILL)
        await asyncio.to_thread(psutil.wait_procs, workers, timeout=60)
        assert not [one for one in workers if one.is_running()]


async def test_burst(client: Quart, start: Command) -> None:
    """All workers end when the queues are empty."""
    async with client.app_context():
        jobs = [await shop.slow_double.delay(number) for number in range(3)]
        async with in_thread(start("--workers", "2", "--burst")) as command:
            assert await exit_code(command) == 0
        assert [await job.wait(timeout=1) for job in jobs] == [0, 2, 4]


RELOADED = """
from quart import Quart
from quartpatterns.tasks import Tasks

app = Quart(__name__)
app.config.from_prefixed_env()
tasks = Tasks(app)

@tasks.task(name="version")
async def version() -> str:
    return "VERSION"
"""


async def test_reload(make_app: MakeApp, start: Command, tmp_path: Path) -> None:
    """With ``--reload`` the worker runs the new code; an error in it is no end."""
    app, tasks = make_app()

    @tasks.task(name="version")
    async def version() -> str:
        return "of the web process"

    module = tmp_path / "app" / "reloaded.py"
    module.parent.mkdir()
    module.write_text(RELOADED.replace("VERSION", "one"))
    async with (
        app.app_context(),
        in_thread(start("--reload", app="reloaded:app")) as command,
    ):
        await asyncio.to_thread(ready, command, 1)
        assert await (await version.delay()).wait(timeout=60) == "one"
        module.write_text("nonsense(")
        await until(lambda: "importing 'reloaded' failed" in command.output())
        module.write_text(RELOADED.replace("VERSION", "two"))
        await until(lambda: command.output().count("ready for the jobs") == 2)
        assert await (await version.delay()).wait(timeout=60) == "two"


async def test_check(client: Quart, start: Command) -> None:
    """``--check`` exits with 0 if a worker runs for each of the queues, else with 1."""
    config = {"TASKS_QUEUES": '["default", "low"]'}
    async with in_thread(start("--check", **config)) as check:
        assert await exit_code(check) == 1
        assert "no worker runs for" in await log_of(check)
    async with in_thread(start("--queues", "low", **config)) as worker:
        await asyncio.to_thread(ready, worker, 1)
        async with in_thread(start("--check", "--queues", "low", **config)) as check:
            assert await exit_code(check) == 0
        async with in_thread(start("--check", **config)) as check:
            assert await exit_code(check) == 1
    async with in_thread(start("--check", "--workers", "2", **config)) as wrong:
        assert await exit_code(wrong) == 2
        assert "--check starts no worker" in await log_of(wrong)
    async with in_thread(start("--queues", "low,hihg", **config)) as wrong:
        assert await exit_code(wrong) == 2
        assert "unknown queue 'hihg'" in await log_of(wrong)
