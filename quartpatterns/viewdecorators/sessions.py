"""What a session says of a login: who, since when, and from where."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from quart import has_websocket_context, request, session, websocket

__all__ = ["CLIENT", "FRESH", "USER", "client", "connection", "now", "same_client"]

# The names of Flask-Login, so that who is logged in stays so when an application is moved.
USER, FRESH, CLIENT = "_user_id", "_fresh", "_id"


def connection() -> Any:
    """The current request or websocket."""
    return websocket if has_websocket_context() else request


def client() -> str:
    """A digest of the address and the browser that a request comes from."""
    current = connection()
    seen = f"{current.remote_addr}|{current.headers.get('User-Agent', '')}"
    return hashlib.sha256(seen.encode(errors="surrogateescape")).hexdigest()


def same_client() -> bool:
    """Whether the session was logged in from here."""
    return bool(session.get(CLIENT) == client())


def now() -> int:
    """The time in whole seconds, as sessions keep it."""
    return int(time.time())
