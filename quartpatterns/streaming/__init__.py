"""Streamed responses, with request, session and ``g`` in the generator.

Wrap the generator, or decorate the function, and return the result from the view:

.. code-block:: python

    from quartpatterns.streaming import coalesce, stream_template, stream_with_context

    @app.get("/timeline")
    async def timeline():
        return await stream_template("timeline.html", events=events())

``EventStream`` sends events to ``EventSource`` in a browser, and ``Broadcaster`` publishes messages
to all event streams and websockets.

The errors:

.. code-block:: text

    werkzeug.exceptions.ServiceUnavailable
    └── BroadcasterUnavailableError    503: a message could not be published
    Exception
    └── SlowSubscriberError            a subscriber was too slow, and its policy is to disconnect
"""

from typing import TYPE_CHECKING, Any

from quartpatterns._shared.settings_of.streaming import SETTINGS
from quartpatterns.streaming.broadcaster import Broadcaster
from quartpatterns.streaming.chunks import coalesce
from quartpatterns.streaming.context import stream_with_context
from quartpatterns.streaming.event_stream import EventStream
from quartpatterns.streaming.events import ServerSentEvent, last_event_id, wants_event_stream
from quartpatterns.streaming.exports import csv_response, ndjson_response
from quartpatterns.streaming.shutdown import (
    finish_requests,
    is_shutting_down,
    until_shutdown,
    wait_for_shutdown,
)
from quartpatterns.streaming.subscribers import BroadcasterUnavailableError
from quartpatterns.streaming.subscriptions import Message, SlowSubscriberError, Subscription
from quartpatterns.streaming.template import stream_template, stream_template_string

if TYPE_CHECKING:
    from quartpatterns.streaming.archives import ZipMember, zip_response

__all__ = [
    "SETTINGS",
    "Broadcaster",
    "BroadcasterUnavailableError",
    "EventStream",
    "Message",
    "ServerSentEvent",
    "SlowSubscriberError",
    "Subscription",
    "ZipMember",
    "coalesce",
    "csv_response",
    "finish_requests",
    "is_shutting_down",
    "last_event_id",
    "ndjson_response",
    "stream_template",
    "stream_template_string",
    "stream_with_context",
    "until_shutdown",
    "wait_for_shutdown",
    "wants_event_stream",
    "zip_response",
]


def __getattr__(name: str) -> Any:
    """Return a name that needs the extra ``zip``."""
    if name in ("ZipMember", "zip_response"):
        from quartpatterns.streaming import archives

        return getattr(archives, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
