"""Event streams of several processes: workers, machines, a Redis that is lost, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from secrets import token_hex

import httpx
import pytest

import quartpatterns.streaming.redis_hub  # noqa: F401 - an import blocks
from quartpatterns._shared.threads import to_thread
from quartpatterns.compare import services
from quartpatterns.compare.processes import Process, accepts, free_port, in_thread
from quartpatterns.streaming import Broadcaster, BroadcasterUnavailableError
from tests.serving import TIMEOUT, eventually
from tests.streaming.event_parser import EventParser

pytestmark = [pytest.mark.wire, pytest.mark.checks("ST-8")]

APPLICATION = """
import asyncio
import os

from quart import Quart, request, websocket

from quartpatterns.streaming import Broadcaster, EventStream, last_event_id, stream_with_context
from quartpatterns.subclassing import FaithfulQuart

app = {"Quart": Quart, "FaithfulQuart": FaithfulQuart}[os.environ["APP_CLASS"]](__name__)
broadcaster = Broadcaster(
    app, redis_url=os.environ.get("TEST_REDIS_URL"), name=os.environ["TEST_NAME"]
)


@app.get("/events")
async def events():
    stream = EventStream(broadcaster.subscribe("topic", after=last_event_id()))
    stream.headers["X-Process"] = str(os.getpid())
    return stream


@app.websocket("/live")
async def live():
    async with broadcaster.subscribe("topic") as messages:
        async for message in messages:
            await websocket.send(message.data)


@app.post("/publish")
async def publish():
    await broadcaster.publish("topic", (await request.get_data()).decode())
    return str(os.getpid())


cut = asyncio.Semaphore(0)


@app.get("/flood")
async def flood():
    async def events():
        while True:
            yield "x" * 16384

    return EventStream(events(), send_timeout=1, on_disconnect=cut.release)


@app.get("/cut")
async def count():
    for _ in range(int(request.args["count"])):
        await cut.acquire()
    return ""


@app.get("/download")
async def download():
    @stream_with_context
    async def parts():
        for number in range(10):
            yield f"part {number}\\n"
            await asyncio.sleep(0.1)

    return parts()
"""


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    *options: str,
    app_class: str,
    redis_url: str | None = None,
    name: str = "test",
    server: str = "hypercorn",
) -> AsyncIterator[tuple[str, Process]]:
    """Serve the application with the command of a server."""
    port = free_port()
    (folder / "events_app.py").write_text(APPLICATION)
    env = {**os.environ, "APP_CLASS": app_class, "TEST_NAME": name}
    env["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), str(folder)])
    if redis_url is not None:
        env["TEST_REDIS_URL"] = redis_url
    arguments = {
        "hypercorn": ["--bind", f"127.0.0.1:{port}", "--graceful-timeout", "20"],
        "uvicorn": ["--port", str(port), "--timeout-graceful-shutdown", "20"],
        "granian": ["--port", str(port), "--interface", "asgi", "--workers-kill-timeout", "20"],
    }[server]
    command = [sys.executable, "-m", server, *arguments, *options, "events_app:app"]
    starting = await to_thread(lambda: Process(command, log=folder / f"log-{port}", env=env))
    async with in_thread(starting) as process:
        await to_thread(lambda: process.wait_until(lambda: accepts(port)))
        yield f"http://127.0.0.1:{port}", process


class Stream:
    """A client that reads a stream in a task."""

    def __init__(self, response: httpx.Response) -> None:
        self.parser = EventParser()
        self.process = response.headers["X-Process"]
        self.ended = 0.0
        self.error: Exception | None = None
        self.task = asyncio.create_task(self._read(response))

    async def _read(self, response: httpx.Response) -> None:
        try:
            async for chunk in response.aiter_raw():
                self.parser.feed(chunk)
        except httpx.HTTPError as error:
            self.error = error
        self.ended = time.monotonic()

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.parser.events]


@contextlib.asynccontextmanager
async def streams(urls: Sequence[str]) -> AsyncIterator[tuple[httpx.AsyncClient, list[Stream]]]:
    """Open a stream for each of *urls*."""
    limits = httpx.Limits(max_connections=None)
    async with (
        httpx.AsyncClient(timeout=TIMEOUT, trust_env=False, limits=limits) as client,
        contextlib.AsyncExitStack() as stack,
    ):
        opened: list[Stream] = []
        for url in urls:
            response = await stack.enter_async_context(client.stream("GET", f"{url}/events"))
            opened.append(Stream(response))
        yield client, opened
        for one in opened:
            one.task.cancel()
        await asyncio.wait([one.task for one in opened])


@pytest.mark.slow
@pytest.mark.parametrize("app_class", ["Quart", "FaithfulQuart"])
async def test_workers_and_machines(app_class: str, redis_url: str, tmp_path: Path) -> None:
    """An event that one process publishes reaches all clients of three processes, once each.

    Two are workers of one Hypercorn, the third is a server of its own.
    """
    name = f"test-{token_hex(6)}"
    options = {"app_class": app_class, "redis_url": redis_url, "name": name}
    async with (
        serving(tmp_path, "--workers", "2", **options) as (pair, _),
        serving(tmp_path, **options) as (single, _),
    ):
        async with streams([pair, single] * 20) as (client, opened):
            # Connections are distributed among the workers by the kernel.
            processes = {one.process for one in opened}
            await eventually(lambda: all(one.parser.retry for one in opened))
            publishers: set[str] = set()
            numbers: list[str] = []
            while len(publishers) < 3 or len(numbers) < 30:
                url = pair if len(numbers) % 3 else single
                async with httpx.AsyncClient(trust_env=False) as other:
                    response = await other.post(f"{url}/publish", content=str(len(numbers)))
                publishers.add(response.text)
                numbers.append(str(len(numbers)))
            await eventually(lambda: all(len(one.data) >= len(numbers) for one in opened))
            assert [one.data for one in opened] == [numbers] * 40
            assert len(processes | publishers) == 3


@pytest.mark.slow
@pytest.mark.parametrize("app_class", ["Quart", "FaithfulQuart"])
@pytest.mark.parametrize("workers", ["1", "2"])
async def test_sigterm(app_class: str, workers: str, tmp_path: Path) -> None:
    """After SIGTERM, 200 streams say farewell and end within a second; a download finishes."""
    async with serving(tmp_path, "--workers", workers, app_class=app_class) as (url, process):
        async with streams([url] * 200) as (client, opened):
            await eventually(lambda: all(one.parser.retry for one in opened))
            async with client.stream("GET", f"{url}/download") as download:
                chunks = download.aiter_raw()
                text = await anext(chunks)
                started = time.monotonic()
                os.kill(process.pid, signal.SIGTERM)
                async for chunk in chunks:
                    text += chunk
            assert text.count(b"part") == 10
            await asyncio.wait([one.task for one in opened], timeout=TIMEOUT)
            assert not [one.error for one in opened if one.error is not None]
            # The last retry is that of the farewell.
            assert all(one.parser.retry != 3000 for one in opened)
            seconds = max(one.ended for one in opened) - started
            assert seconds < 1.5, seconds  # one second, on a machine that has other work
        await eventually(lambda: process.returncode is not None)
        assert process.returncode == 0


@pytest.mark.parametrize("app_class", ["Quart", "FaithfulQuart"])
@pytest.mark.parametrize("server", ["uvicorn", "granian"])
async def test_other_servers(app_class: str, server: str, tmp_path: Path) -> None:
    """Uvicorn and Granian send events and heartbeats, and the farewell at their end."""
    async with serving(tmp_path, server=server, app_class=app_class) as (url, process):
        async with streams([url] * 5) as (client, opened):
            await eventually(lambda: all(one.parser.retry for one in opened))
            async with httpx.AsyncClient(trust_env=False) as other:
                await other.post(f"{url}/publish", content="hello")
            await eventually(lambda: all(one.data == ["hello"] for one in opened))
            os.kill(process.pid, signal.SIGTERM)
            await asyncio.wait([one.task for one in opened], timeout=TIMEOUT)
            assert all(one.parser.retry != 3000 and one.ended for one in opened)


@pytest.mark.parametrize("app_class", ["Quart", "FaithfulQuart"])
@pytest.mark.parametrize("server", ["hypercorn", "uvicorn", "granian"])
async def test_stalled_clients(app_class: str, server: str, tmp_path: Path) -> None:
    """Each server passes on that a client takes nothing, and ends its response when it is cut."""
    async with (
        serving(tmp_path, server=server, app_class=app_class) as (url, process),
        streams([url]) as (client, [idle]),
        contextlib.AsyncExitStack() as stack,
    ):
        port = int(url.rpartition(":")[2])
        stalled: list[asyncio.StreamReader] = []
        for _ in range(10):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            stack.callback(writer.close)
            writer.write(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            stalled.append(reader)

        async with asyncio.timeout(TIMEOUT):
            await client.get(f"{url}/cut", params={"count": "10"})
            for reader in stalled:
                ending = b""
                with contextlib.suppress(ConnectionError):
                    while data := await reader.read(65536):
                        ending = (ending + data)[-8:]
                assert not ending.endswith(b"0\r\n\r\n"), "the response looks complete"
            # The stream of a client that reads goes on.
            await client.post(f"{url}/publish", content="hello")
            await eventually(lambda: idle.data == ["hello"])
        log = (tmp_path / f"log-{port}").read_text()
        assert log.count("/flood: the client at 127.0.0.1 took nothing for 1 s") == 10


async def test_redis_is_lost(tmp_path: Path) -> None:
    """While Redis is away publishing fails with 503; afterwards nothing is missing or doubled."""
    port = free_port()
    folder = tmp_path / "valkey"
    folder.mkdir()
    url = f"redis://127.0.0.1:{port}/0"

    def valkey() -> contextlib.AbstractContextManager[str]:
        return services.valkey(port=port, folder=folder)

    publisher = Broadcaster(redis_url=url)
    receiver = Broadcaster(redis_url=url)
    received: list[str | bytes] = []
    subscription = receiver.subscribe("topic")

    async def receive() -> None:
        async for message in subscription:
            received.append(message.data)

    task = asyncio.create_task(receive())
    with pytest.raises(BroadcasterUnavailableError):
        await publisher.publish("topic", "nobody listens")
    async with in_thread(valkey()):
        await eventually(lambda: not subscription_is_waiting(receiver))
        await publisher.publish("topic", "1")
        await eventually(lambda: received == ["1"])
        # The connections are cut, and Redis stays: what is published meanwhile is not lost.
        await kill_connections(url)
        for number in range(2, 20):
            with contextlib.suppress(BroadcasterUnavailableError):
                await publisher.publish("topic", str(number))
        await publisher.publish("topic", "20")
        await eventually(lambda: "20" in received)
        assert received == [str(number) for number in range(1, 21)]
    with pytest.raises(BroadcasterUnavailableError):
        await publisher.publish("topic", "away")
    # It comes back without its data.
    async with in_thread(valkey()):
        late = receiver.subscribe("topic")
        await eventually(lambda: not subscription_is_waiting(receiver))
        await publisher.publish("topic", "21")
        await eventually(lambda: "21" in received)
        assert (await asyncio.wait_for(anext(late), TIMEOUT)).data == "21"
        assert received == [str(number) for number in range(1, 22)]
        await receiver.close()
        await asyncio.wait_for(task, TIMEOUT)
        await publisher.close()


async def test_new_subscribers_get_no_history(redis_url: str) -> None:
    """A subscriber that has received nothing gets only what is new after a lost connection."""
    name = f"test-{token_hex(6)}"
    publisher = Broadcaster(redis_url=redis_url, name=name)
    receiver = Broadcaster(redis_url=redis_url, name=name)
    await publisher.publish("topic", "old")
    subscriptions = [receiver.subscribe("topic")]
    await eventually(lambda: not subscription_is_waiting(receiver))
    # One comes at each step of those before it.
    while len(subscriptions) < 100:
        subscriptions.append(receiver.subscribe("topic"))
        await asyncio.sleep(0)
    await eventually(lambda: not subscription_is_waiting(receiver))
    await kill_connections(redis_url)
    await eventually(lambda: subscription_is_waiting(receiver))
    await publisher.publish("topic", "new")
    async with asyncio.timeout(TIMEOUT):
        assert {(await anext(one)).data for one in subscriptions} == {"new"}
    await receiver.close()
    await publisher.close()


def subscription_is_waiting(broadcaster: Broadcaster) -> bool:
    """Whether a subscription waits for the confirmation of its channels."""
    hub = broadcaster._hubs.find()  # pyright: ignore[reportPrivateUsage]
    assert hub is not None
    return any(one.held is not None for one in hub.subscribers.all())


async def kill_connections(url: str) -> None:
    """Make Redis close all connections to subscribers, and all others but one."""
    from redis.asyncio import Redis

    client = Redis.from_url(url)
    await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await client.aclose()
