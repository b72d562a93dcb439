"""How helpers tell a cache what of a request their answer depends on.

A cache records what is read of a request; see :mod:`quartpatterns.caching`. These functions make
the record more precise. Without a cache they do nothing more than their name says.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Any

from quart import has_request_context, request

__all__ = ["LANGUAGE", "NOT_RECORDED", "READS", "cookies_starting_with", "current_reader"]
__all__ += ["loading_into_globals", "mark_callback", "mark_language", "mark_private"]

READS = "_quartpatterns_reads"
"""The attribute of a request with what was read of it, if there is a cache."""

LANGUAGE = "quartpatterns.language"
"""What a reader records as an attribute of ``g`` if the language was read."""

current_reader: ContextVar[Any] = ContextVar("quartpatterns.caching.reader", default=None)
"""A ``quartpatterns.caching.recording.Reader``, while a cache watches what a function reads."""


NOT_RECORDED: set[str] = set()
"""Attributes of ``g`` with which helpers note what they have done. They name no visitor."""


def cookies_starting_with(cookies: Mapping[str, str], prefix: str) -> Mapping[str, str]:
    """Return the cookies whose names start with *prefix*; no others count as read."""
    find: Any = getattr(cookies, "starting_with", None)
    if find is not None:
        found: Mapping[str, str] = find(prefix)
        return found
    return {name: value for name, value in cookies.items() if name.startswith(prefix)}


def loading_into_globals() -> AbstractContextManager[None]:
    """Load something into ``g`` that the view may not need, such as the user.

    What is read in this context counts as read when somebody reads an attribute of ``g`` that was
    set in it.
    """
    reads = _reads()
    if reads is None:
        return nullcontext()
    loading: AbstractContextManager[None] = reads.loading_into_globals()
    return loading


def mark_private(reason: str) -> None:
    """Let no cache store the answer to the current request, because it is for one visitor.

    Arguments:
        reason: What the answer contains, such as ``flashed messages``.
    """
    reads = _reads()
    if reads is not None:
        reads.names.add(reason)


def mark_callback(name: str) -> None:
    """Tell a cache that the current request has registered a callback with the function *name*.

    A result that is stored would be returned without the callback.
    """
    if (reader := current_reader.get()) is not None:
        reader.add("callbacks", name)


def mark_language() -> None:
    """Tell a cache that the result depends on the language of the URL or of the texts.

    A response is stored for each language. A function or a part of a template has a key without
    the language, unless it is an argument.
    """
    if (reader := current_reader.get()) is not None:
        reader.add("globals", LANGUAGE)


def _reads() -> Any:
    if not has_request_context():
        return None
    current: Any = request
    own: Any = current._get_current_object()
    attributes: dict[str, Any] = own.__dict__
    return attributes.get(READS)
