"""The subscriptions of one event loop, and what they have in common in all hubs."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Protocol

from quartpatterns._shared.shutdown import Shutdown, current_shutdown
from quartpatterns._shared.unavailable import ServiceUnavailableError
from quartpatterns.streaming.subscriptions import Subscription

__all__ = ["BroadcasterUnavailableError", "History", "Hub", "Subscribers"]


class BroadcasterUnavailableError(ServiceUnavailableError):
    """503: a message could not be published, because Redis did not answer.

    .. versionadded:: 0.1
    """

    description = "The messages of this application can't be published now. Try again later."


@dataclass(frozen=True, slots=True)
class History:
    """How much is kept for subscribers that come back.

    Arguments:
        messages: The messages of each topic.
        seconds: How long those of a topic are kept after the last one.
    """

    messages: int
    seconds: float


class Subscribers:
    """The subscriptions of one event loop by their topics.

    They are referred to weakly: one that nobody holds any more is gone.
    """

    def __init__(self) -> None:
        self._by_topic: dict[str, weakref.WeakSet[Subscription]] = {}
        self._shutdown: Shutdown = current_shutdown()
        self._shutdown.add_callback(self.close)

    def topics(self) -> set[str]:
        """Return the topics that have subscribers, and forget those that have none."""
        for topic in [topic for topic, members in self._by_topic.items() if not members]:
            del self._by_topic[topic]
        return set(self._by_topic)

    def add(self, subscription: Subscription) -> None:
        """Add *subscription*; one that is added while the server stops ends at once."""
        for topic in subscription.topics:
            self._by_topic.setdefault(topic, weakref.WeakSet()).add(subscription)
        if self._shutdown.started.is_set():
            subscription.close()

    def discard(self, subscription: Subscription) -> None:
        """Remove *subscription*."""
        for topic in subscription.topics:
            if (members := self._by_topic.get(topic)) is not None:
                members.discard(subscription)
                if not members:
                    del self._by_topic[topic]

    def of(self, topic: str) -> list[Subscription]:
        """Return the subscriptions of *topic*."""
        return list(self._by_topic.get(topic, ()))

    def all(self) -> set[Subscription]:
        """Return all subscriptions."""
        return {one for members in list(self._by_topic.values()) for one in members}

    def close(self) -> None:
        """End all subscriptions."""
        for subscription in self.all():
            subscription.close()

    def forget_shutdown(self) -> None:
        """Do not end the subscriptions when the server stops."""
        self._shutdown.remove_callback(self.close)


class Hub(Protocol):
    """What delivers messages on one event loop."""

    subscribers: Subscribers

    def join(self, subscription: Subscription) -> None: ...

    def leave(self, subscription: Subscription) -> None: ...

    async def publish(self, topic: str, data: str | bytes, event: str | None) -> str: ...

    async def close(self) -> None: ...
