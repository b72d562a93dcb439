"""PostgreSQL stops and starts again while requests are served."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg
import pytest
from quart.utils import run_sync
from sqlalchemy import make_url

from quartpatterns.compare import services
from quartpatterns.compare.processes import Process, accepts, in_thread
from quartpatterns.sqlalchemy.example import cases
from quartpatterns.sqlalchemy.example.port import create_app
from quartpatterns.sqlalchemy.migrations import upgrade
from tests.conftest import unavailable
from tests.serving import Served, served
from tests.sqlalchemy.shop import registration, wait_for_connections

pytestmark = [pytest.mark.wire, pytest.mark.slow]

WORKERS = 30
POOL = 10


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL server that can be stopped and started again, with its port and data."""

    url: str
    folder: Path
    log: Path
    again: contextlib.ExitStack

    @property
    def port(self) -> int:
        return make_url(self.url).port or 0

    def end(self, number: int) -> None:
        """Send the signal *number* to the server, and wait until it is gone."""
        os.kill(int((self.folder / "postmaster.pid").read_text().split()[0]), number)
        while (self.folder / "postmaster.pid").exists() or accepts(self.port):
            time.sleep(0.01)

    def start(self) -> None:
        """Start it as it was started before, and wait until it answers."""
        command = shlex.split((self.folder / "postmaster.opts").read_text())
        if os.geteuid() == 0:
            who = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            command = [*who, *command]
        self.again.enter_context(Process(command, log=self.log, cwd=Path("/")))
        while True:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url):
                return
            time.sleep(0.01)


@contextlib.contextmanager
def restartable(log: Path) -> Iterator[Server]:
    with services.postgres() as url, contextlib.ExitStack() as again:
        with psycopg.connect(url) as connection:
            [folder] = connection.execute("SHOW data_directory").fetchone() or ("",)
        yield Server(url, Path(folder), log, again)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    try:
        async with in_thread(restartable(tmp_path / "postgres.log")) as found:
            await run_sync(upgrade)(found.url)
            await cases.add_users(found.url)
            yield found
    except services.ServiceMissingError as missing:
        unavailable(str(missing))


@dataclass
class Load:
    """Concurrent requests until a stop signal, and their results."""

    served: Served
    codes: Counter[int] = field(default_factory=Counter)
    broken: list[httpx.TransportError] = field(default_factory=list)
    created: int = 0
    last_failure: float = 0.0
    unexplained: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def worker(self, number: int) -> None:
        turn = 0
        while not self.stop.is_set():
            turn += 1
            try:
                answer = await self.ask(f"{number}-{turn}", write=turn % 3 == 0)
            except httpx.TransportError as error:
                self.broken.append(error)
                continue
            self.codes[answer.status_code] += 1
            self.created += answer.status_code == 201
            if answer.status_code == 503:
                self.last_failure = asyncio.get_running_loop().time()
                if "Retry-After" not in answer.headers or "Traceback" in answer.text:
                    self.unexplained.append(answer.text)
                # Not as long as is asked for, so that the load is heavy when the server is back.
                await asyncio.sleep(0.02)

    async def ask(self, name: str, *, write: bool) -> httpx.Response:
        if write:
            person = {"name": name, "email": f"{name}@localhost"}
            return await self.served.client.post("/users", json=person)
        return await self.served.client.get("/users?per_page=5")

    async def reached(self, code: int, times: int) -> None:
        """Wait until *code* was answered *times* more than now."""
        wanted = self.codes[code] + times
        async with asyncio.timeout(30):
            while self.codes[code] < wanted:  # noqa: ASYNC110  of a counter
                await asyncio.sleep(0.005)


@pytest.mark.checks("SA-3")
@pytest.mark.parametrize(
    "how",
    [
        pytest.param(signal.SIGINT, id="fast shutdown"),
        pytest.param(signal.SIGQUIT, id="crash"),
    ],
)
async def test_restart_under_load(
    server: Server, how: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """Requests answer 503 while the server is down, and work when it is back; nothing leaks."""
    options = {"pool_size": POOL, "max_overflow": 0}
    app = create_app({"SQLALCHEMY_DATABASE_URI": server.url, "SQLALCHEMY_ENGINE_OPTIONS": options})
    loop = asyncio.get_running_loop()
    async with served(app) as port:
        load = Load(port)
        workers = [asyncio.create_task(load.worker(number)) for number in range(WORKERS)]
        await load.reached(200, 100)
        await run_sync(server.end)(how)
        await load.reached(503, 200)
        down = load.codes[503]
        await run_sync(server.start)()
        back = loop.time()
        await load.reached(200, 1)
        first = loop.time() - back
        await load.reached(200, 200)
        last = max(0.0, load.last_failure - back)
        failed = load.codes[503]
        await load.reached(200, 200)
        assert load.codes[503] == failed, "errors go on after the recovery"
        load.stop.set()
        await asyncio.gather(*workers)
        assert load.broken == []
        assert load.unexplained == []
        assert set(load.codes) == {200, 201, 503}
        assert await wait_for_connections(app)
        assert len(registration(app).engines().sessions) == 0
        found = await run_sync(state)(server.url)
        assert found.connections <= POOL
        assert found.in_transaction == 0
        # What was answered is stored; of a COMMIT whose connection was lost nobody knows.
        assert load.created <= found.users - cases.USERS <= load.created + POOL
    after = await run_sync(state)(server.url)
    assert after.connections == 0
    with capsys.disabled():
        print(  # noqa: T201  the numbers are the point
            f"\nPostgreSQL, {how.name} under {WORKERS} clients: {load.codes.total()} requests,"
            f" {load.codes[503]} answered 503 ({down} while it was down), 0 other errors, first"
            f" answer {first:.2f} s after it was back, last failure {last:.2f} s after, leaked:"
            f" 0 sessions, {found.in_transaction} transactions, {after.connections} connections"
        )


@dataclass(frozen=True, slots=True)
class State:
    """The connections and rows that a server reports."""

    connections: int
    in_transaction: int
    users: int


def state(url: str) -> State:
    statement = (
        "SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in%'),"
        " (SELECT count(*) FROM users) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with psycopg.connect(url) as connection:
        row = connection.execute(statement).fetchone()
    assert row is not None
    return State(*row)


async def test_backends_are_killed_under_load(server: Server) -> None:
    """Each connection that the server terminates fails at most one request."""
    app = create_app(
        {
            "SQLALCHEMY_DATABASE_URI": server.url,
            "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": POOL, "max_overflow": 0},
        }
    )
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() LIMIT 1) AS one"
    )

    def end_one() -> int:
        with psycopg.connect(server.url) as connection:
            row = connection.execute(kill).fetchone()
            return int(row[0]) if row else 0

    async with served(app) as port:
        load = Load(port)
        workers = [asyncio.create_task(load.worker(number)) for number in range(WORKERS)]
        await load.reached(200, 50)
        ended = 0
        for _ in range(10):
            ended += await run_sync(end_one)()
            await load.reached(200, 20)
        load.stop.set()
        await asyncio.gather(*workers)
        assert ended > 5
        assert load.broken == [] and load.unexplained == []
        assert set(load.codes) <= {200, 201, 503}
        # A connection that is lost takes the others of its time along: they are old, too.
        assert load.codes[503] <= ended * POOL
        assert await wait_for_connections(app)


async def test_too_many_connections(server: Server) -> None:
    """A server without free connections answers 503 until it has one."""
    app = create_app(
        {
            "SQLALCHEMY_DATABASE_URI": server.url,
            "SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 2, "max_overflow": 0},
        }
    )

    def take_all() -> list[psycopg.Connection]:
        taken: list[psycopg.Connection] = []
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                taken.append(psycopg.connect(server.url))
        return taken

    def give_back(taken: list[psycopg.Connection]) -> None:
        for connection in taken:
            connection.close()

    async with served(app) as port:
        taken = await run_sync(take_all)()
        answers = await asyncio.gather(*(port.client.get("/users") for _ in range(10)))
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.headers["Retry-After"] for answer in answers} == {"5"}
        await run_sync(give_back)(taken)
        async with asyncio.timeout(20):
            while (await port.client.get("/users")).status_code != 200:  # noqa: ASYNC110  polled
                await asyncio.sleep(0.05)
        assert await wait_for_connections(app)
