"""Delivering messages within one process."""

from __future__ import annotations

import time
from collections import OrderedDict, deque

from quartpatterns.streaming.subscribers import History, Subscribers
from quartpatterns.streaming.subscriptions import Message, MessageId, Subscription

__all__ = ["LocalHub"]


class LocalHub:
    """Delivers messages to the subscribers of one event loop, and keeps a history of them."""

    def __init__(self, history: History) -> None:
        self.subscribers = Subscribers()
        self._limits = history
        self._last = MessageId(time.time_ns() // 1_000_000, 0)
        # The topic that was published to last is the last one.
        self._history: OrderedDict[str, deque[tuple[MessageId, Message]]] = OrderedDict()
        # The last message that each topic has lost, and the last one of all forgotten topics.
        self._lost: dict[str, MessageId] = {}
        self._forgotten = self._last

    def join(self, subscription: Subscription) -> None:
        """Deliver messages to *subscription* from now on, and what it has missed."""
        self.subscribers.add(subscription)
        if (after := subscription.position) is None:
            return
        missed = sorted(
            (item for topic in subscription.topics for item in self._history.get(topic, ())),
            key=lambda item: item[0],
        )
        # An id of the future is not one of these messages.
        if unknown := after > self._last:
            subscription.position = self._last
        subscription.replay(
            missed,
            incomplete=unknown or any(after < self._floor(topic) for topic in subscription.topics),
        )

    def _floor(self, topic: str) -> MessageId:
        """Return the id of the last message of *topic* that may be missing from the history."""
        if not self._limits.messages:
            return self._last
        return max(self._forgotten, self._lost.get(topic, self._forgotten))

    def leave(self, subscription: Subscription) -> None:
        """Remove *subscription*."""
        self.subscribers.discard(subscription)

    async def publish(self, topic: str, data: str | bytes, event: str | None) -> str:
        """Deliver a message to all subscribers of *topic*, and return its id."""
        return self.deliver(topic, data, event)

    def deliver(self, topic: str, data: str | bytes, event: str | None) -> str:
        """Deliver a message to the subscribers on this event loop, and return its id."""
        self._last = new = self._next_id()
        message = Message(topic, str(new), data, event)
        if self._limits.messages:
            self._keep(topic, new, message)
        for subscription in self.subscribers.of(topic):
            subscription.deliver(new, message)
        return message.id

    def _next_id(self) -> MessageId:
        now = time.time_ns() // 1_000_000
        last = self._last
        return (
            MessageId(now, 0) if now > last.milliseconds else last._replace(number=last.number + 1)
        )

    def _keep(self, topic: str, message_id: MessageId, message: Message) -> None:
        kept = self._history.setdefault(topic, deque())
        self._history.move_to_end(topic)
        kept.append((message_id, message))
        if len(kept) > self._limits.messages:
            self._lost[topic] = kept.popleft()[0]
        oldest = message_id.milliseconds - self._limits.seconds * 1000
        while (first := next(iter(self._history))) != topic:
            last = self._history[first][-1][0]
            if last.milliseconds >= oldest:
                break
            del self._history[first]
            self._lost.pop(first, None)
            self._forgotten = max(self._forgotten, last)

    async def close(self) -> None:
        """End all subscriptions."""
        self.subscribers.close()
        self.subscribers.forget_shutdown()
