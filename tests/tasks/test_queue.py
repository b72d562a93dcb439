from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil
import pytest
from quart import Quart, current_app, websocket

from quartpatterns.compare import services
from quartpatterns.compare.processes import free_port, in_thread
from quartpatterns.tasks import Job, Result, Task, Tasks, TasksUnavailableError, run_worker
from quartpatterns.tasks.queue import queue_of
from tests.tasks.conftest import MakeApp
from tests.tasks.proxy import breaking_proxy

UNKNOWN = "00000000-0000-0000-0000-000000000000"


def with_double(tasks: Tasks) -> Task[[int], int]:
    """A task to queue."""

    @tasks.task(name="double")
    def double(number: int) -> int:
        return 2 * number

    return double


@pytest.mark.checks("CE-6")
@pytest.mark.parametrize(
    "id",
    [
        pytest.param(UNKNOWN, id="well-formed"),
        pytest.param("", id="empty"),
        pytest.param("../\0\ud800*?" * 1000, id="long and strange"),
    ],
)
async def test_unknown(make_app: MakeApp, id: str) -> None:
    """An unknown id looks like one that is pending; to wait for it is an error."""
    app, tasks = make_app()
    async with app.app_context():
        assert await tasks.result(id) == Result(id, False, False, None)
        with pytest.raises(LookupError, match="no job"):
            await tasks.job(id).wait(timeout=5)


async def test_everywhere(make_app: MakeApp) -> None:
    """Views, websockets and background tasks of a served application, and a script, queue jobs."""
    app, tasks = make_app()
    double = with_double(tasks)
    jobs: list[Job] = []

    async def queue(number: int) -> None:
        jobs.append(await double.delay(number))

    @app.route("/")
    async def view() -> str:
        await queue(1)
        current_app.add_background_task(queue, 2)
        return ""

    @app.websocket("/ws")
    async def ws() -> None:
        await queue(int(await websocket.receive()))
        await websocket.send("queued")

    async with app.test_app() as served:
        client = served.test_client()
        assert (await client.get("/")).status_code == 200
        async with client.websocket("/ws") as connection:
            await connection.send("3")
            await connection.receive()
    async with app.app_context():
        await queue(4)
        await run_worker(app, burst=True)
        assert sorted([await job.wait(timeout=5) for job in jobs]) == [2, 4, 6, 8]


async def test_unserved_client(make_app: MakeApp) -> None:
    """A test client that runs no start-up works too, and leaves no connection behind."""
    app, tasks = make_app()
    double = with_double(tasks)

    @app.route("/")
    async def view() -> str:
        return (await double.delay(1)).id

    for _ in range(3):
        assert (await app.test_client().get("/")).status_code == 200


async def test_connections(make_app: MakeApp) -> None:
    """A served application shares few connections among many requests, and closes them."""
    app, tasks = make_app(TASKS_MAX_CONNECTIONS=4)
    double = with_double(tasks)
    me = psutil.Process()

    def connections() -> int:
        port = int(app.config["REDIS_URL"].rpartition(":")[2].partition("/")[0])
        return sum(bool(c.raddr) and c.raddr.port == port for c in me.net_connections("tcp"))

    @app.route("/")
    async def view() -> str:
        return (await double.delay(1)).id

    async with app.test_app() as served:
        assert connections() == 0
        client = served.test_client()
        await asyncio.gather(*(client.get("/") for _ in range(100)))
        assert 1 <= connections() <= 4
    assert connections() == 0


async def test_serve_again(make_app: MakeApp) -> None:
    """An application that is started a second time has connections again."""
    app, tasks = make_app()
    double = with_double(tasks)
    for _ in range(2):
        async with app.test_app(), app.app_context():
            await double.delay(1)


async def test_apart(make_app: MakeApp, redis_url: str) -> None:
    """Applications on one Redis neither run each other's jobs nor see their results."""
    app, tasks = make_app()
    double = with_double(tasks)
    stranger = Quart("stranger")
    stranger.config["REDIS_URL"] = redis_url
    their_tasks = Tasks(stranger)
    theirs = with_double(their_tasks)
    assert queue_of(stranger).settings.queue_name == "tasks:stranger"

    async with app.app_context():
        job = await double.apply_async((1,), task_id="same")
    async with stranger.app_context():
        await theirs.apply_async((100,), task_id="same")
        await run_worker(stranger, burst=True)
        assert await their_tasks.result("same") == Result("same", True, True, 200)
    async with app.app_context():
        assert not (await job.result()).ready


async def test_redis_comes_and_goes(make_app: MakeApp, tmp_path: Path) -> None:
    """Without Redis an application starts and answers 503; with Redis back it works by itself."""
    port = free_port()
    app, tasks = make_app(REDIS_URL=f"redis://127.0.0.1:{port}/0")
    double = with_double(tasks)

    @app.route("/")
    async def view() -> str:
        return (await double.delay(1)).id

    @app.route("/result")
    async def result() -> dict[str, object]:
        return {"ready": (await tasks.result(UNKNOWN)).ready}

    async with app.test_app() as served:
        client = served.test_client()

        async def statuses() -> list[int]:
            return [(await client.get(path)).status_code for path in ("/", "/result")]

        for _ in range(2):
            assert await statuses() == [503, 503]
            async with in_thread(services.valkey(tmp_path, port=port)):
                assert await statuses() == [200, 200]
        assert await statuses() == [503, 503]
        answer = await (await client.get("/")).get_data(as_text=True)
        assert "Start Redis or Valkey, or set REDIS_URL" in answer
        assert str(port) not in answer


async def test_redis_hangs(make_app: MakeApp, tmp_path: Path) -> None:
    """A Redis that accepts and never answers is an error after ``TASKS_REDIS_TIMEOUT``."""
    async with in_thread(services.valkey(tmp_path)) as url:
        app, tasks = make_app(REDIS_URL=url, TASKS_REDIS_TIMEOUT=0.3)
        double = with_double(tasks)
        server = next(
            process
            for process in psutil.Process().children(recursive=True)
            if url.partition("//")[2].partition("/")[0] in " ".join(process.cmdline())
        )
        async with app.test_app(), app.app_context():
            await double.delay(1)
            server.suspend()
            before = time.monotonic()
            with pytest.raises(TasksUnavailableError) as raised:
                await double.delay(1)
            assert time.monotonic() - before < 2
            assert isinstance(raised.value.__cause__, TimeoutError)
            server.resume()
            await double.delay(1)


async def test_broken_off(make_app: MakeApp, redis_url: str) -> None:
    """A connection that breaks off is an error if the job was not queued, and none if it was.

    arq takes both for a job that is queued already, and says so by ``None``.
    """
    async with breaking_proxy(redis_url, b"MULTI", forward=False) as url:
        app, tasks = make_app(REDIS_URL=url)
        double = with_double(tasks)
        async with app.test_app(), app.app_context():
            with pytest.raises(TasksUnavailableError):
                await double.delay(1)
            await double.delay(1)
    async with breaking_proxy(redis_url, b"MULTI", forward=True) as url:
        app, tasks = make_app(REDIS_URL=url)
        double = with_double(tasks)
        async with app.test_app(), app.app_context():
            job = await double.delay(21)
    app, tasks = make_app()
    with_double(tasks)
    async with app.app_context():
        await run_worker(app, burst=True)
        assert await job.wait(timeout=5) == 42
