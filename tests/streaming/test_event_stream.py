"""Event streams from a real server: what is sent, when, and how a stream ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextvars import ContextVar
from typing import Any

import httpx
import pytest
from quart import Quart, g, make_response, request, session

from quartpatterns.streaming import (
    Broadcaster,
    EventStream,
    ServerSentEvent,
    until_shutdown,
    wait_for_shutdown,
    wants_event_stream,
)
from quartpatterns.subclassing import FaithfulQuart
from tests.serving import TIMEOUT, Served, eventually, served, unread_response
from tests.streaming.event_parser import EventParser, Received
from tests.streaming.log import Log

pytestmark = [pytest.mark.wire, pytest.mark.checks("ST-7")]

variable = ContextVar("variable", default=0)


class Client:
    """Reads the events of one response."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.parser = EventParser()
        self.chunks = 0
        self._chunks = response.aiter_raw()

    async def chunk(self) -> None:
        """Read one chunk."""
        self.chunks += 1
        self.parser.feed(await anext(self._chunks))

    async def until(self, count: int) -> list[Received]:
        """Read until there are *count* events."""
        async with asyncio.timeout(TIMEOUT):
            while len(self.parser.events) < count:
                await self.chunk()
        return self.parser.events

    async def rest(self) -> list[Received]:
        """Read to the end."""
        async with asyncio.timeout(TIMEOUT):
            async for chunk in self._chunks:
                self.parser.feed(chunk)
        return self.parser.events


@contextlib.asynccontextmanager
async def connected(server: Served, path: str = "/", **headers: str) -> AsyncIterator[Client]:
    sent = {"Accept": "text/event-stream", **headers}
    async with server.client.stream("GET", path, headers=sent) as response:
        assert response.status_code == 200
        yield Client(response)


async def test_events(app: Quart) -> None:
    """Each kind of item is an event, and the headers are those of an event stream."""

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncGenerator[Any, None]:
            yield "one\ntwo"
            yield {"three": 3}
            yield ServerSentEvent("four", event="named", id="4")
            yield ServerSentEvent("five", id="").encode("\r\n")
            yield ServerSentEvent(comment="ignored")

        return EventStream(events(), headers={"X-Mine": "yes"}, retry=1234)

    async with served(app) as server, connected(server) as client:
        events = await client.rest()
        headers = client.response.headers
    assert [events[0].data, *(one.data for one in events[2:])] == ["one\ntwo", "four", "five"]
    assert json.loads(events[1].data) == {"three": 3}
    assert events[2] == Received("four", "named", "4")
    assert client.parser.retry == 1234
    assert client.parser.comments == ["ignored"]
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert headers["cache-control"] == "no-store"
    assert headers["x-accel-buffering"] == "no"
    assert headers["vary"] == "Accept"
    assert headers["x-mine"] == "yes"
    assert not {"content-length", "content-encoding"} & set(headers)


async def test_response_is_usual(app: Quart) -> None:
    """Status, cookies, session and after_request functions work as for each response."""

    @app.after_request
    async def mark(response: Any) -> Any:
        response.headers["X-After"] = "yes"
        return response

    @app.get("/")
    async def view() -> Any:
        session["seen"] = True
        response = EventStream(["x"], 203, {"Cache-Control": "no-cache"}, retry=None)
        response.set_cookie("a", "b")
        return response

    @app.get("/tuple")
    async def tuple_view() -> Any:
        return await make_response(EventStream(["x"])), 202, {"X-More": "yes"}

    async with served(app) as server:
        response = await server.client.get("/")
        assert response.status_code == 203
        assert response.headers["cache-control"] == "no-cache"
        assert response.headers["x-after"] == "yes"
        assert {"a", "session"} <= set(response.cookies)
        assert response.content == b": \n\ndata: x\n\n"
        response = await server.client.get("/tuple")
        assert (response.status_code, response.headers["x-more"]) == (202, "yes")


@pytest.mark.parametrize("kind", ["async", "sync", "list"])
async def test_context(app: Quart, kind: str) -> None:
    """The source has the context of the view, also a synchronous one in a thread."""
    log = Log(app)

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"

        def sync_events() -> Generator[str, None, None]:
            with log.closing():
                for _ in range(3):
                    variable.set(variable.get() + 1)
                    yield f"{request.args['q']} {g.mark} {variable.get()}"

        async def events() -> AsyncGenerator[str, None]:
            for item in sync_events():
                await asyncio.sleep(0)
                yield item

        sources: dict[str, Any] = {"async": events, "sync": sync_events}
        return EventStream(sources[kind]() if kind in sources else ["a g 1", "a g 2", "a g 3"])

    async with served(app) as server, connected(server, "/?q=a") as client:
        assert [one.data for one in await client.rest()] == ["a g 1", "a g 2", "a g 3"]
        await eventually(lambda: len(log.torn_down) == 4)
    assert log.closed == ([] if kind == "list" else ["/ g"])
    assert variable.get() == 0


async def test_sent_at_once(app: Quart) -> None:
    """The head arrives before the first event, and each event before the next one exists."""
    go_on = asyncio.Event()

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncGenerator[str, None]:
            for number in range(3):
                await go_on.wait()
                go_on.clear()
                yield str(number)

        return EventStream(events())

    async with served(app) as server, connected(server) as client:
        for number in range(3):
            go_on.set()
            assert len(await client.until(number + 1)) == number + 1


async def test_heartbeat(app: Quart) -> None:
    """A silent stream sends heartbeats, without disturbing the source, also with a time limit."""
    go_on = asyncio.Event()
    timeouts: list[int] = []

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncGenerator[str, None]:
            while not go_on.is_set():
                try:
                    async with asyncio.timeout(0.3):
                        await go_on.wait()
                except TimeoutError:
                    timeouts.append(1)
            yield "done"

        def beat() -> ServerSentEvent:
            return ServerSentEvent(comment="still here")

        return EventStream(events(), heartbeat=0.01, heartbeat_event=beat)

    @app.get("/silent")
    async def silent() -> Any:
        async def events() -> AsyncGenerator[str, None]:
            await go_on.wait()
            yield "done"

        return EventStream(events(), heartbeat=None)

    async with served(app) as server:
        async with connected(server) as client, connected(server, "/silent") as other:
            while len(timeouts) < 2 or len(client.parser.comments) < 5:
                await client.chunk()
            go_on.set()
            assert [one.data for one in await client.rest()] == ["done"]
            await other.rest()
    assert set(client.parser.comments) == {"still here"}
    assert other.parser.comments == []


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_disconnect(app: Quart, kind: str) -> None:
    """A client that leaves is noticed while nothing happens; the source is closed, once."""
    log = Log(app)
    go_on = threading.Event()
    left: list[str] = []

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"

        async def events() -> AsyncGenerator[str, None]:
            with log.closing():
                yield "first"
                await asyncio.Event().wait()

        def sync_events() -> Generator[str, None, None]:
            with log.closing():
                while True:
                    yield "again"
                    go_on.wait(0.05)

        async def note() -> None:
            left.append("left")

        source: Any = events() if kind == "async" else sync_events()
        return EventStream(source, on_disconnect=note)

    async with served(app) as server:
        async with connected(server) as client:
            await client.until(1)
            assert not log.closed
        go_on.set()
        await eventually(lambda: len(log.torn_down) == 4 and bool(left))
    assert log.closed == ["/ g"]
    assert left == ["left"]


async def test_end_is_no_disconnect(app: Quart) -> None:
    left: list[str] = []

    @app.get("/")
    async def view() -> Any:
        return EventStream(["x"], on_disconnect=lambda: left.append("left"))

    async with served(app) as server, connected(server) as client:
        await client.rest()
    assert left == []


async def test_error(app: Quart) -> None:
    """What came before an error is sent, and the client sees that the stream is incomplete."""

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncGenerator[Any, None]:
            yield "first"
            raise RuntimeError("fails")

        return EventStream(events())

    @app.get("/unencodable")
    async def unencodable() -> Any:
        return EventStream(["first", object()])

    async with served(app) as server:
        for path in ("/", "/unencodable"):
            async with connected(server, path) as client:
                with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
                    await client.rest()
            assert [one.data for one in client.parser.events] == ["first"]


async def test_head(app: Quart) -> None:
    """``HEAD`` has the headers of ``GET``, and the source does not run."""
    ran: list[str] = []

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncGenerator[str, None]:
            ran.append(request.method)
            yield "x"

        return EventStream(events())

    async with served(app) as server:
        head, get = await server.client.head("/"), await server.client.get("/")
    assert dict(head.headers).keys() - {"date"} == dict(get.headers).keys() - {"date"}
    assert ran == ["GET"]


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("text/event-stream", 200),
        ("text/*", 200),
        ("*/*;q=0.1", 200),
        (None, 200),
        ("text/html", 406),
        ("text/event-stream;q=0, */*", 406),
    ],
)
async def test_negotiation(app: Quart, accept: str | None, status: int) -> None:
    """A client that does not accept events gets the error page of the application for 406."""

    @app.errorhandler(406)
    async def not_acceptable(error: Any) -> Any:
        return f"mine: {error.description}", 406

    @app.get("/")
    async def view() -> Any:
        return EventStream(["x"])

    @app.get("/any")
    async def any_view() -> Any:
        return EventStream(["x"], negotiate=False)

    @app.get("/both")
    async def both() -> Any:
        return EventStream(["x"]) if wants_event_stream() else "<p>page"

    async with served(app) as server:
        headers = {} if accept is None else {"Accept": accept}
        request = server.client.build_request("GET", "/", headers=headers)
        if accept is None:
            del request.headers["Accept"]
        response = await server.client.send(request)
        assert response.status_code == status
        assert response.text.startswith("mine: This URL" if status == 406 else "retry:")
        assert (await server.client.get("/any", headers=headers)).status_code == 200
        both_response = await server.client.get("/both", headers=headers)
        assert both_response.text.startswith(
            "retry:" if accept == "text/event-stream" else "<p>page"
        )


async def test_many_at_once(app: Quart) -> None:
    """Events that are there at the same time are complete and in order."""

    @app.get("/")
    async def view() -> Any:
        return EventStream([f"{number}" for number in range(5000)], separator="\r\n")

    async with served(app) as server, connected(server) as client:
        assert [one.data for one in await client.rest()] == [str(n) for n in range(5000)]


async def test_few_chunks(app: Quart) -> None:
    """Messages that wait at the same time are sent together."""
    broadcaster = Broadcaster(app, history=5000)
    first = await broadcaster.publish("a", "first")
    for number in range(5000):
        await broadcaster.publish("a", str(number))

    @app.get("/")
    async def view() -> Any:
        return EventStream(broadcaster.subscribe("a", after=first))

    async with served(app) as server, connected(server) as client:
        assert [one.data for one in await client.until(5000)] == [str(n) for n in range(5000)]
    assert client.chunks < 100


async def test_slow_client(app: Quart) -> None:
    """The source waits for a client that does not read, and is closed when it leaves."""
    produced = 0
    closed = asyncio.Event()

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncGenerator[str, None]:
            nonlocal produced
            try:
                while True:
                    produced += 1
                    yield "x" * 16384
            finally:
                closed.set()

        return EventStream(events())

    async with served(app) as server:
        async with unread_response(server.port, "/") as reader:
            await reader.readuntil(b"\r\n\r\n")
            before = -1
            while produced != before:
                before = produced
                await asyncio.sleep(0.2)
            assert 0 < produced < 1000
        await asyncio.wait_for(closed.wait(), TIMEOUT)


async def test_stalled_client(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A client that takes nothing is cut off, and one that is idle is not."""
    app.config["STREAM_SEND_TIMEOUT"] = 2
    left: list[str] = []

    async def events() -> AsyncGenerator[str, None]:
        while True:
            yield "x" * 16384

    @app.get("/")
    async def view() -> Any:
        return EventStream(events(), on_disconnect=lambda: left.append("/"))

    @app.get("/own")
    async def own() -> Any:
        return EventStream(events(), send_timeout=0.1, on_disconnect=lambda: left.append("/own"))

    @app.get("/idle")
    async def idle() -> Any:
        async def later() -> AsyncGenerator[str, None]:
            await eventually(lambda: len(left) == 2)
            yield "done"

        return EventStream(later(), heartbeat=None)

    async with served(app) as server, connected(server, "/idle") as client:
        async with unread_response(server.port, "/") as one:
            async with unread_response(server.port, "/own") as other:
                await one.readuntil(b"\r\n\r\n")
                await other.readuntil(b"\r\n\r\n")
                assert [event.data for event in await client.rest()] == ["done"]
    assert left == ["/own", "/"]
    assert "/own: the client at 127.0.0.1 took nothing for 0.1 s" in caplog.text


async def test_synchronous_view(app: Quart) -> None:
    """A synchronous view, which runs in a thread, can return a stream as well."""

    @app.get("/")
    def view() -> Any:
        def events() -> Generator[str, None, None]:
            yield request.path

        return EventStream(events())

    async with served(app) as server, connected(server) as client:
        assert [one.data for one in await client.rest()] == ["/"]


async def test_farewell(app: Quart) -> None:
    """When the server begins to stop, each stream says farewell and ends, whatever it does."""
    closed: list[str] = []

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        async def events() -> AsyncGenerator[Any, None]:
            try:
                yield "first"
                if kind == "graceful":
                    await wait_for_shutdown()
                    yield "own farewell"
                elif kind == "until":
                    async for item in until_shutdown(endless()):
                        yield item
                    yield "own farewell"
                await asyncio.Event().wait()
            finally:
                closed.append(kind)

        async def endless() -> AsyncGenerator[str, None]:
            await asyncio.Event().wait()
            yield ""

        farewell = ServerSentEvent("bye", event="end") if kind == "event" else None
        # A heartbeat would wake a stream that does not end by itself.
        options: dict[str, Any] = {"heartbeat": None, "grace": 0}
        if kind in {"graceful", "until"}:
            options["grace"] = 0.2
        if kind in {"plain", "until"}:
            return EventStream(events(), retry=5, **options)
        return EventStream(events(), farewell=farewell, **options)

    async with served(app, graceful_timeout=TIMEOUT) as server:
        async with contextlib.AsyncExitStack() as stack:
            kinds = ["plain", "event", "none", "graceful", "until"]
            clients = {
                kind: await stack.enter_async_context(connected(server, f"/{kind}"))
                for kind in kinds
            }
            for client in clients.values():
                await client.until(1)
            server.stop.set()
            data = {kind: [one.data for one in await clients[kind].rest()] for kind in kinds}
    assert data == {
        "plain": ["first"],
        "event": ["first", "bye"],
        "none": ["first"],
        "graceful": ["first", "own farewell"],
        "until": ["first", "own farewell"],
    }
    assert 500 <= (clients["plain"].parser.retry or 0) <= 2500
    assert sorted(closed) == sorted(kinds)


async def test_cancellation_reaches_what_is_awaited(app: Quart) -> None:
    """A disconnection cancels the task that the source awaits, and its cleanup can wait."""
    log: list[str] = []

    async def inner() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            log.append("inner")

    @app.get("/")
    async def view() -> Any:
        async def events() -> AsyncGenerator[str, None]:
            try:
                yield "first"
                await asyncio.create_task(inner())
            finally:
                await asyncio.sleep(0.01)
                log.append("outer")

        return EventStream(events())

    async with served(app) as server:
        async with connected(server) as client:
            await client.until(1)
        await eventually(lambda: log == ["inner", "outer"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heartbeat": 0}, "heartbeat must be more than 0"),
        ({"grace": -1}, "grace must be 0 or more"),
        ({"separator": "\n\n"}, "separator must be"),
        ({"retry": -1}, "retry must be 0 or more"),
    ],
)
async def test_invalid_arguments(app: Quart, arguments: dict[str, Any], message: str) -> None:
    async with app.test_request_context("/"):
        with pytest.raises(ValueError, match=message):
            EventStream([], **arguments)


@pytest.mark.parametrize("source", ["text", b"bytes", 5, None])
async def test_invalid_sources(app: Quart, source: Any) -> None:
    async with app.test_request_context("/"):
        with pytest.raises(TypeError, match="EventStream takes a subscription"):
            EventStream(source)


@pytest.mark.parametrize("source", ["subscription", "generator"])
async def test_tasks(app: Quart, source: str) -> None:
    """An open stream adds no task: FaithfulQuart has none of its own, plain Quart two."""
    broadcaster = Broadcaster(app)

    @app.get("/")
    async def view() -> Any:
        async def silent() -> AsyncGenerator[str, None]:
            await asyncio.Event().wait()
            yield ""

        return EventStream(broadcaster.subscribe("a") if source == "subscription" else silent())

    async with served(app) as server, contextlib.AsyncExitStack() as stack:
        counts: list[int] = []
        clients: list[Client] = []
        for count in (1, 20):
            for _ in range(count):
                clients.append(await stack.enter_async_context(connected(server)))
                await clients[-1].chunk()
            # FaithfulQuart watches for the disconnection of a request that takes some time.
            await asyncio.sleep(0.2)
            counts.append(len(asyncio.all_tasks()))
        added = counts[1] - counts[0]
    # Hypercorn has two: one for the connection, and one for the request.
    assert added == 20 * (2 if isinstance(app, FaithfulQuart) else 4)


def test_several_loops(app_class: type[Quart]) -> None:
    """An application can be used on several event loops, one after the other and at once."""
    app = app_class(__name__)
    broadcaster = Broadcaster()
    received: list[bytes] = []

    @app.get("/")
    async def view() -> Any:
        return EventStream(broadcaster.subscribe("a"))

    async def main() -> None:
        async with app.test_client().request("/") as client:
            await client.send_complete()
            await client.receive()
            await broadcaster.publish("a", "hello")
            received.append(await client.receive())
            await client.disconnect()
        await broadcaster.close()

    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(main())
    assert [b"data: hello" in chunk for chunk in received] == [True] * 4
