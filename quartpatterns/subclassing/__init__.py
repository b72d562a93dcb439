"""A Quart that answers as Flask does where Quart answers otherwise, and faster.

.. code-block:: python

    from quartpatterns.subclassing import FaithfulQuart

    app = FaithfulQuart(__name__)

Everything else is imported from ``quart`` as before, but for four functions that are not methods
of the application: :func:`flash`, :func:`send_file`, :func:`send_from_directory` and
:func:`stream_with_context`. ``quartpatterns.subclassing.names`` has all of Flask's names, those
four among them, for code that comes from Flask.
"""

from __future__ import annotations

from quartpatterns.streaming import stream_with_context
from quartpatterns.subclassing.application import FaithfulQuart
from quartpatterns.subclassing.blueprint import FaithfulBlueprint
from quartpatterns.subclassing.body import FaithfulBody
from quartpatterns.subclassing.connection import FaithfulHTTPConnection
from quartpatterns.subclassing.files import send_file, send_from_directory
from quartpatterns.subclassing.messages import flash
from quartpatterns.subclassing.request import FaithfulRequest
from quartpatterns.subclassing.response import FaithfulResponse
from quartpatterns.subclassing.rules import FaithfulRule
from quartpatterns.subclassing.sessions import FaithfulSessionInterface
from quartpatterns.subclassing.testing import FaithfulClient
from quartpatterns.subclassing.websocket import FaithfulWebsocketConnection

__all__ = [
    "FaithfulBlueprint",
    "FaithfulBody",
    "FaithfulClient",
    "FaithfulHTTPConnection",
    "FaithfulQuart",
    "FaithfulRequest",
    "FaithfulResponse",
    "FaithfulRule",
    "FaithfulSessionInterface",
    "FaithfulWebsocketConnection",
    "flash",
    "send_file",
    "send_from_directory",
    "stream_with_context",
]
