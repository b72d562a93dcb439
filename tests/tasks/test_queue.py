from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from quart import Quart, current_app, websocket
from redis.asyncio import Redis

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
        pytest.param("../\0\ud800*?" * 1000, id="long, with special characters"),
    ],
)
async def test_unknown_id(make_app: MakeApp, id: str) -> None:
    """An unknown id looks like a pending one; waiting for it is an error."""
    app, tasks = make_app()
    async with app.app_context():
        assert await tasks.result(id) == Result(id, False, False, None)
        with pytest.raises(LookupError, match="no job"):
            await tasks.job(id).wait(timeout=60)


async def test_contexts(make_app: MakeApp) -> None:
    """Views, websockets, background tasks and scripts can queue jobs."""
    app, tasks = make_app()
    double = with_double(tasks)
    jobs: list[Job[int]] = []

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
        assert sorted([await job.wait(timeout=60) for job in jobs]) == [2, 4, 6, 8]


async def test_no_start_up(make_app: MakeApp) -> None:
    """An application that is not started, as by a test client, can queue jobs."""
    app, tasks = make_app()
    double = with_double(tasks)

    @app.route("/")
    async def view() -> str:
        return (await double.delay(1)).id

    for _ in range(3):
        assert (await app.test_client().get("/")).status_code == 200


def test_script_closes_its_connections(make_app: MakeApp) -> None:
    """A script needs no shutdown: the connections close with its event loop, even between two."""
    app, tasks = make_app()
    double = with_double(tasks)
    before = connections(app)

    async def script() -> None:
        async with app.app_context():
            await double.delay(1)
        assert len(connections(app) - before) == 1

    for _ in range(2):
        asyncio.run(script())
        assert not connections(app) - before


def connections(app: Quart) -> set[int]:
    """Return the local ports of the connections to Redis that this process has."""
    port = int(app.config["REDIS_URL"].rpartition(":")[2].partition("/")[0])
    return {
        one.laddr.port
        for one in psutil.Process().net_connections("tcp")
        if bool(one.raddr) and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
    }


async def test_connections(make_app: MakeApp) -> None:
    """A served application shares few connections among many requests, and closes them."""
    app, tasks = make_app(TASKS_MAX_CONNECTIONS=4, TASKS_REDIS_TIMEOUT=30)
    double = with_double(tasks)

    @app.route("/")
    async def view() -> str:
        return (await double.delay(1)).id

    before = connections(app)  # of tests that ran before
    async with app.test_app() as served:
        assert not connections(app) - before
        client = served.test_client()
        await asyncio.gather(*(client.get("/") for _ in range(100)))
        assert 1 <= len(connections(app) - before) <= 4
    assert not connections(app) - before


async def test_start_twice(make_app: MakeApp) -> None:
    """An application that is started a second time has connections again."""
    app, tasks = make_app()
    double = with_double(tasks)
    for _ in range(2):
        async with app.test_app(), app.app_context():
            await double.delay(1)


async def test_two_applications(make_app: MakeApp, redis_url: str) -> None:
    """Applications on one Redis neither run each other's jobs nor see their results."""
    app, tasks = make_app()
    double = with_double(tasks)
    other = Quart("stranger")
    other.config["REDIS_URL"] = redis_url
    other_tasks = Tasks(other)
    other_double = with_double(other_tasks)
    assert queue_of(other).settings.queue_name == "tasks:stranger"

    async with app.app_context():
        job = await double.apply_async((1,), task_id="same")
    async with other.app_context():
        await other_double.apply_async((100,), task_id="same")
        await run_worker(other, burst=True)
        assert await other_tasks.result("same") == Result("same", True, True, 200)
    async with app.app_context():
        assert not (await job.result()).ready


async def test_redis_restarts(make_app: MakeApp, tmp_path: Path) -> None:
    """Without Redis an application starts and answers 503; when Redis is back it works again."""
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


async def test_redis_does_not_answer(make_app: MakeApp, tmp_path: Path) -> None:
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
            await until_queued(double)
            server.suspend()
            with pytest.raises(TasksUnavailableError) as raised:
                await double.delay(1)
            assert isinstance(raised.value.__cause__, TimeoutError)
            server.resume()
            await until_queued(double)


async def until_queued(double: Task[[int], int]) -> Job[int]:
    """Queue a job; on a busy machine Redis may need longer to answer than the time limit."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await double.delay(1)
            except TasksUnavailableError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("forward", [False, True])
async def test_connection_breaks(make_app: MakeApp, redis_url: str, forward: bool) -> None:
    """If a connection breaks, the job is queued once, whether Redis had got the command or not."""
    async with breaking_proxy(redis_url, b"EVALSHA", forward=forward) as url:
        app, tasks = make_app(REDIS_URL=url)
        double = with_double(tasks)
        async with app.test_app(), app.app_context():
            job = await double.delay(21)
    app, tasks = make_app()
    with_double(tasks)
    async with app.app_context():
        await run_worker(app, burst=True)
        assert await job.wait(timeout=60) == 42


async def test_close_during_a_command(make_app: MakeApp, redis_url: str) -> None:
    """A command that runs while the connections are closed ends, and leaves no connection."""
    name = f"test-{uuid4()}"
    app, _ = make_app(REDIS_URL=f"{redis_url}?client_name={name}")
    queue = queue_of(app)
    async with Redis.from_url(redis_url) as redis:

        async def connections() -> int:
            return sum(client["name"] == name for client in await redis.client_list())

        async with queue.client() as client:
            await client.redis.ping()
            await queue.close()
            await client.redis.ping()
            assert await connections() == 1
        async with asyncio.timeout(60):
            while await connections():  # noqa: ASYNC110 - Redis sends no event
                await asyncio.sleep(0.01)
