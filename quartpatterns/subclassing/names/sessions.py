"""The names of ``flask.sessions``. Methods of interfaces can be asynchronous."""

from flask.json.tag import TaggedJSONSerializer
from quart.sessions import (
    NullSession,
    SecureCookieSession,
    SessionInterface,
    SessionMixin,
    session_json_serializer,
)

from quartpatterns.subclassing import (
    FaithfulSessionInterface as SecureCookieSessionInterface,
)

__all__ = [
    "NullSession",
    "SecureCookieSession",
    "SecureCookieSessionInterface",
    "SessionInterface",
    "SessionMixin",
    "TaggedJSONSerializer",
    "session_json_serializer",
]
