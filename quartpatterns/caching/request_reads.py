"""What was read of a request, from the moment in which it was created."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from contextvars import copy_context
from functools import lru_cache
from typing import Any, cast

from quart import current_app
from quart.globals import app_ctx, request_ctx, websocket_ctx
from werkzeug.datastructures import Headers
from werkzeug.sansio.http import parse_cookie

from quartpatterns.caching.recorded_globals import Loaded, loaded_globals, record_globals
from quartpatterns.caching.recorded_values import RecordingSession, recording_copy
from quartpatterns.caching.recording import (
    Reader,
    attributes,
    current_reader,
    is_resource,
    is_unknown,
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

__all__ = ["RequestReads", "connections", "record_session", "recording_session", "session_name"]


class _Names(set[str]):
    """Names of what was read, which the :class:`Reader` gets as well."""

    def add(self, name: str) -> None:
        super().add(name)
        if (reader := current_reader.get()) is not None:
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
        self.recording_headers = recording_copy(
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
            self._recording_cookies = recording_copy(
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
        if name == "Cookie":
            self.names.add(COOKIE_HEADER)
        elif (read := _read_of_header(name)) is not None:
            self.names.add(COOKIE_HEADER if read == COOKIES else read)

    def _starting_with(self, prefix: str) -> dict[str, str]:
        self.names.add(f"cookies {prefix}")
        return {name: value for name, value in self.cookies.items() if name.startswith(prefix)}

    def add_header(self, name: str) -> None:
        """Record that a header was read."""
        if (read := _read_of_header(name)) is not None:
            self.names.add(read)
            self.client_reads += read == CLIENT

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

    @contextmanager
    def loading_into_globals(self) -> Generator[None]:
        """See :func:`quartpatterns._shared.visitors.loading_into_globals`."""
        before = set(self.names)
        known, context = record_globals(), copy_context()
        own = _own_attributes()
        loaded = loaded_globals.get()
        reader = Reader(None)
        tokens = (current_reader.set(reader), loaded_globals.set(()))
        elsewhere = True
        try:
            yield
            elsewhere = _own_attributes() != own or any(
                is_unknown(variable, context, value) for variable, value in copy_context().items()
            )
        finally:
            current_reader.reset(tokens[0])
            loaded_globals.reset(tokens[1])
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
        now = Loaded(cast("Any", app_ctx).g, frozenset(set_now), self.names, reader.names)
        loaded_globals.set((*loaded, now) if set_now else loaded)

    def _session_has(self, key: str) -> bool:
        if self.session is None:
            return True
        if key:
            return key in self.session
        name = current_app.session_interface.get_cookie_name(current_app)
        return bool(self.session) or name in self.cookies


@lru_cache(maxsize=1024)
def _read_of_header(name: str) -> str | None:
    """Return the name of what is read with a header, or None if it tells nobody apart."""
    lower = name.lower()
    if lower == "cookie":
        return COOKIES
    if lower == "remote-addr":  # Quart adds it.
        return CLIENT
    return None if is_harmless(lower) else f"header {lower}"


def _own_attributes() -> dict[str, int]:
    """Return the attributes that the application has given the request, by their identity."""
    current: Any = cast("Any", request_ctx).request
    usual = usual_attributes(cast("Any", type(current)))
    return {name: id(value) for name, value in attributes(current).items() if name not in usual}


def connections() -> list[Any]:
    """Return the contexts of the current request and websocket."""
    proxies: tuple[Any, ...] = (request_ctx, websocket_ctx)
    return [proxy._get_current_object() for proxy in proxies if proxy]


def session_name(context: Any) -> str:
    # FaithfulQuart has a property, which stores the session in "_session".
    return "_session" if "_session" in attributes(context) else "session"


def record_session(context: Any, reads: RequestReads) -> None:
    """Replace the session of a context by one that records who reads it."""
    name = session_name(context)
    reads.session_watchers += 1
    current: Any = attributes(context)[name]
    if type(current) is not RecordingSession:
        reads.session = current
        attributes(context)[name] = RecordingSession(current, reads.names)


@contextmanager
def recording_session(context: Any, reads: RequestReads) -> Generator[None]:
    """Record what is read of the session, at least in this context."""
    record_session(context, reads)
    try:
        yield
    finally:
        reads.session_watchers -= 1
        if reads.session_watchers <= 0:
            attributes(context)[session_name(context)] = reads.session
