"""Publishing messages to all subscribers, in one process or in many."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, cast, get_args

from quart import Quart, json

from quartpatterns._shared.declarations import Seconds
from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.settings import SettingsReader, refuse_unknown
from quartpatterns._shared.settings_of.streaming import SETTINGS
from quartpatterns.streaming.local_hub import LocalHub
from quartpatterns.streaming.subscribers import History, Hub
from quartpatterns.streaming.subscriptions import (
    MessageId,
    SlowPolicy,
    Subscription,
    SubscriptionOptions,
)

__all__ = ["Broadcaster"]


class Broadcaster:
    """Publishes messages to all subscribers of a topic, in event streams and websockets.

    .. code-block:: python

        broadcaster = Broadcaster(app)

        @app.post("/orders")
        async def order():
            await broadcaster.publish("orders", {"id": 17})
            return "", 202

        @app.get("/orders/events")
        async def events():
            return EventStream(broadcaster.subscribe("orders", after=last_event_id()))

        @app.websocket("/orders/live")
        async def live():
            async with broadcaster.subscribe("orders") as messages:
                async for message in messages:
                    await websocket.send(message.data)

    Without Redis, messages reach the subscribers of the same process. With ``redis_url`` or the
    setting ``BROADCASTER_REDIS_URL`` they reach those of all processes and machines that use the
    same Redis and *name*. A connection that is lost is opened again, and what was published
    meanwhile is read from the history.

    .. versionadded:: 0.1

    Arguments:
        app: The application, if it exists already; see :meth:`init_app`.
        redis_url: The URL of Redis or Valkey. It needs the extra ``broadcaster``.
        name: What the keys and channels in Redis start with.
        history: The messages of each topic that are kept for clients that come back; 0 keeps none.
        history_seconds: How long those of a topic are kept after its last message.
        max_pending: The messages that can wait for a slow subscriber, besides those from the
            history.
        slow: What happens if more would wait: ``"drop oldest"`` drops the oldest, and
            ``"disconnect"`` ends the subscription: an event stream ends, and its client connects
            again and gets what it has missed; in other code, :exc:`SlowSubscriberError` is raised.

    Raises:
        ValueError: An argument is invalid.
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        redis_url: str | None = None,
        name: str = "broadcaster",
        history: int = 1000,
        history_seconds: Seconds = 3600,
        max_pending: int = 1000,
        slow: SlowPolicy = "drop oldest",
    ) -> None:
        seconds = (
            history_seconds.total_seconds()
            if isinstance(history_seconds, timedelta)
            else float(history_seconds)
        )
        if history < 0:
            raise ValueError(f"history must be 0 or more messages, not {history}")
        if not seconds > 0:
            raise ValueError(f"history_seconds must be more than 0, not {history_seconds}")
        if max_pending < 1:
            raise ValueError(f"max_pending must be 1 or more messages, not {max_pending}")
        if slow not in get_args(SlowPolicy):
            raise ValueError(f"slow must be 'drop oldest' or 'disconnect', not {slow!r}")
        if not name:
            raise ValueError("name must not be empty")
        self._name = name
        self._redis_url = redis_url
        self._history = History(history, seconds)
        self._options = SubscriptionOptions(max_pending, slow)
        self._hubs = self._create_hubs()
        if app is not None:
            self.init_app(app)

    def _create_hubs(self) -> LoopBound[Hub]:
        make: Callable[[], Hub]
        if self._redis_url is None:
            make = partial(LocalHub, self._history)
        else:
            # Imported here, because it needs the library of an extra.
            with requires_extra("redis", needed_by="Broadcaster with Redis"):
                from quartpatterns.streaming.redis_hub import RedisHub

            SettingsReader({"redis_url": self._redis_url}).url("redis_url", _SCHEMES)
            make = partial(RedisHub, self._redis_url, self._name, self._history)
        return LoopBound(make, _close)

    def init_app(self, app: Quart) -> None:
        """Read the setting of *app*, and end all subscriptions when it stops.

        Raises:
            SettingError: ``BROADCASTER_REDIS_URL`` is not the URL of a Redis.
        """
        config = cast("dict[str, Any]", app.config)
        refuse_unknown(config, SETTINGS.prefixes, SETTINGS)
        if self._redis_url is None:
            settings = SettingsReader(config, SETTINGS.defaults)
            self._redis_url = settings.optional(settings.url, "BROADCASTER_REDIS_URL", _SCHEMES)
            self._hubs = self._create_hubs()
        app.extensions["broadcaster"] = self

        @app.after_serving
        async def close() -> None:  # pyright: ignore[reportUnusedFunction]
            await self.close()

    async def publish(self, topic: str, data: Any, *, event: str | None = None) -> str:
        """Publish a message to all subscribers of *topic*.

        Arguments:
            topic: The topic.
            data: A str, bytes, or another value, which is published as JSON.
            event: The type of the event in event streams.

        Returns:
            The id of the message.

        Raises:
            BroadcasterUnavailableError: Redis does not answer. The message may have been published.
            ValueError: *topic* is empty, or *event* has several lines.
        """
        _check_topics((topic,))
        if event is not None and ("\n" in event or "\r" in event):
            raise ValueError(f"event must be one line, not {event!r}")
        encoded: str | bytes = data if isinstance(data, str | bytes) else json.dumps(data)
        for loop, hub in self._hubs.others():
            if isinstance(hub, LocalHub):  # such as that of the server, in a thread of a view
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(hub.deliver, topic, encoded, event)
        return await self._hubs.get().publish(topic, encoded, event)

    def subscribe(
        self, *topics: str, after: str | None = None, lost: str | None = None
    ) -> Subscription:
        """Subscribe to *topics* from now on.

        Arguments:
            topics: One or more topics.
            after: The id of the last message that the subscriber has. Later ones that are in the
                history come first. See :func:`last_event_id`.
            lost: The type of an event that comes first if messages after *after* may be missing,
                because they are no longer in the history. Its data is empty.

        Raises:
            ValueError: There is no topic, or one is empty.
            RuntimeError: No event loop is running.
        """
        _check_topics(topics)
        position = MessageId.parse(after) if after else None
        if after and position is None:
            # An id of something else: whatever came after it can't be known.
            position = MessageId(0, 0)
        hub = self._hubs.get()
        subscription = Subscription(hub.leave, topics, position, lost, self._options)
        hub.join(subscription)
        return subscription

    @property
    def subscribers(self) -> int:
        """The number of subscriptions on the running event loop."""
        hub = self._hubs.find()
        return 0 if hub is None else len(hub.subscribers.all())

    async def close(self) -> None:
        """End all subscriptions on the running event loop, and close the connections."""
        await self._hubs.close()


_SCHEMES = ("redis", "rediss", "unix")


async def _close(hub: Hub) -> None:
    await hub.close()


def _check_topics(topics: tuple[str, ...]) -> None:
    if not topics or not all(topics):
        raise ValueError("a topic must be a string that is not empty")
