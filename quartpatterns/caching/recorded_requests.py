"""Classes of requests that record what is read of them.

A subclass of the application's class records from the creation of a request, so that nothing
escapes that another subclass, a signal or a hook reads.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import lru_cache
from inspect import getattr_static
from typing import Any, cast
from weakref import WeakSet

from quart import Request, current_app
from werkzeug.sansio.request import Request as SansIORequest

from quartpatterns._shared.visitors import READS
from quartpatterns.caching.recording import attributes, current_reader, usual_attributes
from quartpatterns.caching.request_names import BODY, CLIENT, COOKIES, HEADERS, QUERY, SCOPE
from quartpatterns.caching.request_reads import RequestReads

__all__ = ["reads_of", "record_attributes", "recording_request_class", "watch_request"]


def reads_of(current: Request) -> RequestReads:
    """Return what was read of the request; everything that is read from now on is recorded."""
    found: RequestReads | None = attributes(current).get(READS)
    if found is not None:
        return found
    reads = watch_request(current)
    if _has_hooks(current) and reads.has(HEADERS):
        reads.names.update((HEADERS, COOKIES, CLIENT))  # Nobody knows what they have read.
    return reads


def _has_hooks(current: Any) -> bool:
    app: Any = current_app
    scopes = (None, *current.blueprints)
    hooks = (app.before_request_funcs, app.url_value_preprocessors)
    return any(functions.get(scope) for functions in hooks for scope in scopes)


def watch_request(current: Any) -> RequestReads:
    """Record what is read of a request or websocket that exists already."""
    reads = attributes(current)[READS] = RequestReads(current.headers, current.dict_storage_class)
    reads.has_query = bool(current.query_string)
    attributes(current)["headers"] = reads.recording_headers
    attributes(current).pop("cookies", None)
    current.__class__ = _watched_class(cast("Any", type(current)))
    return reads


@lru_cache(maxsize=64)
def recording_request_class(kind: Any) -> Any:
    """Return a subclass of a request class whose requests record what is read of them."""
    watched = _watched_class(kind)
    if getattr(kind, "quartpatterns_is_recording", False):
        return kind

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if len(args) > 4:
            reads = RequestReads(args[4], kind.dict_storage_class)
            args = (*args[:4], reads.recording_headers, *args[5:])
        else:
            reads = RequestReads(kwargs["headers"], kind.dict_storage_class)
            kwargs["headers"] = reads.recording_headers
        attributes(self)[READS] = reads
        kind.__init__(self, *args, **kwargs)
        if reads.client_reads <= 1:  # Quart itself reads the address once.
            reads.names.discard(CLIENT)
        reads.created = type(self).__init__ is init
        reads.first = frozenset(reads.names)
        reads.has_query = bool(attributes(self)["query_string"])
        if self.method == "GET":
            _record_body(self.body, reads)

    namespace = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "__init__": init,
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
    if getattr_static(kind, "cookies") is getattr_static(SansIORequest, "cookies"):
        namespace["cookies"] = property(_recording_cookies)
    return type(kind.__name__, (kind,), namespace)


def _record_body(body: Any, reads: RequestReads) -> None:
    body.__class__ = _recording_body_class(cast("Any", type(body)))
    attributes(body)[READS] = reads


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
    kind: Any = cast("Any", type(current))
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
