"""Delivering messages to all processes that use the same Redis.

One script publishes a message: it gives it an id, adds it to the history of its topic, a Redis
stream, and publishes it to a channel. Each event loop has one connection that listens to the
channels of its topics. Redis forgets a channel's message that nobody receives. So whenever a
channel was confirmed, for a new subscriber or after a lost connection, what a subscriber has missed
is read from the history, and messages that arrive meanwhile are held. Ids show what comes twice.
"""

# redis-py's annotations mix synchronous and asynchronous results.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from contextvars import Context
from typing import Any, NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from quartpatterns._shared.unavailable import redis_message, redis_remedy
from quartpatterns._shared.urls import display_address
from quartpatterns.streaming.subscribers import BroadcasterUnavailableError, History, Subscribers
from quartpatterns.streaming.subscriptions import Message, MessageId, Subscription

__all__ = ["RedisHub"]

log = logging.getLogger("quartpatterns.streaming")

ERRORS = (RedisError, OSError)

TIMEOUT = 5.0
"""Seconds in which Redis must answer."""

PING_INTERVAL = 10.0
"""Seconds after which a silent connection is checked."""

SILENCE_LIMIT = 20.0
"""Seconds of silence after which a connection is lost."""

RETRY_DELAYS = (0.1, 0.2, 0.4, 0.8, 1.0)
"""Seconds between the attempts to reach a Redis that is lost; the last one is repeated."""

# An id is the time in milliseconds and a number, and never less than the one before, even if the
# clock of Redis is set back. "since" is when the ids began: a Redis that lost its data begins anew.
PUBLISH = """
local clock = redis.call("HMGET", KEYS[1], "ms", "n")
local time = redis.call("TIME")
local ms, n = time[1] * 1000 + math.floor(time[2] / 1000), 0
if clock[1] and tonumber(clock[1]) >= ms then ms, n = tonumber(clock[1]), clock[2] + 1 end
local written = string.format("%.0f", ms)
redis.call("HSET", KEYS[1], "ms", written, "n", n)
redis.call("HSETNX", KEYS[1], "since", written)
local id = written .. "-" .. n
if tonumber(ARGV[3]) > 0 then
    redis.call("XADD", KEYS[2], "MAXLEN", ARGV[3], id, "m", ARGV[2])
    redis.call("PEXPIRE", KEYS[2], ARGV[4])
end
redis.call("PUBLISH", ARGV[1], id .. " " .. ARGV[2])
return id
"""


class _Past(NamedTuple):
    """What Redis remembers at one moment.

    Attributes:
        since: When its ids began.
        now: Its time.
        last: The last id of all topics.
        topics: For each topic its messages, the id of the oldest one, and their number.
    """

    since: MessageId
    now: int
    last: MessageId
    topics: dict[str, tuple[list[tuple[MessageId, Message]], MessageId | None, int]]


class RedisHub:
    """Delivers the messages of Redis to the subscribers of one event loop.

    Arguments:
        url: The URL of Redis.
        name: What its keys and channels start with.
        history: How much is kept.
    """

    def __init__(self, url: str, name: str, history: History) -> None:
        self.subscribers = Subscribers()
        client: Any = Redis.from_url(
            url,
            client_name="quartpatterns.streaming",
            # Since redis-py 8 the defaults are RESP3, whose messages do not come as responses, and
            # a timeout for reading.
            protocol=2,
            socket_timeout=None,
            socket_connect_timeout=TIMEOUT,
            health_check_interval=PING_INTERVAL,
            **({} if url.startswith("unix") else {"socket_keepalive": True}),
        )
        self._redis = client
        self._publish = client.register_script(PUBLISH)
        # The braces put all keys into one slot of a cluster.
        self._prefix = f"{{{name}}}"
        self._address = display_address(url, default_port=6379)
        self._limits = history
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        # Set and made anew whenever subscriptions have settled.
        self._settled = asyncio.Event()
        self._lost = False
        # The last message that is known here.
        self._known = MessageId(0, 0)
        # Topics whose channels were asked for, and those that Redis has confirmed.
        self._requested: set[str] = set()
        self._confirmed: set[str] = set()
        self._unsettled = weakref.WeakSet[Subscription]()
        # Where a subscription without a position begins, as long as it has received nothing.
        self._begins = weakref.WeakKeyDictionary[Subscription, MessageId]()

    def _channel(self, topic: str) -> str:
        return f"{self._prefix}:channel:{topic}"

    def _key(self, topic: str) -> str:
        return f"{self._prefix}:history:{topic}"

    @property
    def _clock(self) -> str:
        return f"{self._prefix}:clock"

    def join(self, subscription: Subscription) -> None:
        """Deliver messages to *subscription* as soon as its channels are confirmed."""
        self.subscribers.add(subscription)
        if subscription.closed:
            return
        # What this process knows already is not new, even if it is still to be received.
        subscription.start = self._known
        self._hold(subscription)
        self._changed.set()
        if self._task is None:
            # A context of its own: the task must not keep the current request alive.
            self._task = asyncio.create_task(self._run(), context=Context())

    def _hold(self, subscription: Subscription) -> None:
        subscription.held = subscription.held or []
        self._unsettled.add(subscription)

    def leave(self, subscription: Subscription) -> None:
        """Remove *subscription*."""
        self.subscribers.discard(subscription)
        self._unsettled.discard(subscription)
        self._changed.set()

    async def publish(self, topic: str, data: str | bytes, event: str | None) -> str:
        """Publish a message to all processes, and return its id.

        Raises:
            BroadcasterUnavailableError: Redis does not answer.
        """
        try:
            async with asyncio.timeout(TIMEOUT):
                # A subscription of this process that was made before receives this message. Later
                # ones are not waited for: where they come all the time, that would never end.
                earlier = weakref.WeakSet(one for one in self._unsettled if topic in one.topics)
                while not earlier.isdisjoint(self._unsettled):
                    await self._settled.wait()
                new: bytes = await self._publish(
                    keys=[self._clock, self._key(topic)],
                    args=[
                        self._channel(topic),
                        _encode(data, event),
                        self._limits.messages,
                        int(self._limits.seconds * 1000),
                    ],
                )
        except ERRORS as error:
            raise BroadcasterUnavailableError from error
        self._note(MessageId.parse(new.decode()))
        return new.decode()

    def _note(self, message_id: MessageId | None) -> None:
        if message_id is not None:
            self._known = max(self._known, message_id)

    async def _run(self) -> None:
        """Listen to the channels, and connect again whenever the connection is lost."""
        attempts = 0
        while True:
            connection = self._redis.connection_pool.make_connection()
            error: Exception | None = None
            try:
                await connection.connect()
                attempts = 0
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._read(connection))
                    group.create_task(self._write(connection))
            except ERRORS as failure:
                error = failure
            except ExceptionGroup as group_of_errors:
                lost, others = group_of_errors.split(ERRORS)
                if others is not None:
                    log.error("Listening to Redis failed", exc_info=others)
                error = (lost or group_of_errors).exceptions[0]
            finally:
                with suppress(*ERRORS):
                    await connection.disconnect(nowait=True)
            self._note_loss(error)
            await asyncio.sleep(RETRY_DELAYS[min(attempts, len(RETRY_DELAYS) - 1)])
            attempts += 1

    def _note_loss(self, error: Exception | None) -> None:
        if not self._lost:
            reason = redis_message(error).rstrip(".") or "no answer in time"
            remedy = redis_remedy(error, "the URL of Redis")
            log.warning("Redis at %s: %s; waiting for it. %s", self._address, reason, remedy)
        self._lost = True
        self._requested.clear()
        self._confirmed.clear()
        for subscription in self.subscribers.all():
            self._hold(subscription)
        self._changed.set()

    async def _read(self, connection: Any) -> None:
        """Receive messages, and the confirmations of channels."""
        start = len(self._channel(""))
        while True:
            async with asyncio.timeout(SILENCE_LIMIT):
                response = await connection.read_response(disable_decoding=True)
            if not isinstance(response, list) or len(response) != 3:
                continue  # the answer to PING
            kind, channel, payload = response
            topic = channel.decode()[start:]
            if kind == b"message":
                self._deliver(topic, payload)
            elif kind == b"subscribe":
                self._confirmed.add(topic)
                self._changed.set()

    def _deliver(self, topic: str, payload: bytes) -> None:
        # A function of its own: a task that waits must not refer to a subscription.
        text, _, encoded = payload.partition(b" ")
        if (message_id := MessageId.parse(text.decode())) is not None:
            self._note(message_id)
            message = _decode(topic, message_id, encoded)
            for subscription in self.subscribers.of(topic):
                subscription.deliver(message_id, message)

    async def _write(self, connection: Any) -> None:
        """Ask for channels, replay what was missed, and check the connection."""
        while True:
            self._changed.clear()
            topics = self.subscribers.topics()
            await self._note_beginnings()
            if new := topics - self._requested:
                self._requested |= new
                await _send(connection, "SUBSCRIBE", *map(self._channel, new))
            # Only confirmed ones: an answer that is still to come would be taken for a later one.
            if gone := (self._requested - topics) & self._confirmed:
                self._requested -= gone
                self._confirmed -= gone
                await _send(connection, "UNSUBSCRIBE", *map(self._channel, gone))
            await self._settle()
            try:
                async with asyncio.timeout(PING_INTERVAL):
                    await self._changed.wait()
            except TimeoutError:
                await _send(connection, "PING")

    async def _note_beginnings(self) -> None:
        """Note where subscriptions begin that want only what is new."""
        fresh = [one for one in self._unsettled if one.position is None and one not in self._begins]
        if fresh:
            async with asyncio.timeout(TIMEOUT):
                last = _clock_id(await self._redis.hmget(self._clock, "ms", "n"))
            for subscription in fresh:
                self._begins[subscription] = last

    async def _settle(self) -> None:
        """Replay what the subscriptions have missed whose channels are all confirmed."""
        ready: dict[Subscription, MessageId] = {}
        for subscription in self._unsettled:
            # One that has come after _note_beginnings() has no beginning yet: the next round has.
            after = subscription.position or self._begins.get(subscription)
            if after is not None and self._confirmed.issuperset(subscription.topics):
                ready[subscription] = after
        if ready:
            past = await self._read_history(ready)
            for subscription, after in ready.items():
                self._unsettled.discard(subscription)
                self._replay(subscription, after, past)
        self._settled.set()
        self._settled = asyncio.Event()
        if self._lost and self._confirmed:
            log.warning("Redis at %s is back", self._address)
            self._lost = False

    async def _read_history(self, subscriptions: Mapping[Subscription, MessageId]) -> _Past:
        oldest: dict[str, MessageId] = {}
        for subscription, after in subscriptions.items():
            for topic in subscription.topics:
                oldest[topic] = min(after, oldest.get(topic, after))
        # In one transaction: the messages of several topics must be from the same moment.
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(self._clock, "ms", "n", "since")
        for topic, after in oldest.items():
            pipeline.xrange(self._key(topic), f"({after}", "+")
            pipeline.xrange(self._key(topic), "-", "+", count=1)
            pipeline.xlen(self._key(topic))
        pipeline.time()
        async with asyncio.timeout(TIMEOUT):
            clock, *results, now = await pipeline.execute()
        topics: dict[str, tuple[list[tuple[MessageId, Message]], MessageId | None, int]] = {}
        for index, topic in enumerate(oldest):
            entries, first, count = results[3 * index : 3 * index + 3]
            messages = _parse_entries(topic, entries)
            topics[topic] = (messages, _entry_id(first[0]) if first else None, count)
        since = MessageId(int(clock[2] or 0), 0)
        return _Past(since, now[0] * 1000 + now[1] // 1000, _clock_id(clock), topics)

    def _replay(self, subscription: Subscription, after: MessageId, past: _Past) -> None:
        if after > past.last:  # of another Redis, or of one that has lost its data
            subscription.position = past.last
            subscription.replay((), incomplete=True)
            return
        missed = sorted(
            (item for topic in subscription.topics for item in past.topics[topic][0]),
            key=lambda item: item[0],
        )
        subscription.replay(
            (item for item in missed if item[0] > after),
            incomplete=after < past.last
            and (
                after < past.since
                or any(self._may_miss(after, past, topic) for topic in subscription.topics)
            ),
        )

    def _may_miss(self, after: MessageId, past: _Past, topic: str) -> bool:
        _, first, count = past.topics[topic]
        if not self._limits.messages:
            return True
        if first is None:  # nothing was published for some time, or ever
            return after.milliseconds < past.now - self._limits.seconds * 1000
        return count >= self._limits.messages and after < first

    async def close(self) -> None:
        """End all subscriptions, and close the connections."""
        self.subscribers.close()
        self.subscribers.forget_shutdown()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._redis.aclose()


async def _send(connection: Any, *command: str) -> None:
    # redis-py's own check of the connection would read the answer, which only _read() may do.
    await connection.send_command(*command, check_health=False)


def _clock_id(clock: Sequence[bytes | None]) -> MessageId:
    return MessageId(int(clock[0] or 0), int(clock[1] or 0))


def _entry_id(entry: tuple[bytes, Any]) -> MessageId:
    return MessageId.parse(entry[0].decode()) or MessageId(0, 0)


def _parse_entries(topic: str, entries: Any) -> list[tuple[MessageId, Message]]:
    found: list[tuple[MessageId, Message]] = []
    for entry in entries:
        message_id = _entry_id(entry)
        found.append((message_id, _decode(topic, message_id, entry[1][b"m"])))
    return found


def _encode(data: str | bytes, event: str | None) -> bytes:
    """Return data and event as one value: the kind of the data, the event, and the data."""
    kind = b"s" if isinstance(data, str) else b"b"
    encoded = data.encode() if isinstance(data, str) else data
    return kind + (event or "").encode() + b"\n" + encoded


def _decode(topic: str, message_id: MessageId, encoded: bytes) -> Message:
    head, _, data = encoded.partition(b"\n")
    event = head[1:].decode() or None
    return Message(topic, str(message_id), data.decode() if head[:1] == b"s" else data, event)
