"""Classes of requests that record what is read of them.

A subclass of the application's class records from the creation of a request, so that nothing
escapes that another subclass, a signal or a hook reads.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from inspect import getattr_static
from typing import Any
from weakref import WeakSet

from quart import Request, current_app
from quart.wrappers.request import Body
from werkzeug.sansio.request import Request as SansIORequest

from quartpatterns._shared.visitors import READS
from quartpatterns.caching.recorded_values import recording_copy
from quartpatterns.caching.recording import (
    attributes,
    current_reader,
    kind_of,
    usual_attributes,
)
from quartpatterns.caching.request_names import BODY, CLIENT, HEADERS, QUERY, SCOPE, UNKNOWN
from quartpatterns.caching.request_reads import RequestReads

__all__ = [
    "NOT_RECORDED",
    "reads_of",
    "record_attributes",
    "recording_request_class",
    "watch_request",
]


NOT_RECORDED = "_quartpatterns_not_recorded"
"""The attribute of a request that is not recorded because its view needs no cache."""


def reads_of(current: Request) -> RequestReads:
    """Return what was read of the request; everything that is read from now on is recorded."""
    found: RequestReads | None = attributes(current).get(READS)
    if found is not None:
        if found.before_dispatch:  # The signal request_started was not sent.
            found.keep_reads_before_dispatch()
        return found
    reads = watch_request(current)
    watched: Any = attributes(current).get(NOT_RECORDED)
    if watched is not None:
        # A view without a cache has called a function with one. From now on all are recorded.
        watched.only = None
        reads.names.add(UNKNOWN)
    elif _has_hooks(current) and reads.has(HEADERS):
        reads.names.add(UNKNOWN)
    return reads


def _has_hooks(current: Any) -> bool:
    app: Any = current_app
    scopes = (None, *current.blueprints)
    hooks = (app.before_request_funcs, app.url_value_preprocessors)
    return any(functions.get(scope) for functions in hooks for scope in scopes)


def watch_request(current: Any) -> RequestReads:
    """Record what is read of a request or websocket that exists already."""
    own = attributes(current)
    reads = own[READS] = RequestReads(own["headers"], current.dict_storage_class)
    reads.has_query = bool(own["query_string"])
    own["headers"] = recording_copy(reads.headers, reads)
    own.pop("cookies", None)
    own.pop("args", None)
    current.__class__ = _watched_class(kind_of(current))
    return reads


@lru_cache(maxsize=64)
def recording_request_class(kind: Any) -> Any:
    """Return a subclass of a request class whose requests record what is read of them.

    They record from their creation, for applications in which other code than Quart's sees a
    request before the signal ``request_started`` is sent.
    """
    watched = _watched_class(kind)
    if getattr(kind, "quartpatterns_is_recording", False):
        return kind

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        headers = args[4] if len(args) > 4 else kwargs["headers"]
        reads = RequestReads(headers, kind.dict_storage_class)
        recording = recording_copy(headers, reads)
        if len(args) > 4:
            args = (*args[:4], recording, *args[5:])
        else:
            kwargs["headers"] = recording
        attributes(self)[READS] = reads
        kind.__init__(self, *args, **kwargs)
        if reads.client_reads <= 1:  # Quart itself reads the address once.
            reads.names.discard(CLIENT)
        reads.created = type(self).__init__ is init
        reads.first = frozenset(reads.names)
        reads.has_query = bool(attributes(self)["query_string"])

    def set_view_args(self: Any, value: Any) -> None:
        # Quart has found the view now, and opened the session before.
        attributes(self)["view_args"] = value
        attributes(self)[READS].start_dispatch()

    def get_view_args(self: Any) -> Any:
        return attributes(self).get("view_args")

    namespace = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__init__": init,
        "view_args": property(get_view_args, set_view_args),
        "quartpatterns_is_recording": True,
    }
    return type(kind.__name__, (watched,), namespace)


@lru_cache(maxsize=64)
def _watched_class(kind: Any) -> Any:
    """Return a subclass of a request class whose attributes record that they are read."""
    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "remote_addr": _watched_attribute(kind, "remote_addr", CLIENT),
        "scope": _watched_attribute(kind, "scope", SCOPE),
        "query_string": _watched_attribute(kind, "query_string", QUERY),
        "args": _watched_attribute(kind, "args", QUERY),
    }
    if issubclass(kind, Request):
        namespace["body"] = property(_recording_body, _set_body)
    if getattr_static(kind, "cookies") is getattr_static(SansIORequest, "cookies"):
        namespace["cookies"] = property(_recording_cookies)
    return type(kind.__name__, (kind,), namespace)


def _recording_body(current: Any) -> Any:
    """Return the body. That of a GET records that it is read and not empty."""
    own = attributes(current)
    body = own["body"]
    if own["method"] == "GET" and isinstance(body, Body) and READS not in attributes(body):
        body.__class__ = _recording_body_class(kind_of(body))
        attributes(body)[READS] = own[READS]
    return body


def _set_body(current: Any, body: Any) -> None:
    attributes(current)["body"] = body


@lru_cache(maxsize=64)
def _recording_body_class(kind: Any) -> Any:
    """Return a subclass of the class of a request's body that records that it is not empty."""

    def recorded(body: Any, data: bytes) -> bytes:
        if data:
            attributes(body)[READS].names.add(BODY)
        return data

    def await_(self: Any) -> Generator[Any, None, bytes]:
        reading: Generator[Any, None, bytes] = kind.__await__(self)
        data = yield from reading
        return recorded(self, data)

    async def anext_(self: Any) -> bytes:
        return recorded(self, await kind.__anext__(self))

    namespace = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__await__": await_,
        "__anext__": anext_,
    }
    return type(kind.__name__, (kind,), namespace)


def _recording_cookies(current: Any) -> Any:
    reads: RequestReads = attributes(current)[READS]
    return reads.recording_cookies


def _watched_attribute(kind: Any, name: str, read: str) -> property:
    inherited: Any = getattr(kind, name, None)

    def get(current: Any) -> Any:
        own = attributes(current)
        own[READS].names.add(read)
        if name in own:
            return own[name]
        return inherited.__get__(current, kind)

    def set_(current: Any, value: Any) -> None:
        if hasattr(inherited, "__set__"):
            inherited.__set__(current, value)
        else:
            attributes(current)[name] = value

    return property(get, set_)


def record_attributes(current: Any) -> None:
    """Record which attributes of a request are read that the application has added."""
    kind = kind_of(current)
    if kind not in _attribute_kinds:
        current.__class__ = _attribute_class(kind)


_attribute_kinds: WeakSet[Any] = WeakSet()


@lru_cache(maxsize=64)
def _attribute_class(kind: Any) -> Any:
    usual = usual_attributes(kind)

    def get_attribute(self: Any, name: str) -> Any:
        if (
            name not in usual
            and (reader := current_reader.get()) is not None
            and name in vars(self)
        ):
            reader.add("attributes", name)
        return object.__getattribute__(self, name)

    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__getattribute__": get_attribute,
    }
    made: Any = type(kind.__name__, (kind,), namespace)
    _attribute_kinds.add(made)
    return made
