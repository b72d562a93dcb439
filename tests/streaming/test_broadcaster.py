"""A broadcaster in one process and over a real Valkey: the same tests for both."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable
from secrets import token_hex
from typing import Any

import pytest
from quart import Quart, websocket
from redis.asyncio import Redis

from quartpatterns.compare.processes import free_port
from quartpatterns.streaming import (
    Broadcaster,
    EventStream,
    Message,
    SlowSubscriberError,
    Subscription,
    last_event_id,
    redis_hub,
)
from tests.serving import TIMEOUT, eventually, served
from tests.streaming.event_parser import EventParser
from tests.streaming.test_event_stream import connected

pytestmark = [pytest.mark.wire, pytest.mark.checks("ST-8")]

Make = Callable[..., Broadcaster]


@pytest.fixture(params=["local", "redis"])
def url(request: pytest.FixtureRequest) -> str | None:
    """The URL of a real Valkey, or ``None``."""
    return request.getfixturevalue("redis_url") if request.param == "redis" else None


@pytest.fixture
async def make(url: str | None) -> AsyncIterator[Make]:
    """Return a function that makes broadcasters, which are closed after the test."""
    made: list[Broadcaster] = []
    name = f"test-{token_hex(6)}"

    def make(*args: Any, **options: Any) -> Broadcaster:
        made.append(Broadcaster(*args, redis_url=url, name=name, **options))
        return made[-1]

    yield make
    for broadcaster in made:
        await broadcaster.close()


async def take(subscription: Subscription, count: int) -> list[str | bytes]:
    """Return the data of the next messages."""
    async with asyncio.timeout(TIMEOUT):
        return [(await anext(subscription)).data for _ in range(count)]


async def test_publish(make: Make) -> None:
    """A message reaches all subscribers of its topic, from the call of subscribe() on."""
    broadcaster = make()
    one, other = broadcaster.subscribe("a"), broadcaster.subscribe("a", "b")
    elsewhere = broadcaster.subscribe("c")
    ids = [
        await broadcaster.publish("a", "text"),
        await broadcaster.publish("b", b"\xff\n"),
        await broadcaster.publish("a", {"x": [1]}, event="json"),
        await broadcaster.publish("a", "two\nlines é"),
    ]
    assert await take(one, 1) == ["text"]
    message = await anext(one)
    assert (message.json, message.event, message.topic) == ({"x": [1]}, "json", "a")
    assert message.id == ids[2]
    assert (await take(other, 4))[1::2] == [b"\xff\n", "two\nlines é"]
    await broadcaster.publish("c", "end")
    assert await take(elsewhere, 1) == ["end"]
    assert broadcaster.subscribers == 3


async def test_from_the_call_on(make: Make) -> None:
    """What the process publishes right after subscribe() arrives, on topics that are new to it."""
    broadcaster = make()
    await broadcaster.publish("first", "connects")
    for number in range(20):
        subscription = broadcaster.subscribe(f"topic {number}")
        await broadcaster.publish(f"topic {number}", str(number))
        assert await take(subscription, 1) == [str(number)]


async def test_nothing_is_lost_at_first(make: Make) -> None:
    """A subscriber that wants what is new is not told that something may be missing."""
    broadcaster = make(history=1)
    for number in range(3):
        subscription = broadcaster.subscribe("a", lost="lost")
        await asyncio.sleep(0.01)
        await broadcaster.publish("a", str(number))
        assert await take(subscription, 1) == [str(number)]


async def test_order(make: Make) -> None:
    """Messages of several topics arrive in the order of their ids."""
    broadcaster = make()
    subscription = broadcaster.subscribe("a", "b", "c")
    for number in range(300):
        await broadcaster.publish("abc"[number % 3], number)
    async with asyncio.timeout(TIMEOUT):
        messages = [await anext(subscription) for _ in range(300)]
    assert [message.json for message in messages] == list(range(300))
    keys = [tuple(map(int, message.id.split("-"))) for message in messages]
    assert keys == sorted(set(keys))


async def test_after(make: Make) -> None:
    """A subscriber that comes back gets what it has missed, and then what is new, once each."""
    broadcaster = make()
    ids = [await broadcaster.publish("ab"[number % 2], str(number)) for number in range(20)]
    subscription = broadcaster.subscribe("a", "b", after=ids[4], lost="lost")
    await broadcaster.publish("a", "20")
    assert await take(subscription, 16) == [str(number) for number in range(5, 21)]
    only = broadcaster.subscribe("b", after=ids[4])
    assert await take(only, 8) == [str(number) for number in range(5, 20, 2)]


async def test_after_while_publishing(make: Make) -> None:
    """Subscribers that come while messages are published get each of them once, in order."""
    broadcaster = make(history=10_000, max_pending=10_000)
    first = await broadcaster.publish("a", "-1")

    async def publish() -> None:
        for number in range(400):
            await broadcaster.publish("a", str(number))
            await asyncio.sleep(0)

    async def receive() -> list[str | bytes]:
        return await take(broadcaster.subscribe("a", after=first), 400)

    publisher = asyncio.create_task(publish())
    receivers: list[asyncio.Task[list[str | bytes]]] = []
    while not publisher.done() and len(receivers) < 40:
        receivers.append(asyncio.create_task(receive()))
        await asyncio.sleep(0)
    await publisher
    assert len(receivers) > 1
    for receiver in receivers:
        assert await receiver == [str(number) for number in range(400)]


async def test_publish_while_subscribers_come(make: Make) -> None:
    """A message is published although new subscribers come all the time."""
    broadcaster = make()
    subscription = broadcaster.subscribe("a")

    async def publish() -> None:
        for number in range(20):
            await broadcaster.publish("a", str(number))

    publisher = asyncio.create_task(publish())
    newest = [broadcaster.subscribe("a") for _ in range(10)]
    while not publisher.done():
        newest = [*newest[1:], broadcaster.subscribe("a")]
        await asyncio.sleep(0)
    await publisher
    assert await take(subscription, 20) == [str(number) for number in range(20)]


async def test_messages_of_others(app: Quart, make: Make, url: str | None) -> None:
    """A subscriber that has joined receives the next message of another process."""
    broadcaster = make(app)
    other = make() if url else broadcaster

    @app.get("/")
    async def view() -> Any:
        return EventStream(broadcaster.subscribe("a"))

    async with served(app) as server:
        for number in range(10):
            async with connected(server) as client, broadcaster.subscribe(f"{number}") as new:
                await other.publish("a", str(number))
                await other.publish(f"{number}", "x")
                (event,) = await client.until(1)
                assert event.data == str(number)
                assert await take(new, 1) == ["x"]


async def test_no_redis() -> None:
    """A subscriber does not wait for long if there is no Redis."""
    broadcaster = Broadcaster(redis_url=f"redis://127.0.0.1:{free_port()}")
    async with asyncio.timeout(TIMEOUT), broadcaster.subscribe("a") as subscription:
        assert not subscription.closed
    await broadcaster.close()


async def test_silent_connection(
    redis_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A connection on which nothing happens is checked, and stays."""
    monkeypatch.setattr(redis_hub, "PING_INTERVAL", 0.1)
    client: Any = Redis.from_url(redis_url)
    broadcaster = Broadcaster(redis_url=redis_url, name=f"test-{token_hex(6)}")

    async def pings() -> int:
        return int((await client.info("commandstats"))["cmdstat_ping"]["calls"])

    try:
        subscription = broadcaster.subscribe("a")
        await broadcaster.publish("a", "1")
        await client.ping()
        enough = await pings() + 5
        async with asyncio.timeout(TIMEOUT):
            while await pings() < enough:  # noqa: ASYNC110 - Redis counts
                await asyncio.sleep(0.05)
        await broadcaster.publish("a", "2")
        assert await take(subscription, 2) == ["1", "2"]
    finally:
        await broadcaster.close()
        await client.aclose()
    assert caplog.messages == []


@pytest.mark.parametrize("after", ["0-0", "99999999999999-0", "x", "1-2-3", "\x00", "9" * 1000])
async def test_unknown_id(make: Make, after: str) -> None:
    """A client that sends any id learns that it may have lost messages, and gets the new ones."""
    broadcaster = make(history=2)
    for number in range(3):
        await broadcaster.publish("a", str(number))
    subscription = broadcaster.subscribe("a", after=after, lost="lost")
    await broadcaster.publish("a", "new")
    async with asyncio.timeout(TIMEOUT):
        message = await anext(subscription)
        assert (message.event, message.data, message.id) == ("lost", "", "")
        while message.data != "new":
            message = await anext(subscription)


async def test_history_is_bounded(make: Make) -> None:
    """Only the newest messages of a topic are kept, and nothing is lost where all are there."""
    broadcaster = make(history=3)
    ids = [await broadcaster.publish("a", str(number)) for number in range(6)]
    # After id 2 nothing is lost, but Redis can't tell: it does not keep this id.
    lost = [
        (await anext(broadcaster.subscribe("a", after=one, lost="lost"))).event == "lost"
        for one in ids[:5]
    ]
    assert (lost[:2], lost[3:]) == ([True, True], [False, False])
    assert await take(broadcaster.subscribe("a", after=ids[0]), 3) == ["3", "4", "5"]
    # A busy topic does not push out the messages of another.
    quiet = await broadcaster.publish("quiet", "1")
    await broadcaster.publish("quiet", "2")
    for number in range(10):
        await broadcaster.publish("a", str(number))
    assert await take(broadcaster.subscribe("quiet", after=quiet, lost="lost"), 1) == ["2"]


async def test_history_expires(make: Make) -> None:
    """A topic without new messages is forgotten, and its subscribers learn it."""
    broadcaster = make(history_seconds=0.05)
    first = await broadcaster.publish("old", "1")
    await broadcaster.publish("old", "2")
    await asyncio.sleep(0.1)
    await broadcaster.publish("new", "x")
    subscription = broadcaster.subscribe("old", after=first, lost="lost")
    await broadcaster.publish("old", "3")
    async with asyncio.timeout(TIMEOUT):
        assert [(await anext(subscription)).event, (await anext(subscription)).data] == [
            "lost",
            "3",
        ]


async def test_no_history(make: Make) -> None:
    """Without a history, a client that comes back learns that messages may be missing."""
    broadcaster = make(history=0)
    first = await broadcaster.publish("a", "1")
    last = await broadcaster.publish("a", "2")
    async with asyncio.timeout(TIMEOUT):
        assert (await anext(broadcaster.subscribe("a", after=first, lost="lost"))).event == "lost"
    subscription = broadcaster.subscribe("a", after=last, lost="lost")
    await broadcaster.publish("a", "3")
    assert await take(subscription, 1) == ["3"]


async def test_drop_oldest(make: Make) -> None:
    """A slow subscriber has the newest messages, and the number of those it has missed."""
    broadcaster = make(max_pending=5)
    slow, other = broadcaster.subscribe("a"), broadcaster.subscribe("a")
    for number in range(20):
        await broadcaster.publish("a", str(number))
        assert await take(other, 1) == [str(number)]
    assert await take(slow, 5) == [str(number) for number in range(15, 20)]
    assert (slow.dropped, other.dropped) == (15, 0)


async def test_disconnect_slow(make: Make) -> None:
    """A slow subscriber is disconnected, and others go on."""
    broadcaster = make(max_pending=5, slow="disconnect")
    slow, other = broadcaster.subscribe("a"), broadcaster.subscribe("a")
    for number in range(6):
        await broadcaster.publish("a", str(number))
        assert await take(other, 1) == [str(number)]
    with pytest.raises(SlowSubscriberError, match="5 messages waited for a subscriber of a"):
        await take(slow, 1)
    assert broadcaster.subscribers == 1


async def test_history_does_not_count_as_slow(make: Make) -> None:
    """Messages from the history can be more than may wait."""
    broadcaster = make(max_pending=2, slow="disconnect")
    ids = [await broadcaster.publish("a", str(number)) for number in range(10)]
    subscription = broadcaster.subscribe("a", after=ids[0])
    await broadcaster.publish("a", "10")
    await broadcaster.publish("a", "11")
    assert await take(subscription, 11) == [str(number) for number in range(1, 12)]


async def test_end(make: Make) -> None:
    """A subscription ends with its context, and when nobody holds it any more."""
    broadcaster = make()
    async with broadcaster.subscribe("a") as subscription:
        await broadcaster.publish("a", "1")
    assert [message async for message in subscription] == []
    kept = broadcaster.subscribe("a")
    broadcaster.subscribe("a")
    gc.collect()
    assert broadcaster.subscribers == 1
    other = broadcaster.subscribe("a")
    await broadcaster.publish("a", "2")
    assert await take(other, 1) == ["2"]
    assert not kept.closed
    await broadcaster.close()
    # What has arrived, at all subscribers together, can still be taken.
    assert [message.data async for message in kept] == ["2"]
    assert broadcaster.subscribers == 0


async def test_cancelled_wait(make: Make) -> None:
    """A wait that is cancelled, by a time limit for example, loses no message."""
    broadcaster = make()
    subscription = broadcaster.subscribe("a")
    received: list[str | bytes] = []
    for number in range(3):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                while True:
                    received.append((await anext(subscription)).data)
        await broadcaster.publish("a", str(number))
    assert [*received, *await take(subscription, 3 - len(received))] == ["0", "1", "2"]


async def test_event_streams(app: Quart, make: Make) -> None:
    """Clients get messages as events; one that comes back gets each missed event once."""
    broadcaster = make(app)

    @app.get("/")
    async def view() -> Any:
        return EventStream(broadcaster.subscribe("a", after=last_event_id()))

    async with served(app) as server:
        async with connected(server) as one, connected(server) as other:
            await eventually(lambda: broadcaster.subscribers == 2)
            await broadcaster.publish("a", {"n": 1}, event="number")
            for client in (one, other):
                (event,) = await client.until(1)
                assert event.event == "number"
        await eventually(lambda: broadcaster.subscribers == 0)
        for number in range(10):
            await broadcaster.publish("a", str(number))
        headers = {"Last-Event-ID": one.parser.last_id}
        async with connected(server, "/", **headers) as back:
            await broadcaster.publish("a", "10")
            events = await back.until(11)
            assert [event.data for event in events] == [str(number) for number in range(11)]
        await eventually(lambda: broadcaster.subscribers == 0)


@pytest.mark.slow
async def test_websockets(app: Quart, make: Make) -> None:
    """Websockets receive messages, and are cleaned up however they end."""
    broadcaster = make(app)

    @app.websocket("/with")
    async def with_context() -> None:
        async with broadcaster.subscribe("a") as messages:
            async for message in messages:
                await websocket.send(message.data)

    @app.websocket("/without")
    async def without_context() -> None:
        async for message in broadcaster.subscribe("a"):
            await websocket.send(message.data)

    for path in ("/with", "/without"):
        for _ in range(2):
            async with app.test_client().websocket(path) as client:
                await eventually(lambda: broadcaster.subscribers == 1)
                await broadcaster.publish("a", "hello")
                assert await client.receive() == "hello"
            del client  # It refers to the frames of the handler.
            await eventually(lambda: gc.collect() >= 0 and broadcaster.subscribers == 0)


async def test_slow_event_stream(app: Quart, make: Make) -> None:
    """An event stream whose client is slow ends; the client comes back and misses nothing."""
    broadcaster = make(app, max_pending=10, slow="disconnect", history=100_000)

    @app.get("/")
    async def view() -> Any:
        return EventStream(broadcaster.subscribe("a", after=last_event_id()))

    received: list[str] = []
    async with served(app) as server:
        last = ""
        total = 0
        async with connected(server) as client:
            await eventually(lambda: broadcaster.subscribers == 1)
            while broadcaster.subscribers:
                await broadcaster.publish("a", f"{total}:{'x' * 65_536}")
                total += 1
                await asyncio.sleep(0)
            received += [one.data for one in await client.rest()]
            last = client.parser.last_id
        assert 0 < len(received) < total
        async with connected(server, "/", **{"Last-Event-ID": last}) as client:
            received += [one.data for one in await client.until(total - len(received))]
    assert [int(data.partition(":")[0]) for data in received] == list(range(total))


async def test_shutdown(app: Quart, make: Make) -> None:
    """All subscriptions end when the server begins to stop, and later ones at once."""
    broadcaster = make(app)
    ended: list[str] = []

    @app.get("/")
    async def view() -> Any:
        return EventStream(broadcaster.subscribe("a"))

    @app.get("/poll")
    async def poll() -> str:
        async for _ in broadcaster.subscribe("a"):
            pass
        async for _ in broadcaster.subscribe("a"):
            pass
        ended.append("poll")
        return "ended"

    async with served(app, graceful_timeout=TIMEOUT) as server, connected(server) as client:
        task = asyncio.create_task(server.client.get("/poll"))
        await eventually(lambda: broadcaster.subscribers == 2)
        server.stop.set()
        assert await client.rest() == []
        assert (await task).text == "ended"
    assert broadcaster.subscribers == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"history": -1}, "history must be 0 or more"),
        ({"history_seconds": 0}, "history_seconds must be more than 0"),
        ({"max_pending": 0}, "max_pending must be 1 or more"),
        ({"slow": "wait"}, "slow must be 'drop oldest' or 'disconnect'"),
        ({"name": ""}, "name must not be empty"),
        ({"redis_url": "http://localhost"}, "redis_url must be a URL that starts with"),
    ],
)
def test_invalid_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Broadcaster(**options)


async def test_invalid_calls(app: Quart) -> None:
    broadcaster = Broadcaster()
    for topics in ((), ("",), ("a", "")):
        with pytest.raises(ValueError, match="a topic must be"):
            broadcaster.subscribe(*topics)
    with pytest.raises(ValueError, match="a topic must be"):
        await broadcaster.publish("", "x")
    with pytest.raises(ValueError, match="event must be one line"):
        await broadcaster.publish("a", "x", event="a\nb")
    app.config["BROADCASTER_URL"] = "redis://localhost"
    with pytest.raises(ValueError, match="did you mean BROADCASTER_REDIS_URL"):
        broadcaster.init_app(app)


def test_message() -> None:
    """A message is the same event for all; bytes are text in an event stream."""
    message = Message("a", "1-0", b"x\ny\xff", "e")
    assert message.encode() is message.encode()
    parser = EventParser()
    parser.feed(message.encode("\r\n"))
    (event,) = parser.events
    assert (event.data, event.event, event.id) == ("x\ny\ufffd", "e", "1-0")


async def test_publish_on_another_loop(app: Quart) -> None:
    """A synchronous view that runs an event loop of its own reaches all in the process."""
    broadcaster = Broadcaster(app)
    subscription = broadcaster.subscribe("topic")

    @app.get("/")
    def view() -> str:
        asyncio.run(broadcaster.publish("topic", {"from": "a thread"}))
        return ""

    await app.test_client().get("/")
    async with asyncio.timeout(TIMEOUT):
        assert (await anext(subscription)).json == {"from": "a thread"}
    await broadcaster.close()
