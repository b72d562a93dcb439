"""What was read of a request, from the moment in which it was created."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from contextvars import copy_context
from functools import lru_cache
from operator import is_
from typing import Any
from weakref import ref as weak_reference

from quart import current_app
from quart.globals import app_ctx, request_ctx, websocket_ctx
from werkzeug.datastructures import Headers
from werkzeug.sansio.http import parse_cookie

from quartpatterns._shared.visitors import READS
from quartpatterns.caching.recorded_globals import Loaded, loaded_globals, record_globals
from quartpatterns.caching.recorded_values import RecordingSession, recording_copy
from quartpatterns.caching.recording import (
    Reader,
    attributes,
    current_reader,
    is_resource,
    is_unknown,
    kind_of,
    usual_attributes,
)
from quartpatterns.caching.request_names import (
    CLIENT,
    COOKIE_HEADER,
    COOKIES,
    HEADERS,
    QUERY,
    SESSION,
    is_harmless,
    varies,
)

__all__ = ["RequestReads", "connections", "end_recording", "record_session", "recording_session"]
__all__ += ["returns_recording"]

# The attribute of a context with the session that records.
_RECORDING = "_quartpatterns_session"


class _Names(set[str]):
    """Names of what was read, which the :class:`Reader` gets as well."""

    def add(self, name: str) -> None:
        super().add(name)
        if (reader := current_reader.get()) is not None:
            reader.add("names", name)


class _CookieRecorder:
    """Records which cookies are read."""

    __slots__ = ("_reads",)

    def __init__(self, reads: RequestReads) -> None:
        self._reads = reads

    def add_name(self, name: str) -> None:
        self._reads.names.add(f"cookie {name}")

    add_presence = add_name

    def add_all(self) -> None:
        self._reads.names.add(COOKIES)

    def starting_with(self, prefix: str) -> dict[str, str]:
        self._reads.names.add(f"cookies {prefix}")
        cookies = self._reads.cookies
        return {name: value for name, value in cookies.items() if name.startswith(prefix)}


class RequestReads:
    """What was read of one request or websocket.

    Arguments:
        headers: The headers.
        storage: The class of the cookies.

    Attributes:
        names: What was read.
        headers: The headers, without recording who reads them.
        session: The session, without recording who reads it, or None before it is opened.
        has_query: Whether the request has a query.
        created: Whether the request was created with all that happens in subclasses.
        first: What was read while it was created.
        before_dispatch: What was read after that, and before the application was called with it.
    """

    def __init__(self, headers: Headers, storage: Any) -> None:
        self.names: set[str] = _Names()
        self.headers = headers
        self.session: Any = None
        self.session_watchers = 0
        self.has_query = True
        self.created = False
        self.first: frozenset[str] = frozenset()
        self.before_dispatch: frozenset[str] = frozenset()
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
            recorder = _CookieRecorder(self)
            self._recording_cookies = recording_copy(self.cookies, recorder)
            attributes(self._recording_cookies)["starting_with"] = recorder.starting_with
        return self._recording_cookies

    def start_dispatch(self) -> None:
        """Set apart what was read until now, at first by Quart itself."""
        self.before_dispatch |= self.names
        self.names = _Names()

    def keep_reads_before_dispatch(self) -> None:
        """Count what was read before the dispatch, too."""
        self.names.update(self.before_dispatch)
        self.before_dispatch = frozenset()

    def add_name(self, name: str) -> None:
        """Record that a header was read."""
        if (read := _read_of_header(name)) is not None:
            self.names.add(read)
            self.client_reads += read == CLIENT

    def add_presence(self, name: str) -> None:
        """Record that somebody asked whether there is a header."""
        if (read := _read_of_header(name)) is not None:
            self.names.add(COOKIE_HEADER if read == COOKIES else read)

    def add_all(self) -> None:
        """Record that all headers were read."""
        self.names.add(HEADERS)

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
            if name not in covered and not varies(name, vary) and self.has(name, vary)
        ]

    def absent(
        self, names: Iterable[str], vary: Collection[str], covered: Collection[str]
    ) -> tuple[str, ...]:
        """Return those of *names* that the request lacks, and that are not part of the key."""
        return tuple(
            sorted(
                name
                for name in names
                if name not in covered and not varies(name, vary) and not self.has(name, vary)
            )
        )

    def has(self, name: str, vary: Collection[str] = ()) -> bool:
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

    def loading_into_globals(self) -> _LoadingIntoGlobals:
        """See :func:`quartpatterns._shared.visitors.loading_into_globals`."""
        return _LoadingIntoGlobals(self)

    def _session_has(self, key: str) -> bool:
        if self.session is None:
            return True
        if key:
            return key in self.session
        name = current_app.session_interface.get_cookie_name(current_app)
        return bool(self.session) or name in self.cookies


class _LoadingIntoGlobals:
    """Records what is read in this context for those who read what it sets in ``g``.

    It is a class, because each request needs one or two, and a generator takes twice as long.
    """

    __slots__ = (
        *("_attributes", "_before", "_context", "_globals"),
        *("_reader", "_reads", "_request", "_tokens"),
    )

    def __init__(self, reads: RequestReads) -> None:
        self._reads = reads

    def __enter__(self) -> None:
        self._before = set(self._reads.names)
        self._globals, self._context = record_globals(), copy_context()
        context: Any = request_ctx
        self._request = context._get_current_object().request
        self._attributes = attributes(self._request).copy()
        self._reader = Reader(None)
        self._tokens = current_reader.set(self._reader), loaded_globals.set(())

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        current_reader.reset(self._tokens[0])
        loaded_globals.reset(self._tokens[1])
        names = self._reader.names
        if kind is not None or self._has_set_elsewhere():
            for name in names:
                self._reads.names.add(name)
            return
        known = self._globals
        set_now = {
            name
            for name, value in record_globals().items()
            if (name not in known or known[name] is not value) and not is_resource(value)
        }
        self._reads.names.difference_update(names - self._before)
        if set_now:
            context: Any = app_ctx
            current = context._get_current_object().g
            now = Loaded(weak_reference(current), frozenset(set_now), self._reads.names, names)
            # A task that handles many requests would collect the records of all of them.
            alive = (one for one in loaded_globals.get() if one.globals() is not None)
            loaded_globals.set((*alive, now))

    def _has_set_elsewhere(self) -> bool:
        """Return whether an attribute of the request or a context variable was set."""
        now, before = attributes(self._request), self._attributes
        if [*now] != [*before] or not all(map(is_, now.values(), before.values())):
            changed = [name for name in now if now[name] is not before.get(name, self)]
            changed += before.keys() - now.keys()
            if not usual_attributes(kind_of(self._request)).issuperset(changed):
                return True
        context = self._context
        for variable, value in copy_context().items():
            if context.get(variable, self) is not value and is_unknown(variable, context, value):
                return True
        return False


@lru_cache(maxsize=1024)
def _read_of_header(name: str) -> str | None:
    """Return the name of what is read with a header, or None if it tells nobody apart."""
    lower = name.lower()
    if lower == "cookie":
        return COOKIES
    if lower == "remote-addr":  # Quart adds it.
        return CLIENT
    return None if is_harmless(lower) else f"header {lower}"


def connections() -> list[Any]:
    """Return the contexts of the current request and websocket."""
    proxies: tuple[Any, ...] = (request_ctx, websocket_ctx)
    return [proxy._get_current_object() for proxy in proxies if proxy]


def record_session(context: Any, reads: RequestReads) -> None:
    """Let a context return a session that records who reads it."""
    reads.session_watchers += 1
    kind = kind_of(context)
    if not getattr(kind, "quartpatterns_is_recording", False):
        reads.session = _session_of(context, kind)
        context.__class__ = _recording_context_class(kind)


def end_recording(context: Any, reads: RequestReads) -> None:
    """Let a context return the session itself again, unless another function is watched."""
    reads.session_watchers -= 1
    kind = kind_of(context)
    if reads.session_watchers <= 0 and getattr(kind, "quartpatterns_is_recording", False):
        context.__class__ = kind.__base__


@contextmanager
def recording_session(context: Any, reads: RequestReads) -> Generator[None]:
    """Record what is read of the session, at least in this context."""
    record_session(context, reads)
    try:
        yield
    finally:
        end_recording(context, reads)


def returns_recording(context: Any) -> bool:
    """Return whether Quart itself reads the attribute that records, to save the session."""
    return "session" in attributes(context)


def _session_of(context: Any, kind: Any) -> Any:
    own = attributes(context)
    # FaithfulQuart has a property, whose reading counts as access.
    return own["session"] if "session" in own else own.get("_session")


@lru_cache(maxsize=64)
def _recording_context_class(kind: Any) -> Any:
    """Return a subclass of a class of contexts whose session records who reads it."""
    inherited: Any = getattr(kind, "session", None)

    def get(self: Any) -> Any:
        own = attributes(self)
        session = own["session"] if inherited is None else inherited.__get__(self, kind)
        if session is None or type(session) is RecordingSession:
            return session
        recording = own.get(_RECORDING)
        if recording is None or recording.quartpatterns_original is not session:
            reads: RequestReads = attributes(own["request_websocket"])[READS]
            recording = own[_RECORDING] = RecordingSession(session, reads.names)
        return recording

    def set_(self: Any, session: Any) -> None:
        own = attributes(self)
        if inherited is None:
            own["session"] = session
        else:
            inherited.__set__(self, session)
        attributes(own["request_websocket"])[READS].session = _original(session)

    namespace: dict[str, Any] = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "session": property(get, set_),
        "quartpatterns_is_recording": True,
    }
    return type(kind.__name__, (kind,), namespace)


def _original(session: Any) -> Any:
    if type(session) is RecordingSession:
        return object.__getattribute__(session, "quartpatterns_original")
    return session
