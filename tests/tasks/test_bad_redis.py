"""A Redis that is full, read-only, locked, a cluster, or elsewhere; and clocks that differ."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from quartpatterns.compare import services
from quartpatterns.compare.processes import Process, accepts, free_port, in_thread
from quartpatterns.tasks import Task, Tasks, TasksUnavailableError
from tests.tasks.conftest import MakeApp
from tests.tasks.test_inspection import worker_of
from tests.tasks.test_worker import run_jobs

PASSWORD = "p@ss:w/rd?#%ä "
QUOTED = "p%40ss%3Aw%2Frd%3F%23%25%C3%A4%20"


def with_double(tasks: Tasks) -> Task[[int], int]:
    @tasks.task(name="double")
    def double(number: int) -> int:
        return 2 * number

    return double


@contextlib.contextmanager
def server(folder: Path, *options: str) -> Iterator[int]:
    """Run a Valkey with *options*, and yield its port."""
    port = free_port()
    command = [str(services.valkey_program()), "--port", str(port), "--bind", "127.0.0.1"]
    command += ["--save", "", "--appendonly", "no", "--dir", str(folder), *options]
    with Process(command, log=folder / f"{port}.log") as process:
        process.wait_until(lambda: accepts(port))
        yield port


async def tell(port: int, *command: str) -> Any:
    redis = Redis(port=port)
    try:
        return await cast("Any", redis.execute_command(*command))  # type: ignore[no-untyped-call]
    finally:
        await redis.aclose()


async def test_full(make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A full Redis is a clear 503; a worker keeps its results until there is space."""
    async with in_thread(server(tmp_path)) as port:
        app, tasks = make_app(REDIS_URL=f"redis://127.0.0.1:{port}/0")
        started, go_on = asyncio.Event(), asyncio.Event()

        @tasks.task(name="work")
        async def work() -> str:
            started.set()
            await go_on.wait()
            return "done"

        @app.get("/")
        async def view() -> str:
            return (await work.delay()).id

        async with app.app_context(), worker_of(app):
            job = await work.delay()
            async with asyncio.timeout(30):
                await started.wait()
            await tell(port, "CONFIG", "SET", "maxmemory", "1")
            go_on.set()
            with pytest.raises(TasksUnavailableError, match="Redis is full"):
                await work.delay()
            assert "command not allowed when used memory" in caplog.text
            assert ". Redis is full: free memory, or raise its maxmemory." in caplog.text
            assert "Command #" not in caplog.text  # It contains the arguments of the task.
            response = await app.test_client().get("/")
            assert response.status_code == 503
            assert "Redis is full" in await response.get_data(as_text=True)
            await tell(port, "CONFIG", "SET", "maxmemory", "0")
            assert await job.wait(timeout=60) == "done"


@pytest.mark.slow
async def test_replica(make_app: MakeApp, tmp_path: Path) -> None:
    """A replica refuses to queue, and can still be looked at."""
    (tmp_path / "replica").mkdir()
    async with in_thread(server(tmp_path)) as port:
        link = ("--replicaof", "127.0.0.1", str(port))
        async with in_thread(server(tmp_path / "replica", *link)) as replica:
            app, tasks = make_app(REDIS_URL=f"redis://127.0.0.1:{port}/0")
            other, _ = make_app(REDIS_URL=f"redis://127.0.0.1:{replica}/0")
            double = with_double(tasks)
            async with app.app_context():
                job = await double.delay(1)
            async with other.app_context():
                with pytest.raises(TasksUnavailableError, match="read-only replica"):
                    await double.delay(1)
                async with asyncio.timeout(60):
                    while not (found := (await tasks.inspect.jobs("queued")).jobs):  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
                assert [one.id for one in found] == [job.id]
                assert (await tasks.inspect.stats())[0].queued == 1
                assert (await tasks.inspect.job(job.id)).args == [1]


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ("", "name or password in REDIS_URL is wrong or missing"),
        (":wrong@", "name or password in REDIS_URL is wrong or missing"),
        ("reader:secret@", "user in REDIS_URL may not use all commands"),
    ],
)
async def test_refused(make_app: MakeApp, tmp_path: Path, user: str, message: str) -> None:
    acl = ("--user", *"reader on >secret ~* +@read +@connection".split())
    async with in_thread(server(tmp_path, "--requirepass", PASSWORD, *acl)) as port:
        app, tasks = make_app(REDIS_URL=f"redis://{user}127.0.0.1:{port}/0")
        double = with_double(tasks)
        async with app.app_context():
            with pytest.raises(TasksUnavailableError, match=message):
                await double.delay(1)


async def test_password_and_socket(make_app: MakeApp, tmp_path: Path) -> None:
    """A password with special characters works over TCP and over a socket of the system."""
    socket = tmp_path / "s"
    async with in_thread(
        server(tmp_path, "--requirepass", PASSWORD, "--unixsocket", str(socket))
    ) as port:
        for url in (f"redis://:{QUOTED}@127.0.0.1:{port}/1", f"unix://:{QUOTED}@{socket}?db=2"):
            app, tasks = make_app(REDIS_URL=url)
            double = with_double(tasks)
            async with app.app_context():
                job = await double.delay(4)
                await run_jobs(app)
                assert await job.wait(timeout=60) == 8


async def test_cluster(make_app: MakeApp, tmp_path: Path) -> None:
    # By default it also takes its port plus 10,000, which a connection of another test may have.
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    async with in_thread(server(tmp_path, *options)) as port:
        app, tasks = make_app(REDIS_URL=f"redis://127.0.0.1:{port}/0")
        double = with_double(tasks)
        async with app.app_context():
            with pytest.raises(TasksUnavailableError, match="node of a cluster"):
                await double.delay(1)
            await tell(port, "CLUSTER", "ADDSLOTSRANGE", "0", "16383")
            async with asyncio.timeout(30):
                while b"cluster_state:ok" not in await tell(port, "CLUSTER", "INFO"):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            with pytest.raises(TasksUnavailableError, match="node of a cluster"):
                await double.delay(1)


@pytest.mark.parametrize("minutes", [-10, 10])
async def test_clocks(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    """The time of Redis counts: not the clock of who queues a job, nor that of the worker."""
    app, tasks = make_app()
    double = with_double(tasks)
    real = time.time
    async with app.app_context():
        monkeypatch.setattr(time, "time", lambda: real() + minutes * 60)
        now = await double.apply_async([1], expires=100)
        later = await double.apply_async([2], countdown=300)
        monkeypatch.setattr(time, "time", lambda: real() - minutes * 60)
        async with worker_of(app):
            assert await now.wait(timeout=60) == 2
            assert (await tasks.inspect.job(later.id)).state == "scheduled"
            assert not (await later.result()).ready
