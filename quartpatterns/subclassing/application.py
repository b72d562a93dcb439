"""The application that is made of all the pieces."""

from __future__ import annotations

from quart import Quart

from quartpatterns.subclassing.commands import Commands
from quartpatterns.subclassing.connection import FaithfulHTTPConnection
from quartpatterns.subclassing.context import Contexts
from quartpatterns.subclassing.dispatch import Dispatch
from quartpatterns.subclassing.files import FileDefaults, StaticFiles
from quartpatterns.subclassing.hooks import FirstRequest, TeardownOrder, UrlProcessors
from quartpatterns.subclassing.hosts import FaithfulMap, Hosts
from quartpatterns.subclassing.messages import FlashChecks
from quartpatterns.subclassing.request import FaithfulRequest, FaithfulWebsocket
from quartpatterns.subclassing.rules import FaithfulRule
from quartpatterns.subclassing.sessions import FaithfulSessionInterface
from quartpatterns.subclassing.signposts import ApplicationSignposts
from quartpatterns.subclassing.templates import SessionInTemplates
from quartpatterns.subclassing.testing import FaithfulClient
from quartpatterns.subclassing.threads import SyncThreads
from quartpatterns.subclassing.values import ReturnValues
from quartpatterns.subclassing.websocket import FaithfulWebsocketConnection

__all__ = ["FaithfulQuart"]


class FaithfulQuart(
    FlashChecks,
    FirstRequest,
    Dispatch,
    ReturnValues,
    UrlProcessors,
    TeardownOrder,
    Contexts,
    Hosts,
    SyncThreads,
    StaticFiles,
    SessionInTemplates,
    FileDefaults,
    Commands,
    ApplicationSignposts,
    Quart,
):
    """A :class:`quart.Quart` that answers as Flask 3.1 does, and with less work.

    Each base class closes some of the places where Quart answers otherwise, and can be taken
    alone; README.md has them in a table. It is used like Quart:

    .. code-block:: python

        app = FaithfulQuart(__name__)

    Configuration beyond Quart's:

    * ``SYNC_THREADS``: the number of threads for synchronous views; ``None`` shares asyncio's.
    * ``RESPONSE_TIMEOUT``: seconds that a client may take for *one* message of an answer, so that
      a stream may live as long as it is read.
    """

    asgi_http_class = FaithfulHTTPConnection
    asgi_websocket_class = FaithfulWebsocketConnection
    request_class = FaithfulRequest
    session_interface = FaithfulSessionInterface()
    test_client_class = FaithfulClient  # type: ignore[assignment]
    url_map_class = FaithfulMap
    url_rule_class = FaithfulRule
    websocket_class = FaithfulWebsocket
