"""A Quart that behaves like Flask where Quart differs, and handles requests faster.

.. code-block:: python

    from quartpatterns.subclassing import FaithfulQuart

    app = FaithfulQuart(__name__)

Everything else is imported from ``quart`` as before, except four functions that are not methods
of the application: :func:`flash`, :func:`send_file`, :func:`send_from_directory` and
:func:`stream_with_context`. For code that is ported from Flask, ``quartpatterns.subclassing.names``
has all names of the module ``flask``.
"""

from __future__ import annotations

from quartpatterns._shared.flash import flash
from quartpatterns._shared.settings_of.subclassing import SETTINGS
from quartpatterns.streaming import stream_with_context
from quartpatterns.subclassing.application import FaithfulBlueprint, FaithfulQuart
from quartpatterns.subclassing.body import FaithfulBody
from quartpatterns.subclassing.bridge import async_to_sync, bridge_flask
from quartpatterns.subclassing.cancellation import cancel_on_disconnect
from quartpatterns.subclassing.cli import FaithfulCliRunner, with_appcontext
from quartpatterns.subclassing.connection import FaithfulHTTPConnection
from quartpatterns.subclassing.files import send_file, send_from_directory
from quartpatterns.subclassing.proxy_fix import ProxyFix
from quartpatterns.subclassing.request import FaithfulRequest
from quartpatterns.subclassing.response import FaithfulResponse
from quartpatterns.subclassing.routing import FaithfulRule
from quartpatterns.subclassing.sessions import FaithfulSessionInterface
from quartpatterns.subclassing.testing import FaithfulClient
from quartpatterns.subclassing.websocket_connection import FaithfulWebsocketConnection

__all__ = [
    "SETTINGS",
    "FaithfulBlueprint",
    "FaithfulBody",
    "FaithfulCliRunner",
    "FaithfulClient",
    "FaithfulHTTPConnection",
    "FaithfulQuart",
    "FaithfulRequest",
    "FaithfulResponse",
    "FaithfulRule",
    "FaithfulSessionInterface",
    "FaithfulWebsocketConnection",
    "ProxyFix",
    "async_to_sync",
    "bridge_flask",
    "cancel_on_disconnect",
    "flash",
    "send_file",
    "send_from_directory",
    "stream_with_context",
    "with_appcontext",
]
