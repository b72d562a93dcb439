"""Lazy texts in JSON and in the session: each is written in the language of the request."""

from __future__ import annotations

from typing import Any, cast

from babel.support import LazyProxy
from quart import Quart
from quart.json.provider import DefaultJSONProvider
from quart.json.tag import JSONTag, TaggedJSONSerializer
from quart.sessions import SecureCookieSessionInterface

__all__ = ["add_to_json", "add_to_session"]


def add_to_json(app: Quart) -> None:
    """Let ``jsonify`` convert lazy texts, and the session of a ``FaithfulQuart``."""
    provider = app.json
    if not isinstance(provider, DefaultJSONProvider):
        return
    other = provider.default

    def default(value: Any) -> Any:
        return str(value) if isinstance(value, LazyProxy) else other(value)

    provider.default = default


def add_to_session(app: Quart) -> None:
    """Let Quart's session convert lazy texts, and so ``quart.flash``."""
    interface = cast("object", app.session_interface)
    if not isinstance(interface, SecureCookieSessionInterface):
        return
    shared = interface.serializer
    if type(shared) is not TaggedJSONSerializer:
        return
    # All applications share the serializer, so this one gets its own, with the same tags.
    own = TaggedJSONSerializer()
    for tag in shared.order:
        if type(tag) not in own.default_tags:
            own.register(type(tag), index=shared.order.index(tag))
    own.register(_LazyTextTag)
    interface.serializer = own


class _LazyTextTag(JSONTag):
    """Writes a lazy text as a string, in the language of the request that stores it."""

    def check(self, value: Any) -> bool:
        return isinstance(value, LazyProxy)

    def tag(self, value: Any) -> Any:
        return str(value)
