"""What a broadcaster delivers, and the subscribers that receive it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from quart import json

from quartpatterns.streaming.event_sources import WAIT
from quartpatterns.streaming.events import ServerSentEvent

__all__ = [
    "Message",
    "MessageId",
    "SlowPolicy",
    "SlowSubscriberError",
    "Subscription",
    "SubscriptionOptions",
]

SlowPolicy = Literal["drop oldest", "disconnect"]

JOIN_TIMEOUT = 1.0
"""The most seconds that a new subscriber waits for Redis before it goes on."""

_ID = re.compile(r"(\d{1,16})-(\d{1,12})", re.ASCII)


class MessageId(NamedTuple):
    """When a message was published, and its number in that millisecond. Ids are in order."""

    milliseconds: int
    number: int

    @classmethod
    def parse(cls, text: str) -> MessageId | None:
        """Return the id that *text* shows, or ``None``; a client can send anything."""
        match = _ID.fullmatch(text)
        return cls(int(match[1]), int(match[2])) if match else None

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"


FIRST_ID = MessageId(0, 0)
"""An id before that of each message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a subscriber receives.

    .. versionadded:: 0.1

    Attributes:
        topic: What it was published to.
        id: Its id, for *after* of a later subscription. Ids of all topics are in one order.
        data: What was published: a str, bytes, or the JSON of another value.
        event: The type of an event stream's event, or ``None``.
    """

    topic: str
    id: str
    data: str | bytes
    event: str | None = None
    _encoded: list[bytes] = field(default_factory=list[bytes], repr=False, compare=False)

    @property
    def json(self) -> Any:
        """The data, parsed as JSON."""
        return json.loads(self.data)

    def encode(self, separator: Literal["\n", "\r\n", "\r"] = "\n") -> bytes:
        """Return the message as an event of an event stream."""
        if separator == "\n" and self._encoded:
            return self._encoded[0]  # All subscribers share it.
        data = self.data if isinstance(self.data, str) else self.data.decode(errors="replace")
        encoded = ServerSentEvent(data, self.event, self.id or None).encode(separator)
        if separator == "\n":
            self._encoded.append(encoded)
        return encoded


class SlowSubscriberError(Exception):
    """A subscriber did not take its messages in time, and its policy is to disconnect it.

    .. versionadded:: 0.1
    """


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """What several subscriptions have in common.

    Arguments:
        max_pending: The messages that can wait for a subscriber.
        slow: What happens if more would wait.
    """

    max_pending: int
    slow: SlowPolicy


class Subscription(AsyncIterator[Message]):
    """The messages of some topics.

    It is iterated over, or passed to :class:`~quartpatterns.streaming.EventStream`. It is an
    asynchronous context manager that ends it. Without one it ends when it is garbage collected.
    It also ends when the server begins to stop.

    What its own process publishes arrives from the call of ``subscribe()`` on. With Redis, what
    others publish arrives as soon as Redis has confirmed the subscription: ``async with`` waits for
    that, and so does the start of an event stream, for a second at most.

    .. versionadded:: 0.1

    Attributes:
        topics: The topics.
        dropped: How many messages this subscriber has missed because it was slow.
    """

    __slots__ = (
        *("__weakref__", "_error", "_leave", "_options", "_pending", "_replayed", "_waiter"),
        *("_wake", "dropped", "held", "lost", "position", "start", "topics"),
    )

    def __init__(
        self,
        leave: Callable[[Subscription], None],
        topics: tuple[str, ...],
        after: MessageId | None,
        lost: str | None,
        options: SubscriptionOptions,
    ) -> None:
        self.topics = topics
        self.dropped = 0
        self.position = after
        # Where it begins if it wants only what is new, as far as the hub knows.
        self.start = FIRST_ID
        self.lost = lost
        # Messages that arrive while older ones are read from the history; None: nothing is read.
        self.held: list[tuple[MessageId, Message]] | None = None
        self._leave: Callable[[Subscription], None] | None = leave
        self._options = options
        # A list is much smaller than a deque if it is empty, and no slower if it is short.
        self._pending: list[Message] = []
        self._replayed = 0
        self._error: Exception | None = None
        self._wake: Callable[[], object] | None = None
        self._waiter: asyncio.Future[None] | None = None

    def deliver(self, message_id: MessageId, message: Message) -> None:
        """Add a message, unless it has been delivered. The policy decides if too many wait."""
        if self.held is not None:
            if len(self.held) < self._options.max_pending or self._make_room(self.held):
                self.held.append((message_id, message))
            return
        if self.closed or message_id <= (self.position or self.start):
            return
        limit = self._options.max_pending + self._replayed
        if len(self._pending) < limit or self._make_room(self._pending):
            self.position = message_id
            self._pending.append(message)
            self._notify()

    def _make_room(self, messages: list[Any]) -> bool:
        """Drop the oldest message and return true, or end the subscription."""
        if self._options.slow == "drop oldest":
            del messages[0]
            self.dropped += 1
            return True
        self._error = SlowSubscriberError(
            f"{self._options.max_pending} messages waited for a subscriber of"
            f" {', '.join(self.topics)}"
        )
        self._pending.clear()
        self.close()
        return False

    def replay(self, messages: Iterable[tuple[MessageId, Message]], *, incomplete: bool) -> None:
        """Add messages from the history, and then those that were held meanwhile.

        Arguments:
            messages: Those after the subscription's position, in order.
            incomplete: Whether earlier ones may be missing.
        """
        if incomplete and self.lost is not None:
            self._pending.append(Message("", "", "", self.lost))
        held, self.held = self.held or [], None
        for message_id, message in messages:
            if self.position is None or message_id > self.position:
                self.position = message_id
                self._pending.append(message)
        self._replayed = len(self._pending)
        for message_id, message in held:
            self.deliver(message_id, message)
        self._notify()

    def _notify(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if (wake := self._wake) is not None:
            self._wake = None
            wake()

    def poll(self, wake: Callable[[], object] | None) -> Any:
        """Return the next message, or ``WAIT``; see :class:`EventSource`.

        Raises:
            StopAsyncIteration: The subscription has ended.
            SlowSubscriberError: The subscriber was too slow.
        """
        if self._pending:
            self._replayed = max(0, self._replayed - 1)
            return self._pending.pop(0)
        if self._error is not None:
            raise self._error
        if self._leave is None:
            raise StopAsyncIteration
        self._wake = wake
        return WAIT

    def cancel(self) -> bool:
        """Return ``False``: the task itself receives the cancellation."""
        return False

    async def __anext__(self) -> Message:
        # No reference to a method is kept: without a cycle, a subscription that nobody holds any
        # more ends at once.
        while (item := self.poll(None)) is WAIT:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        message: Message = item
        return message

    @property
    def closed(self) -> bool:
        """Whether no more messages are added; those that wait can still be taken."""
        return self._leave is None

    def close(self) -> None:
        """End the subscription. Messages that wait can still be taken."""
        if self._leave is not None:
            self._leave(self)
            self._leave = None
            self._notify()

    async def aclose(self) -> None:
        """End the subscription, and forget the messages that wait."""
        self.close()
        self._pending.clear()

    async def wait_until_joined(self) -> None:
        """Wait until this subscription receives what other processes publish.

        If Redis does not answer, it waits for :data:`JOIN_TIMEOUT`.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(JOIN_TIMEOUT):
                while self.held is not None and not self.closed:
                    self._waiter = asyncio.get_running_loop().create_future()
                    await self._waiter
        self._waiter = None

    async def __aenter__(self) -> Self:
        """Wait until this subscription receives what other processes publish."""
        await self.wait_until_joined()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.aclose()
