"""Objects that record what is read of a request: headers, cookies, the session, ``g``.

They are subclasses of those that they replace, or proxies, and pass each call on. Comparing,
iterating and changing them works as before.

Requests are recorded from the moment in which they are created, so that nothing escapes that a
subclass of the request, a signal or a hook reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from functools import lru_cache, wraps
from inspect import getattr_static
from types import FunctionType
from typing import Any, cast
from weakref import WeakKeyDictionary, WeakSet

from quart import Quart, Request, appcontext_pushed, current_app, request_started
from quart.globals import app_ctx, request_ctx, websocket_ctx
from quart.sessions import SessionMixin
from werkzeug.datastructures import Headers
from werkzeug.local import LocalProxy
from werkzeug.sansio.http import parse_cookie
from werkzeug.sansio.request import Request as SansIORequest

from quartpatterns._shared.visitors import READS
from quartpatterns.caching.request_names import (
    BODY,
    CLIENT,
    COOKIE_HEADER,
    COOKIES,
    HEADERS,
    QUERY,
    SCOPE,
    SESSION,
    is_harmless,
    varies,
)

__all__ = ["ALL_GLOBALS", "Reader", "RequestReads", "attributes", "connections", "reading"]
__all__ += ["reads_of", "record_attributes", "record_globals", "record_read", "recording_context"]
__all__ += ["recording_session", "watch_requests"]

ALL_GLOBALS = "__dict__"
"""In place of the name of an attribute of ``g``: all of them."""

_OWN_MODULES = ("quart", "werkzeug", "quartpatterns")
_BY_NAME = frozenset({"__getitem__", "get", "getlist", "get_all"})
# What type() needs itself, and what says nothing about the contents.
_INHERITED = frozenset(
    """
    __class__ __class_getitem__ __delattr__ __dir__ __getattribute__ __getstate__ __init__
    __init_subclass__ __new__ __setattr__ __sizeof__ __subclasshook__
    """.split()
)
_OWN_VARIABLES = frozenset({"computing", "revalidated", "sqlalchemy_reading"})
# Context variables of frameworks and of tracing, which do not name a visitor.
_HARMLESS_VARIABLES = frozenset(
    """
    current_async_library_cvar current_context current_scope decimal_context isolation_scope
    correlation_id request_id trace_id span_id thread_sensitive_context
    """.split()
)

# What has one of these methods is a resource, such as a database connection, and names nobody.
_METHODS_OF_RESOURCES = (
    *("close", "aclose", "execute", "cursor", "begin", "acquire"),
    *("__enter__", "__aenter__"),
)

# The attributes of an object; without a call in Python, because each request needs a dozen.
attributes: Callable[[Any], dict[str, Any]] = vars


class Reader:
    """What a function has read that runs now, with all that it calls.

    Attributes:
        names: What it has read of the request.
        globals: The attributes of ``g`` that it has read.
        attributes: The attributes of the request that are not Quart's.
    """

    __slots__ = ("_outer", "attributes", "globals", "names")

    def __init__(self, outer: Reader | None) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.attributes: set[str] = set()
        self._outer = outer

    def add(self, kind: str, name: str) -> None:
        """Record a name in one of the sets, for this function and those that have called it."""
        reader: Reader | None = self
        while reader is not None:
            names: set[str] = getattr(reader, kind)
            names.add(name)
            reader = reader._outer


# What is read by the function that runs now, if it is watched.
_reader: ContextVar[Reader | None] = ContextVar("quartpatterns.caching.reader", default=None)


@contextmanager
def reading() -> Generator[Reader]:
    """Record what is read in this context, also in threads and tasks that it starts."""
    outer = _reader.get()
    reader = Reader(outer)
    token = _reader.set(reader)
    try:
        yield reader
    finally:
        try:
            _reader.reset(token)
        except ValueError:  # A template that is streamed may end in another context.
            _reader.set(outer)


def record_read(name: str) -> None:
    """Record that something was read that is no part of a request."""
    if (reader := _reader.get()) is not None:
        reader.add("names", name)


class _Names(set[str]):
    """Names of what was read, which the :class:`Reader` gets as well."""

    def add(self, name: str) -> None:
        super().add(name)
        if (reader := _reader.get()) is not None:
            reader.add("names", name)


class RequestReads:
    """What was read of one request or websocket.

    Arguments:
        headers: The headers.
        storage: The class of the cookies.

    Attributes:
        names: What was read.
        headers: The headers, without recording who reads them.
        recording_headers: The headers, which record who reads them.
        session: The session, without recording who reads it, or None before it is opened.
        has_query: Whether the request has a query.
        created: Whether the request was created with all that happens in subclasses.
        first: What was read while it was created.
    """

    def __init__(self, headers: Headers, storage: Any) -> None:
        self.names: set[str] = _Names()
        self.headers = headers
        self.session: Any = None
        self.session_watchers = 0
        self.has_query = True
        self.created = False
        self.first: frozenset[str] = frozenset()
        self.recording_headers = _recording(
            headers, self.add_header, self._add_presence, lambda: self.names.add(HEADERS)
        )
        self.client_reads = 0
        self._storage = storage
        self._cookies: Any = None
        self._recording_cookies: Any = None

    @property
    def cookies(self) -> Any:
        """The cookies, without recording who reads them."""
        if self._cookies is None:
            values = ";".join(self.headers.getlist("Cookie"))
            self._cookies = parse_cookie(values, cls=self._storage)
        return self._cookies

    @property
    def recording_cookies(self) -> Any:
        """The cookies, which record who reads them."""
        if self._recording_cookies is None:
            self._recording_cookies = _recording(
                self.cookies,
                self._add_cookie,
                self._add_cookie,
                lambda: self.names.add(COOKIES),
            )
            attributes(self._recording_cookies)["starting_with"] = self._starting_with
        return self._recording_cookies

    def _add_cookie(self, name: str) -> None:
        self.names.add(f"cookie {name}")

    def _add_presence(self, name: str) -> None:
        if not is_harmless(lower := name.lower()):
            self.names.add(f"header {lower}")

    def _starting_with(self, prefix: str) -> dict[str, str]:
        self.names.add(f"cookies {prefix}")
        return {name: value for name, value in self.cookies.items() if name.startswith(prefix)}

    def add_header(self, name: str) -> None:
        """Record that a header was read."""
        lower = name.lower()
        if lower == "cookie":
            self.names.add(COOKIES)
        elif lower == "remote-addr":  # Quart adds it.
            self.client_reads += 1
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
            if name not in covered and not varies(name, vary) and self._has(name, vary)
        ]

    def absent(
        self, names: Iterable[str], vary: Collection[str], covered: Collection[str]
    ) -> tuple[str, ...]:
        """Return those of *names* that the request lacks, and that are not part of the key."""
        return tuple(
            sorted(
                name
                for name in names
                if name not in covered and not varies(name, vary) and not self._has(name, vary)
            )
        )

    def _has(self, name: str, vary: Collection[str] = ()) -> bool:
        kind, _, key = name.partition(" ")
        if kind == "header":
            return key in self.headers
        if kind == "cookie":
            return key in self.cookies
        if kind == COOKIES:
            return any(cookie.startswith(key) for cookie in self.cookies)
        if kind == SESSION:
            return self._session_has(key)
        if name == QUERY:
            return self.has_query
        if name == HEADERS:
            names = {header.lower() for header, _ in self.headers}
            return any(not is_harmless(header) and header not in vary for header in names)
        return True

    @contextmanager
    def loading_into_globals(self) -> Generator[None]:
        """See :func:`quartpatterns._shared.visitors.loading_into_globals`."""
        before = set(self.names)
        known, context = record_globals(), copy_context()
        own = _own_attributes()
        loaded = _loaded.get()
        reader = Reader(None)
        tokens = (_reader.set(reader), _loaded.set(()))
        elsewhere = True
        try:
            yield
            elsewhere = _own_attributes() != own or any(
                _is_unknown(variable, context, value) for variable, value in copy_context().items()
            )
        finally:
            _reader.reset(tokens[0])
            _loaded.reset(tokens[1])
            if elsewhere:
                for name in reader.names:
                    self.names.add(name)
        if elsewhere:
            return
        set_now = {
            name
            for name, value in record_globals().items()
            if (name not in known or known[name] is not value) and not is_resource(value)
        }
        self.names.difference_update(reader.names - before)
        now = _Loaded(cast("Any", app_ctx).g, frozenset(set_now), self, reader.names)
        _loaded.set((*loaded, now) if set_now else loaded)

    def _session_has(self, key: str) -> bool:
        if self.session is None:
            return True
        if key:
            return key in self.session
        name = current_app.session_interface.get_cookie_name(current_app)
        return bool(self.session) or name in self.cookies


def _own_attributes() -> dict[str, int]:
    """Return the attributes that the application has given the request, by their identity."""
    current: Any = cast("Any", request_ctx).request
    usual = _usual_attributes(cast("Any", type(current)))
    return {name: id(value) for name, value in attributes(current).items() if name not in usual}


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What was read to set attributes of ``g`` that nobody has read yet."""

    globals: Any
    attributes: frozenset[str]
    reads: RequestReads
    names: set[str]

    def note(self, current: object, name: str) -> None:
        """Record what was read, if an attribute of ``g`` depends on it."""
        if current is self.globals and (name in self.attributes or name == ALL_GLOBALS):
            for read in self.names:
                self.reads.names.add(read)


_loaded: ContextVar[tuple[_Loaded, ...]] = ContextVar("quartpatterns.caching.loaded", default=())


def is_resource(value: Any) -> bool:
    """Return whether a value is a resource, such as a connection, which names no visitor."""
    kind: Any = cast("Any", type(value))
    return callable(value) or any(hasattr(kind, one) for one in _METHODS_OF_RESOURCES)


# Requests.


def watch_requests(app: Quart, harmless: Iterable[str] = ()) -> None:
    """Record what is read of each request to *app* from its creation.

    Arguments:
        app: The application.
        harmless: Names of context variables that do not tell visitors apart.
    """
    watched = _watched_apps.get(app)
    if watched is None:
        watched = _watched_apps[app] = _WatchedApp(app)
        app.request_class = recording_request_class(cast("Any", app.request_class))
        request_started.connect(_started, app)
        # The first function in the list runs last, shortly before the session is saved.
        app.after_request_funcs[None].insert(0, _ended)
        app.before_serving_funcs.append(watched.set_usual_context)
    watched.harmless.update(harmless)


class _WatchedApp:
    """What is known of an application whose requests are recorded.

    Attributes:
        harmless: Names of context variables that do not tell visitors apart.
    """

    def __init__(self, app: Quart) -> None:
        self.harmless = set(_HARMLESS_VARIABLES)
        # Functions that see a request before the signal request_started is sent to this module.
        methods = ("full_dispatch_request", "handle_request", "request_context")
        self._overridden = any(
            name in attributes(app) or not _is_own(getattr(type(app), name)) for name in methods
        )
        self._context = copy_context()
        self._counts: tuple[int, int] | None = None
        self._has_receivers = False

    async def set_usual_context(self) -> None:
        """Remember the context in which the server runs; requests may have more variables."""
        self._context = copy_context()

    def may_read_early(self, app: Any) -> bool:
        """Return whether other code may read the session before its reading is recorded."""
        counts = (len(request_started.receivers), len(appcontext_pushed.receivers))
        if counts != self._counts:
            self._counts = counts
            receivers = [
                *request_started.receivers_for(app),
                *appcontext_pushed.receivers_for(app),
            ]
            self._has_receivers = not all(map(_reads_nothing, receivers))
        return self._overridden or self._has_receivers

    def context_variables(self) -> Iterable[str]:
        """Yield the names of context variables that were set for this request, by middleware."""
        for variable, value in copy_context().items():
            if _is_unknown(variable, self._context, value) and variable.name not in self.harmless:
                yield f"context variable {variable.name}"


_watched_apps: WeakKeyDictionary[Quart, _WatchedApp] = WeakKeyDictionary()


@lru_cache(maxsize=1)
def _quart_variables() -> frozenset[Any]:
    from quart import globals as quart_globals

    return frozenset(
        value for value in vars(quart_globals).values() if isinstance(value, ContextVar)
    )


def _is_unknown(variable: ContextVar[Any], usual: Context, value: object) -> bool:
    """Return whether other code than Quart's and this package's has set a context variable."""
    return (
        (variable not in usual or usual[variable] is not value)
        and not variable.name.startswith(("quart.", "quartpatterns."))
        and variable.name not in _OWN_VARIABLES
        and variable not in _quart_variables()
    )


def _is_own(function: Any) -> bool:
    return str(function.__module__).partition(".")[0] in _OWN_MODULES


def _reads_nothing(receiver: Any) -> bool:
    module = str(getattr(receiver, "__module__", ""))
    # The bridge passes signals on to receivers that are written for Flask.
    return module.startswith("quartpatterns.") and ".bridge" not in module


async def _started(app: Quart, **_: Any) -> None:
    context: Any = cast("Any", request_ctx)._get_current_object()
    current = context.request
    reads: RequestReads | None = attributes(current).get(READS)
    watched = _watched_apps[app]
    if reads is None:
        # The application has another class of requests since, or this request was created before.
        kind = cast("Any", type(current))
        app.request_class = recording_request_class(cast("Any", app.request_class))
        reads = _watch(current)
        early = watched.may_read_early(app) or not _is_own(kind.__init__)
        if early and reads._has(HEADERS):
            reads.names.update((HEADERS, COOKIES, CLIENT))  # Nobody knows what it has read.
    else:
        early = watched.may_read_early(app) or not reads.created
        if QUERY not in reads.first:
            reads.names.discard(QUERY)  # Quart has read it to find the view.
        if not early:
            # These were read to open the session, whose contents are recorded, and by Quart.
            cookie = app.session_interface.get_cookie_name(app)
            opened = {COOKIE_HEADER, f"cookie {cookie}", SCOPE}
            reads.names.difference_update(opened - reads.first)
    _record_session(context, reads)
    if early and reads._has(SESSION):
        reads.names.add(SESSION)
    reads.names.update(watched.context_variables())


async def _ended(response: Any) -> Any:
    context: Any = cast("Any", request_ctx)._get_current_object()
    reads: RequestReads | None = attributes(context.request).get(READS)
    if reads is not None and reads.session is not None:
        attributes(context)[_session_name(context)] = reads.session
        reads.session_watchers -= 1
    return response


def reads_of(current: Request) -> RequestReads:
    """Return what was read of the request; everything that is read from now on is recorded."""
    found: RequestReads | None = attributes(current).get(READS)
    if found is not None:
        return found
    reads = _watch(current)
    if _has_hooks(current) and reads._has(HEADERS):
        reads.names.update((HEADERS, COOKIES, CLIENT))  # Nobody knows what they have read.
    return reads


def _has_hooks(current: Any) -> bool:
    app: Any = current_app
    scopes = (None, *current.blueprints)
    hooks = (app.before_request_funcs, app.url_value_preprocessors)
    return any(functions.get(scope) for functions in hooks for scope in scopes)


def _watch(current: Any) -> RequestReads:
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
        return recorded(self, (yield from kind.__await__(self)))

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
    kind: Any = type(current)
    if kind not in _attribute_kinds:
        current.__class__ = _attribute_class(kind)


_attribute_kinds: WeakSet[Any] = WeakSet()


@lru_cache(maxsize=64)
def _attribute_class(kind: Any) -> Any:
    usual = _usual_attributes(kind)

    def get_attribute(self: Any, name: str) -> Any:
        if name not in usual and (reader := _reader.get()) is not None and name in vars(self):
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


@lru_cache(maxsize=64)
def _usual_attributes(kind: Any) -> frozenset[str]:
    """Return the names that Quart's own classes use."""
    usual = {READS, "__dict__", "__class__"}
    for base in kind.__mro__:
        if base is object or _is_own(base):
            for name, member in vars(base).items():
                usual.add(name)
                function = getattr(member, "fget", None) or getattr(member, "func", member)
                if isinstance(function, FunctionType):
                    usual.update(function.__code__.co_names)
    return frozenset(usual)


# Headers and cookies.


def _recording(
    original: Any,
    by_name: Callable[[str], object],
    contains: Callable[[str], object],
    all_: Callable[[], object],
) -> Any:
    """Return an object of the same kind that passes each call on to *original* and records it.

    Arguments:
        original: Headers or cookies.
        by_name: Gets the name that is looked up.
        contains: Gets the name whose presence is tested.
        all_: Is called if all names are read.
    """
    kind: Any = _recording_class(cast("Any", type(original)))
    recording = kind.__new__(kind)
    own = attributes(recording)
    own.update(attributes(original))
    own["_quartpatterns_original"] = original
    own["_quartpatterns_by_name"] = by_name
    own["_quartpatterns_contains"] = contains
    own["_quartpatterns_all"] = all_
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
        own = attributes(self)
        key = args[0] if args else kwargs.get("key")
        if name in _BY_NAME and isinstance(key, str):
            own["_quartpatterns_by_name"](key)
        elif name == "__contains__" and isinstance(key, str):
            own["_quartpatterns_contains"](key)
        else:
            own["_quartpatterns_all"]()
        return method(own["_quartpatterns_original"], *args, **kwargs)

    return call


# The session.


class _RecordingSession(LocalProxy[Any]):
    """A session that records which of its keys are read."""

    __slots__ = ("quartpatterns_names", "quartpatterns_original")

    def __init__(self, original: Any, names: set[str]) -> None:
        def whole() -> Any:
            names.add(SESSION)
            return original

        super().__init__(whole)
        object.__setattr__(self, "quartpatterns_original", original)
        object.__setattr__(self, "quartpatterns_names", names)

    def __getattr__(self, name: str) -> Any:
        if name not in ("accessed", "modified", "new"):
            self.quartpatterns_names.add(SESSION)
        return getattr(self.quartpatterns_original, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.quartpatterns_original, name, value)


def _session_method(name: str) -> Callable[..., Any]:
    def call(self: Any, key: Any, *args: Any, **kwargs: Any) -> Any:
        self.quartpatterns_names.add(f"{SESSION} {key}")
        return getattr(self.quartpatterns_original, name)(key, *args, **kwargs)

    call.__name__ = name
    return call


for _name in "get pop setdefault __getitem__ __contains__ __setitem__ __delitem__".split():
    setattr(_RecordingSession, _name, _session_method(_name))


def connections() -> list[Any]:
    """Return the contexts of the current request and websocket."""
    proxies: tuple[Any, ...] = (request_ctx, websocket_ctx)
    return [proxy._get_current_object() for proxy in proxies if proxy]


def _session_name(context: Any) -> str:
    # FaithfulQuart has a property, which stores the session in "_session".
    return "_session" if "_session" in attributes(context) else "session"


def _record_session(context: Any, reads: RequestReads) -> None:
    """Replace the session of a context by one that records who reads it."""
    name = _session_name(context)
    reads.session_watchers += 1
    current: Any = attributes(context)[name]
    if type(current) is not _RecordingSession:
        reads.session = current
        attributes(context)[name] = _RecordingSession(current, reads.names)


@contextmanager
def recording_session(context: Any, reads: RequestReads) -> Generator[None]:
    """Record what is read of the session, at least in this context."""
    _record_session(context, reads)
    try:
        yield
    finally:
        reads.session_watchers -= 1
        if reads.session_watchers <= 0:
            attributes(context)[_session_name(context)] = reads.session


# g.

_METHODS_OF_GLOBALS = ("get", "pop", "setdefault", "__contains__", "__getattr__")
_CHANGES_OF_GLOBALS = ("__setattr__", "__delattr__")
# The classes that record which attributes of g are read.
_recording_kinds: WeakSet[Any] = WeakSet()


def record_globals() -> dict[str, Any]:
    """Record which attributes of the current ``g`` are read; return those that it has now."""
    current: Any = cast("Any", app_ctx).g
    kind: Any = cast("Any", type(current))
    if kind not in _recording_kinds:
        # Not "current.__class__ = ...", which would store an attribute of g.
        object.__setattr__(current, "__class__", _recording_globals(kind))
    return dict(cast("dict[str, Any]", object.__getattribute__(current, "__dict__")))


@lru_cache(maxsize=64)
def _recording_globals(kind: Any) -> Any:
    """Return a subclass of the class of ``g`` that records which attributes are read."""

    def get_attribute(self: Any, name: str) -> Any:
        reader = _reader.get()
        is_method = name in _METHODS_OF_GLOBALS or (name != ALL_GLOBALS and name[:2] == "__")
        if not is_method:
            if reader is not None:
                reader.add("globals", name)
            for loaded in _loaded.get():
                loaded.note(self, name)
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
        reader, loaded = _reader.get(), _loaded.get()
        if reader is None and not loaded:
            return method(self, name, *args, **kwargs)
        if method_name not in _CHANGES_OF_GLOBALS:
            if reader is not None:
                reader.add("globals", name)
            for one in loaded:
                one.note(self, name)
        # The method uses "__dict__", but reads only one name.
        tokens = (_reader.set(None), _loaded.set(()))
        try:
            return method(self, name, *args, **kwargs)
        finally:
            _reader.reset(tokens[0])
            _loaded.reset(tokens[1])

    return call


# Templates.


@lru_cache(maxsize=64)
def recording_context(kind: Any) -> Any:
    """Return a subclass of a class of template contexts whose user and session are recorded.

    Extensions such as quart-auth give templates the user itself. A fragment may use it in an
    included template or a macro.
    """

    def init(self: Any, environment: Any, parent: dict[str, Any], *args: Any, **more: Any) -> None:
        found = {
            name: _recorded_variable(name, value)
            for name, value in parent.items()
            if hasattr(type(value), "is_authenticated") or issubclass(type(value), SessionMixin)
        }
        if found:
            parent = {**parent, **found}
        kind.__init__(self, environment, parent, *args, **more)

    namespace = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__init__": init}
    return type(kind.__name__, (kind,), namespace)


def _recorded_variable(name: str, value: Any) -> Any:
    if isinstance(cast("Any", type(value)), type) and issubclass(type(value), LocalProxy):
        return value

    def get() -> Any:
        record_read(name)
        return value

    return LocalProxy(get)
