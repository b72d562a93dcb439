"""The database under a real server: disconnects, many requests, and a killed mongod."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest
from quart import Quart

from quartpatterns.compare import services
from quartpatterns.compare.processes import free_port, in_thread
from quartpatterns.mongodb.example import port
from tests.conftest import unavailable
from tests.mongodb.shop import SLEEP, Item, mongo, pool
from tests.serving import eventually, served

pytestmark = pytest.mark.wire


async def until_running(app: Quart, number: int) -> None:
    """Wait until the server runs *number* operations on the items."""
    async with app.app_context():
        mine = {"ns": f"{mongo.db.name}.item", "op": "query"}
        for _ in range(400):
            found = await mongo.client.admin.aggregate([{"$currentOp": {}}, {"$match": mine}])
            if len(operations := await found.to_list()) == number:
                return
            await asyncio.sleep(0.05)
    raise AssertionError(f"{operations} instead of {number} operations")


async def test_disconnect_in_a_query(app: Quart) -> None:
    """When a client disconnects, its query ends, also on the server."""
    app.config["CANCEL_ON_DISCONNECT"] = True  # FaithfulQuart needs it; Quart always cancels.
    ended = asyncio.Event()

    @app.get("/")
    async def view() -> str:
        try:
            await mongo.db["item"].find_one(SLEEP)
        finally:
            ended.set()
        return ""

    async with served(app) as server:
        async with app.app_context():
            await Item(name="x").insert()
        for _ in range(5):
            ended.clear()
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await until_running(app, 1)
            writer.transport.abort()
            await eventually(ended.is_set)
            await until_running(app, 0)
        await eventually(lambda: pool(app).active_sockets == 0)


@pytest.mark.slow
async def test_two_hundred_requests(mongodb_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """200 concurrent requests on a pool of ten: none fails, and each write is stored once."""
    app = port.create_app({"MONGODB_URL": f"{mongodb_url}?maxPoolSize=10&waitQueueTimeoutMS=60000"})
    async with served(app) as server:
        client = server.client
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(client.post("/movies", json={"title": f"m{n:03}", "year": n}) for n in range(100)),
            *(client.get("/movies/since/0") for _ in range(100)),
        )
        duration = time.perf_counter() - began
        codes = Counter(answer.status_code for answer in answers)
        titles = (await client.get("/movies/since/0")).json()["titles"]
        await eventually(lambda: pool(app).active_sockets == 0)
        connections = len(pool(app).conns)
    assert codes == {201: 100, 200: 100}
    assert titles == [f"m{n:03}" for n in range(100)]
    assert connections <= 10
    with capsys.disabled():
        result = f"{connections} connections, {duration:.2f} s"
        print(f"\n200 requests, pool of 10: {result}")  # noqa: T201  a measurement


async def test_duplicates_race(mongodb_url: str) -> None:
    """Of 50 requests for the same email one succeeds, and 49 get a 409."""
    app = port.create_app({"MONGODB_URL": mongodb_url})
    async with served(app) as server:
        user = {"name": "x", "email": "same@localhost"}
        answers = await asyncio.gather(
            *(server.client.post("/users", json=user) for _ in range(50))
        )
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 49}


class Mongod:
    """A server that the test can kill and start again with the same data."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self._stack = AsyncExitStack()

    async def start(self) -> str:
        context = services.mongod(self.folder, port=self.port)
        try:
            return await self._stack.enter_async_context(in_thread(context))
        except services.ServiceMissingError as missing:
            unavailable(str(missing))

    @property
    def process(self) -> psutil.Process:
        children = psutil.Process().children(recursive=True)
        mine = [one for one in children if str(self.port) in one.cmdline()]
        return next(one for one in mine if one.name() == "mongod")

    async def end(self) -> None:
        await self._stack.aclose()


@pytest.fixture
async def mongod(tmp_path: Path) -> AsyncIterator[Mongod]:
    server = Mongod(tmp_path)
    yield server
    await server.end()


@pytest.mark.slow
async def test_killed_and_restarted(mongod: Mongod, capsys: pytest.CaptureFixture[str]) -> None:
    """While mongod is down, requests get a 503; after its restart none fails, and none hangs."""
    # By default a single server acknowledges a write up to 100 ms before it is in the journal.
    app = port.create_app({"MONGODB_URL": f"{await mongod.start()}?journal=true"})
    codes: Counter[int] = Counter()
    slowest, created = 0.0, 0
    successes: list[float] = []
    stop = asyncio.Event()

    async with served(app) as server:

        async def load(number: int) -> None:
            nonlocal slowest, created
            while not stop.is_set():
                began = time.monotonic()
                if number % 4:
                    answer = await server.client.get("/movies")
                else:
                    answer = await server.client.post("/movies", json={"title": "x"})
                slowest = max(slowest, time.monotonic() - began)
                codes[answer.status_code] += 1
                created += answer.status_code == 201
                if answer.is_success:
                    successes.append(time.monotonic())
                else:
                    assert "correct MONGODB_URL" in answer.json()["detail"]
                    assert answer.headers["Retry-After"] == "5"

        clients = [asyncio.create_task(load(number)) for number in range(32)]
        await asyncio.sleep(1.5)
        mongod.process.send_signal(signal.SIGKILL)
        await asyncio.sleep(2)
        await mongod.end()
        await mongod.start()
        back = time.monotonic()
        await eventually(lambda: successes[-1] > back)
        recovered = successes[[moment > back for moment in successes].index(True)] - back
        await asyncio.sleep(1.5)
        since = Counter(codes)
        await asyncio.sleep(1)
        stop.set()
        await asyncio.gather(*clients)
        assert set(codes) == {200, 201, 503}
        assert codes[503] == since[503]
        # PyMongo's own time limit for an unreachable server is 30 s.
        assert slowest < 25
        total = (await server.client.get("/movies")).json()["total"]
        # Every acknowledged write is stored; an interrupted one may be.
        assert created <= total <= created + codes[503]
        await eventually(lambda: pool(app).active_sockets == 0)
        leaked = pool(app).active_sockets + pool(app).requests
        assert leaked == 0
    with capsys.disabled():
        print(  # noqa: T201  a measurement
            f"\nmongod killed under 32 clients: {codes.total()} requests, {codes[503]} failed, all"
            f" with 503; slowest {slowest:.1f} s; back {recovered:.2f} s after mongod;"
            f" {leaked} connections leaked"
        )


async def test_shutdown_without_mongod(mongod: Mongod) -> None:
    """A server whose database is down stops without waiting for it."""
    url = f"{await mongod.start()}?serverSelectionTimeoutMS=60000"
    app = port.create_app({"MONGODB_URL": url})
    async with served(app) as server:
        assert (await server.client.get("/movies")).status_code == 200
        await mongod.end()
        began = time.monotonic()
    assert time.monotonic() - began < 30


def test_ends_with_its_starter(tmp_path: Path) -> None:
    """A mongod ends with the process that started it, even if that is killed."""
    import subprocess
    import sys

    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from quartpatterns.compare.services import mongod\n"
        "with mongod(Path(sys.argv[1])) as url:\n print(url, flush=True)\n time.sleep(60)"
    )
    try:
        services.mongod_program()
    except services.ServiceMissingError as missing:
        unavailable(str(missing))
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline().startswith("mongodb://127.0.0.1:")
        children = psutil.Process(starter.pid).children(recursive=True)
        assert "mongod" in [child.name() for child in children]
        os.kill(starter.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


def test_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mongod the error says what to do."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(services, "_find_in_package", lambda package, pattern: None)
    monkeypatch.delenv("MONGODB_URL", raising=False)
    with pytest.raises(services.ServiceMissingError, match="set MONGODB_URL; or pip install"):
        with services.mongodb():
            pass


def test_given_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """MONGODB_URL names a server to use instead."""
    monkeypatch.setenv("MONGODB_URL", "mongodb://elsewhere/")
    with services.mongodb() as url:
        assert url == "mongodb://elsewhere/"
