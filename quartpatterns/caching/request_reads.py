"""Records what is read of a request, so that the answer to one visitor is not given to another.

A response may be given to other visitors only if nothing that tells visitors apart was read while
it was made, from the first hook to the end of the view: no cookie, no credentials, no address and
no header such as ``X-Api-Key``. Something that was read and was *missing* does not tell visitors
apart either, as long as the response is given only to requests that lack it as well.

The objects that record are subclasses of those that they replace, and pass each call on to them.
Comparing, iterating and changing them works as before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import lru_cache, wraps
from inspect import getattr_static
from typing import Any, cast
from weakref import WeakSet

from quart import Quart, Request, current_app, has_request_context, request_started
from quart.globals import app_ctx, request_ctx
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy
from werkzeug.sansio.http import parse_cookie

__all__ = ["AUTHORIZATION", "SESSION", "KeyReads", "RequestReads", "ViewReads", "reads_of"]
__all__ += ["watch_function", "watch_key", "watch_requests", "watch_view"]

# What was read, beside single headers ("header x-api-key") and cookies ("cookie theme").
HEADERS, COOKIES, SESSION = "headers", "cookies", "session"
AUTHORIZATION = "header authorization"
CLIENT, SCOPE = "client address", "ASGI scope"

# Headers that do not tell visitors apart: those of one representation, of one connection, of one
# request, and "Host", which is part of every key. Every other header may name a visitor.
_HARMLESS = frozenset(
    """
    accept cache-control connection date device-memory dnt downlink dpr early-data ect expect host
    keep-alive max-forwards origin pragma priority purpose range referer rtt save-data te trailer
    transfer-encoding upgrade upgrade-insecure-requests user-agent via viewport-width width
    x-requested-with
    baggage traceparent tracestate x-amzn-trace-id x-b3-flags x-b3-parentspanid x-b3-sampled
    x-b3-spanid x-b3-traceid x-cloud-trace-context x-correlation-id x-request-id x-request-start
    """.split()
)
_HARMLESS_PREFIXES = ("accept-", "access-control-", "content-", "if-", "sec-")

_READS = "_quartpatterns_reads"
_BY_NAME = frozenset({"__getitem__", "__contains__", "get", "getlist", "get_all"})
# What type() needs itself, and what says nothing about the contents.
_INHERITED = frozenset(
    """
    __class__ __class_getitem__ __delattr__ __dir__ __getattribute__ __getstate__ __init__
    __init_subclass__ __new__ __setattr__ __sizeof__ __subclasshook__
    """.split()
)


# The attributes of an object; without a call in Python, because each request needs a dozen.
_attributes: Callable[[Any], dict[str, Any]] = vars


def _recording_cookies(current: Any) -> Any:
    reads: RequestReads = _attributes(current)[_READS]
    return reads.recording_cookies


def is_harmless(header: str) -> bool:
    """Return whether the header does not tell visitors apart; *header* is lower case."""
    return header in _HARMLESS or header.startswith(_HARMLESS_PREFIXES)


# What the function reads that is called now, if it is one that is watched; see watch_function.
_function_names: ContextVar[set[str] | None] = ContextVar("function_names", default=None)


class _Names(set[str]):
    """Names of what was read, which :func:`watch_function` gets as well."""

    def add(self, name: str) -> None:
        super().add(name)
        if (names := _function_names.get()) is not None:
            names.add(name)


class ViewReads:
    """What a view has read.

    Attributes:
        names: What it has read of the request.
        modified: Whether the session was modified.
        globals: The attributes of ``g`` that it has read and that are not part of the key.
        missed_globals: Whether it has looked for other attributes of ``g``, which do not exist.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.missed_globals = False
        self.modified = False


class RequestReads:
    """What was read of one request.

    Arguments:
        current: The request.
        from_start: Whether everything is recorded that was read since the request started.

    Attributes:
        names: What was read.
        headers: The headers, without recording who reads them.
        has_session: Whether the session had values before all hooks, wherever it comes from.
    """

    def __init__(self, current: Any, *, from_start: bool) -> None:
        self.names: set[str] = _Names()
        # The session while functions are watched, and how many there are.
        self.session: Any = None
        self.watched_functions = 0
        self.has_session = False
        self.headers: Headers = current.headers
        self._current = current
        self._cookies: Any = _attributes(current).get(
            "cookies"
        )  # if somebody has read them already
        self._recording_cookies: Any = None
        if not from_start and _has_hooks(current):
            # Nobody knows what they have read.
            self.names.update((HEADERS, COOKIES, CLIENT) if self._has(HEADERS) else ())

    @property
    def cookies(self) -> Any:
        """The cookies, without recording who reads them."""
        if self._cookies is None:
            values = ";".join(self.headers.getlist("Cookie"))
            self._cookies = parse_cookie(values, cls=self._current.dict_storage_class)
        return self._cookies

    @property
    def recording_cookies(self) -> Any:
        """The cookies, which record who reads them."""
        if self._recording_cookies is None:
            self._recording_cookies = _recording(
                self.cookies,
                lambda name: self.names.add(f"cookie {name}"),
                lambda: self.names.add(COOKIES),
            )
        return self._recording_cookies

    def add_header(self, name: str) -> None:
        """Record that a header was read."""
        lower = name.lower()
        if lower == "cookie":
            self.names.add(COOKIES)
        elif lower == "remote-addr":  # Quart adds it.
            self.names.add(CLIENT)
        elif not is_harmless(lower):
            self.names.add(f"header {lower}")

    def present(
        self, names: Iterable[str], vary: Collection[str], covered: Collection[str]
    ) -> list[str]:
        """Return those of *names* that the request has, and that are not part of the key.

        Arguments:
            names: What was read.
            vary: Lower-case names of the headers that are part of the key.
            covered: What else is part of the key.
        """
        return [
            name
            for name in names
            if name not in covered and not _varies(name, vary) and self._has(name, vary)
        ]

    def absent(
        self, names: Iterable[str], vary: Collection[str], covered: Collection[str]
    ) -> tuple[str, ...]:
        """Return those of *names* that the request lacks, and that are not part of the key."""
        return tuple(
            sorted(
                name
                for name in names
                if name not in covered and not _varies(name, vary) and not self._has(name, vary)
            )
        )

    def _has(self, name: str, vary: Collection[str] = ()) -> bool:
        kind, _, key = name.partition(" ")
        if kind == "header":
            return key in self.headers
        if kind == "cookie":
            return key in self.cookies
        if name == COOKIES:
            return bool(self.cookies)
        if name == HEADERS:
            names = {header.lower() for header, _ in self.headers}
            return any(not is_harmless(header) and header not in vary for header in names)
        return True


def _varies(name: str, vary: Collection[str]) -> bool:
    """Return whether a name of *vary* makes what was read a part of the key."""
    kind, _, key = name.partition(" ")
    if kind == "header":
        return key in vary
    return (kind == "cookie" or name in (COOKIES, SESSION)) and "cookie" in vary


def _has_hooks(current: Any) -> bool:
    app: Any = current_app
    scopes = (None, *current.blueprints)
    hooks = (app.before_request_funcs, app.url_value_preprocessors)
    return any(functions.get(scope) for functions in hooks for scope in scopes)


def watch_requests(app: Quart) -> None:
    """Record what is read of each request to *app* from its start."""
    request_started.connect(_started, app)


async def _started(app: Quart, **_: Any) -> None:
    context: Any = cast("Any", request_ctx)._get_current_object()
    reads = _watch(context.request, from_start=True)
    reads.has_session = bool(_attributes(context)[_session_name(context)])


def reads_of(current: Request) -> RequestReads:
    """Return what was read of the request; everything that is read from now on is recorded."""
    found: RequestReads | None = _attributes(current).get(_READS)
    return found if found is not None else _watch(current, from_start=False)


def _watch(current: Any, *, from_start: bool) -> RequestReads:
    found: RequestReads | None = _attributes(current).get(_READS)
    if found is not None:  # Another Cache of the same application watches it.
        return found
    reads = RequestReads(current, from_start=from_start)
    _attributes(current)[_READS] = reads
    current.headers = _recording(reads.headers, reads.add_header, lambda: reads.names.add(HEADERS))
    current.__class__ = _watched_class(cast("Any", type(current)))
    return reads


@lru_cache(maxsize=64)
def _watched_class(kind: Any) -> Any:
    """Return a subclass of a request class whose attributes record that they are read."""
    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "cookies": property(_recording_cookies),
        "remote_addr": _watched_attribute(kind, "remote_addr", CLIENT),
        "scope": _watched_attribute(kind, "scope", SCOPE),
    }
    return type(kind.__name__, (kind,), namespace)


def _watched_attribute(kind: Any, name: str, read: str) -> property:
    inherited: Any = getattr(kind, name, None)

    def get(current: Any) -> Any:
        attributes = _attributes(current)
        attributes[_READS].names.add(read)
        if name in attributes:
            return attributes[name]
        return inherited.__get__(current, kind)

    def set_(current: Any, value: Any) -> None:
        if hasattr(inherited, "__set__"):
            inherited.__set__(current, value)
        else:
            _attributes(current)[name] = value

    return property(get, set_)


def _recording(original: Any, by_name: Callable[[str], object], all_: Callable[[], object]) -> Any:
    """Return an object of the same kind that passes each call on to *original* and records it.

    Arguments:
        original: Headers or cookies.
        by_name: Gets the name that is looked up.
        all_: Is called if all names are read.
    """
    kind: Any = _recording_class(cast("Any", type(original)))
    recording = kind.__new__(kind)
    attributes = _attributes(recording)
    attributes.update(_attributes(original))
    attributes["_quartpatterns_original"] = original
    attributes["_quartpatterns_by_name"] = by_name
    attributes["_quartpatterns_all"] = all_
    return recording


@lru_cache(maxsize=64)
def _recording_class(kind: Any) -> Any:
    namespace: dict[str, Any] = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    for name in dir(kind):
        method = getattr_static(kind, name)
        is_private = name.startswith("_") and not name.startswith("__")
        if name not in _INHERITED and not is_private and callable(method):
            namespace[name] = _recording_method(name, method)
    namespace["__hash__"] = kind.__hash__
    return type(kind.__name__, (kind,), namespace)


def _recording_method(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        attributes = _attributes(self)
        key = args[0] if args else kwargs.get("key")
        if name in _BY_NAME and isinstance(key, str):
            attributes["_quartpatterns_by_name"](key)
        else:
            attributes["_quartpatterns_all"]()
        return method(attributes["_quartpatterns_original"], *args, **kwargs)

    return call


class _Watched:
    """An object, and whether it was accessed."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.accessed = False

    def access(self) -> Any:
        """Return the object."""
        self.accessed = True
        return self.value


@contextmanager
def watch_session() -> Generator[_Watched]:
    """Watch the session of the current request.

    ``session.accessed`` would not do: other code may have accessed the session before the view,
    and session interfaces other than Quart's need not set it.
    """
    context: Any = cast("Any", request_ctx)._get_current_object()
    name = _session_name(context)
    watched = _Watched(_attributes(context)[name])
    setattr(context, name, LocalProxy(watched.access))
    try:
        yield watched
    finally:
        setattr(context, name, watched.value)


def _session_name(context: Any) -> str:
    # FaithfulQuart has a property, which stores the session in "_session".
    return "_session" if "_session" in _attributes(context) else "session"


@contextmanager
def watch_function() -> Generator[set[str]]:
    """Record what a function reads of the current request, if there is one.

    Several functions can be watched at once, as ``asyncio.gather`` calls them.
    """
    names: set[str] = set()
    if not has_request_context():
        yield names
        return
    context: Any = cast("Any", request_ctx)._get_current_object()
    attribute = _session_name(context)
    reads = reads_of(context.request)
    if not reads.watched_functions:
        original = reads.session = _attributes(context)[attribute]
        setattr(context, attribute, LocalProxy(lambda: _accessed(original)))
    reads.watched_functions += 1
    token = _function_names.set(names)
    try:
        with _watch_globals() as globals_:
            yield names
        names.update(f"g.{name}" for name in globals_ if _is_user(name))
    finally:
        _function_names.reset(token)
        reads.watched_functions -= 1
        if not reads.watched_functions:
            setattr(context, attribute, reads.session)
        if (outer := _function_names.get()) is not None:
            outer.update(names)


def _is_user(name: str) -> bool:
    """Return whether an attribute of ``g`` is a user, such as quart-auth's."""
    kind: Any = cast("Any", type(_attributes(cast("Any", app_ctx).g).get(name)))
    return name == "user" or hasattr(kind, "is_authenticated")


def _accessed(session: Any) -> Any:
    if (names := _function_names.get()) is not None:
        names.add(SESSION)
    return session


# The attributes of g that the current key function or view reads.
_global_names: ContextVar[set[str] | None] = ContextVar("global_names", default=None)
_ALL_GLOBALS = "__dict__"
_METHODS_OF_GLOBALS = ("get", "pop", "setdefault", "__contains__", "__getattr__")
_CHANGES_OF_GLOBALS = ("__setattr__", "__delattr__")


# The classes that record which attributes of g are read.
_recording_kinds: WeakSet[Any] = WeakSet()


@contextmanager
def _watch_globals() -> Generator[set[str]]:
    """Record which attributes of ``g`` are read."""
    current: Any = cast("Any", app_ctx).g
    kind: Any = cast("Any", type(current))
    if kind not in _recording_kinds:
        # Not "current.__class__ = ...", which would store an attribute of g.
        object.__setattr__(current, "__class__", _recording_globals(kind))
    names: set[str] = set()
    token = _global_names.set(names)
    try:
        yield names
    finally:
        _global_names.reset(token)
        if (outer := _global_names.get()) is not None:
            outer.update(names)


@lru_cache(maxsize=64)
def _recording_globals(kind: Any) -> Any:
    """Return a subclass of the class of ``g`` that records which attributes are read."""

    def get_attribute(self: Any, name: str) -> Any:
        names = _global_names.get()
        is_method = name in _METHODS_OF_GLOBALS or (name != _ALL_GLOBALS and name[:2] == "__")
        if names is not None and not is_method:
            names.add(name)
        return object.__getattribute__(self, name)

    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__getattribute__": get_attribute,
    }
    for method in (*_METHODS_OF_GLOBALS, *_CHANGES_OF_GLOBALS):
        namespace[method] = _recording_global(getattr(kind, method), method)
    made: Any = type(kind.__name__, (kind,), namespace)
    _recording_kinds.add(made)
    return made


def _recording_global(method: Callable[..., Any], method_name: str) -> Callable[..., Any]:
    @wraps(method)
    def call(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        names = _global_names.get()
        if names is None:
            return method(self, name, *args, **kwargs)
        had_all = _ALL_GLOBALS in names
        try:
            return method(self, name, *args, **kwargs)
        finally:
            # The method uses "__dict__", but reads only one name.
            if not had_all:
                names.discard(_ALL_GLOBALS)
            if method_name not in _CHANGES_OF_GLOBALS:
                names.add(name)

    return call


class KeyReads:
    """What a function has read that makes the key of a request.

    Attributes:
        names: What it has read. It is part of the key.
        globals: The attributes of ``g`` that it has read. They are part of the key.
        before: What the hooks had read before.
    """

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self.globals: frozenset[str] = frozenset()
        self.before: frozenset[str] = frozenset()

    @property
    def hooks(self) -> frozenset[str]:
        """What may be part of the key because hooks have left their results in ``g``."""
        return self.before | {SESSION, AUTHORIZATION} if self.globals else frozenset()

    @property
    def covered(self) -> frozenset[str]:
        """What is part of the key, if the view reads no other attributes of ``g``."""
        return self.names | self.hooks


@contextmanager
def watch_key(reads: RequestReads) -> Generator[KeyReads]:
    """Watch a function that makes the key of the current request."""
    found = KeyReads()
    found.before = frozenset(reads.names)
    reads.names.clear()
    with watch_session() as session, _watch_globals() as globals_:
        try:
            yield found
        finally:
            names = set(reads.names)
            reads.names.update(found.before)
            if session.accessed:
                names.add(SESSION)
            found.names = frozenset(names)
            found.globals = frozenset(globals_)


@contextmanager
def watch_view(reads: RequestReads, key: KeyReads | None = None) -> Generator[ViewReads]:
    """Record what is read of the current request and its session.

    Arguments:
        reads: What was read of the request.
        key: What the function has read that made the key. If that includes attributes of ``g``,
            those that the view reads are recorded as well.
    """
    before = set(reads.names)
    reads.names.clear()
    found = ViewReads()
    with ExitStack() as stack:
        session = stack.enter_context(watch_session())
        known: dict[str, Any] = {}
        globals_: set[str] = set()
        if key is not None and key.globals:
            known = dict(_attributes(cast("Any", app_ctx).g))
            globals_ = stack.enter_context(_watch_globals())
        try:
            yield found
        finally:
            found.names = set(reads.names)
            reads.names.update(before)
            if session.accessed:
                found.names.add(SESSION)
            # A session that was modified before the view adds a cookie to the response.
            found.modified = bool(session.value.modified)
            if key is not None:
                others = _other_globals(globals_, key.globals, known)
                found.globals = others & {*known, _ALL_GLOBALS}
                found.missed_globals = others != found.globals


def _other_globals(
    names: Collection[str], in_key: Collection[str], known: dict[str, Any]
) -> set[str]:
    """Return those of *names* that are not part of the key.

    An object that is part of the key may have a second name, as ``g.user`` has.
    """
    if _ALL_GLOBALS in in_key:
        return set()
    same = [known[name] for name in in_key if type(known.get(name)).__module__ != "builtins"]
    return {
        name
        for name in names
        if name not in in_key and not any(known.get(name) is value for value in same)
    }
