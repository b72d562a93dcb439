"""The request: its headers, its body, and the limits and errors of reading it."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from functools import lru_cache
from typing import Any, Literal, NoReturn, overload

from hypercorn.typing import WebsocketScope
from quart import has_app_context
from quart.formparser import FormDataParser
from quart.globals import current_app
from quart.wrappers import Request, Websocket
from quart.wrappers.base import BaseRequestWebsocket
from quart.wrappers.request import Body
from werkzeug.datastructures import Headers
from werkzeug.exceptions import (
    BadRequest,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from werkzeug.sansio.utils import get_host
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request as WerkzeugRequest

from quartpatterns._shared import sliced_json
from quartpatterns.subclassing.debugging import DebugFiles
from quartpatterns.subclassing.forms import FaithfulFormDataParser
from quartpatterns.subclassing.routing import path_inside_mount

__all__ = [
    "FaithfulBody",
    "FaithfulRequest",
    "FaithfulWebsocket",
    "JSONErrors",
    "RequestHeaders",
    "RequestLimits",
    "UnsupportedAttribute",
    "client_address",
    "parse_headers",
]

# Headers whose repetition makes a request ambiguous: a proxy may read another of the values than
# the application. gunicorn refuses the same three.
SINGLE = frozenset({"Content-Length", "Content-Type", "Host"})
SEPARATORS = {"Cookie": "; "}


@lru_cache(1024)
def _decode_header_name(name: bytes) -> str:
    """Return ``X-Id`` for ``b"x-id"``, as WSGI spells it.

    A site receives a few dozen names, so the cache serves nearly all. It is bounded, because a
    client can invent names.
    """
    return name.decode("latin1").title()


class _List:
    """Makes the list of :class:`RequestHeaders` when one of Werkzeug's methods needs it."""

    def __get__(self, headers: RequestHeaders, owner: type) -> list[tuple[str, str]]:
        if (values := headers.values_by_name) is not None:
            headers._list = list(values.items())
            # The method can change the list. From now on it alone is right.
            headers.values_by_name = None
        pairs: list[tuple[str, str]] = headers.__dict__["_list"]
        return pairs


class RequestHeaders(Headers):
    """The headers of a request, with one value for each name, as in a WSGI environment.

    A dictionary answers the usual look-ups. Most names that are looked up are absent, and for
    each of them Werkzeug searches its list and creates an exception with an error page. The
    first use of any other method makes Werkzeug's list, which replaces the dictionary.

    Arguments:
        defaults: Headers in a form that :class:`werkzeug.datastructures.Headers` accepts.

    Attributes:
        values_by_name: The values, or ``None`` when the list has replaced them.
        repeated: The names of the headers that must not be repeated, and were.
    """

    _list: Any = _List()
    values_by_name: dict[str, str] | None = None
    repeated: tuple[str, ...] = ()

    @classmethod
    def of(cls, values_by_name: dict[str, str]) -> RequestHeaders:
        """Return headers with these values, whose names are spelt as in ``X-Id``."""
        headers = cls.__new__(cls)
        headers.values_by_name = values_by_name
        return headers

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str) and (value := self.get(key)) is not None:
            return value
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        if (values := self.values_by_name) is not None and isinstance(key, str):
            return key in values or key.title() in values
        return super().__contains__(key)  # type: ignore[operator]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        if (values := self.values_by_name) is not None:
            return iter(values.items())
        return super().__iter__()

    def __len__(self) -> int:
        return super().__len__() if (values := self.values_by_name) is None else len(values)

    def get(self, key: str, default: Any = None, type: Any = None) -> Any:  # type: ignore[override]
        """Return the value of that name, or *default*."""
        if type is None and (values := self.values_by_name) is not None:
            return values[key] if key in values else values.get(key.title(), default)
        inherited: Any = super().get
        return inherited(key, default, type)

    def getlist(self, key: str, type: Any = None) -> Any:
        """Return the values of that name: one, or none, unless the headers were changed."""
        if type is None and self.values_by_name is not None:
            value = self.get(key)
            return [] if value is None else [value]
        inherited: Any = super().getlist
        return inherited(key, type)


def parse_headers(raw: Iterable[tuple[bytes, bytes]]) -> RequestHeaders:
    """Return the headers that the client sent. Quart would add a ``Remote-Addr``.

    The values of a repeated header are joined with a comma, as in WSGI (RFC 9110, section 5.2),
    and those of ``Cookie`` with a semicolon (RFC 9113, section 8.2.3).
    """
    # The server has checked the values for line breaks. Headers.add() would check them again.
    pairs = raw if isinstance(raw, list) else list(raw)
    values = {_decode_header_name(name): value.decode("latin1") for name, value in pairs}
    return RequestHeaders.of(values) if len(values) == len(pairs) else _join_headers(pairs)


def _join_headers(raw: list[tuple[bytes, bytes]]) -> RequestHeaders:
    found: dict[str, list[str]] = {}
    for raw_name, raw_value in raw:
        # The values are joined once: joining one by one copies the growing value each time.
        found.setdefault(_decode_header_name(raw_name), []).append(raw_value.decode("latin1"))
    headers = RequestHeaders.of(
        {
            name: values[0] if name in SINGLE else SEPARATORS.get(name, ", ").join(values)
            for name, values in found.items()
        }
    )
    headers.repeated = tuple(name for name in found if name in SINGLE and len(found[name]) > 1)
    return headers


def client_address(scope: Any) -> str:
    """Return the client's address from the ASGI scope.

    Quart reads it from the header ``Remote-Addr``, which the client can send as well.
    """
    address: str = (scope.get("client") or ("<local>",))[0]
    return address


class FaithfulBody(Body):
    """A request body that is received only as fast as it is read.

    Quart receives as fast as the client sends, so a slow view fills the memory. Quart also
    compares its limit with what is buffered at the moment, so a fast view reads more than the
    limit. Here a reader asks the server for data when it needs some, the buffer holds about
    :attr:`high_water` bytes beyond that, and the limit counts all bytes received.

    .. versionadded:: 0.1

    Arguments:
        expected_content_length: The declared length in bytes, or ``None``.
        max_content_length: The limit in bytes, or ``None``.
    """

    high_water = 64 * 1024

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        # Quart's __init__ is not called: it creates two events for each request.
        self.declared = expected_content_length
        self.limit = max_content_length
        self.received = 0
        self.complete = False
        self.discarding = False
        # Receives one message from the server. Without it, append() is called from outside.
        self.receive: Callable[[], Awaitable[None]] | None = None
        self._buffer = bytearray()
        self._collectors = 0
        self._waiters: list[asyncio.Future[None]] = []

    def __aiter__(self) -> FaithfulBody:
        return self

    async def __anext__(self) -> bytes:
        self.check_limit()
        while not self._buffer:
            if self.complete:
                raise StopAsyncIteration
            await self._receive_more()
        data = bytes(self._buffer[: self.high_water])
        del self._buffer[: self.high_water]
        self.notify()
        return data

    def __await__(self) -> Generator[Any, None, bytes]:
        return self._read_all().__await__()

    async def _read_all(self) -> bytes:
        """Return the whole body, which stays in the buffer for later calls."""
        self.check_limit()
        self._collectors += 1
        self.notify()
        try:
            while not self.complete:
                await self._receive_more()
        finally:
            self._collectors -= 1
        return bytes(self._buffer)

    async def _receive_more(self) -> None:
        await (self.receive() if self.receive is not None else self.wait_for_change())
        self.check_limit()

    def check_declared_length(self) -> None:
        """Compare the declared length with the limit.

        Raises:
            RequestEntityTooLarge: The declared length is over the limit.
        """
        if self.limit is not None and (self.declared or 0) > self.limit:
            raise RequestEntityTooLarge

    def check_limit(self) -> None:
        """Compare the declared length and the bytes received with the limit.

        Raises:
            RequestEntityTooLarge: One of them is over the limit.
        """
        self.check_declared_length()
        if self.limit is not None and self.received > self.limit:
            raise RequestEntityTooLarge

    @property
    def full(self) -> bool:
        """Whether no more should be received until something is read."""
        return len(self._buffer) >= self.high_water and not self._collectors

    def append(self, data: bytes) -> None:
        """Add data from the server."""
        self.received += len(data)
        if not self.discarding:
            self._buffer += data
        self.notify()

    def set_complete(self) -> None:
        """Mark the end of the body."""
        self.complete = True
        self.notify()

    def clear(self) -> None:
        """Drop the data that has been received and not read."""
        self._buffer.clear()
        self.notify()

    def discard(self) -> None:
        """Drop all data, now and later, because it will not be read."""
        self.discarding = True
        self.clear()

    def keep(self) -> None:
        """Keep all data, now and later, however much there is: it is read after the request."""
        self._collectors += 1
        self.notify()

    async def wait_for_change(self) -> None:
        """Wait until data is received, read or dropped."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            self._waiters.remove(waiter)

    def notify(self) -> None:
        """Wake the tasks that wait for a change."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


class UnsupportedAttribute:
    """An attribute of Flask's that does not exist here; the error names the replacement.

    Arguments:
        instead: What to use.
    """

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> NoReturn:
        raise AttributeError(
            f"{owner.__name__!r} object has no attribute {self.name!r}: {self.instead}"
        )


class JSONErrors(Request):
    """``get_json`` answers 415 for another content type and 400 for invalid JSON."""

    _parsed_json: dict[bool, Any] | None = None

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Parse the body as JSON, as :meth:`werkzeug.wrappers.Request.get_json` does.

        Arguments:
            force: Parse it whatever the content type is.
            silent: Return ``None`` if it can't be parsed.
            cache: Keep the result for the next call.

        Raises:
            UnsupportedMediaType: The content type is not that of JSON.
            BadRequest: The body is not valid JSON, or not UTF-8, or nested too deep.
            RequestEntityTooLarge: It has more than 750,000 arrays and objects.
        """
        if self._parsed_json is None:
            self._parsed_json = {}
        if cache and silent in self._parsed_json:
            return self._parsed_json[silent]
        if not (force or self.is_json):
            return None if silent else self.on_json_loading_failed(None)
        data = await self.get_data(cache, as_text=False, parse_form_data=False)
        try:
            result = await sliced_json.loads(self.json_module, data)
        except sliced_json.TooManyContainersError as error:
            raise RequestEntityTooLarge from error
        except ValueError as error:
            result = None if silent else self.on_json_loading_failed(error)
            if cache:
                self._parsed_json[silent] = result
        else:
            if cache:
                self._parsed_json = {False: result, True: result}
        return result

    def on_json_loading_failed(self, error: Exception | None) -> Any:
        """Answer 415 if *error* is ``None``, else 400, with the reason in debug mode."""
        if error is None:
            raise UnsupportedMediaType(
                "Did not attempt to load JSON data because the request"
                " Content-Type was not 'application/json'."
            )
        if has_app_context() and current_app.debug:
            raise BadRequest(f"Failed to decode JSON object: {error}") from error
        raise BadRequest from error


class RequestLimits(Request):
    """A limit that a view can set for its request, and that counts all bytes of the body."""

    body_class = FaithfulBody
    body: FaithfulBody
    form_data_parser_class = FaithfulFormDataParser
    _form_parsed = False
    _cached_data: bytes | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A view can put a wrapper in the place of the body, for example to compute a checksum.
        self._counted_body = self.body

    @property
    def max_content_length(self) -> int | None:
        """The limit in bytes; as in Flask a view can assign it."""
        return super().max_content_length

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        Request.max_content_length.fset(self, value)  # type: ignore[attr-defined]
        self._apply_limit()

    @property
    def max_form_memory_size(self) -> int | None:
        """The limit in bytes of a field that is not a file; a view can assign it.

        Outside of an application context it is Werkzeug's default. In Quart there is no limit.
        """
        limit = super().max_form_memory_size
        if limit is None and not has_app_context():
            return WerkzeugRequest.max_form_memory_size
        return limit

    @max_form_memory_size.setter
    def max_form_memory_size(self, value: int | None) -> None:
        Request.max_form_memory_size.fset(self, value)  # type: ignore[attr-defined]

    @property
    def max_form_parts(self) -> int | None:
        """The limit of the number of fields and files; a view can assign it.

        Outside of an application context it is Werkzeug's default. In Quart there is no limit.
        """
        limit = super().max_form_parts
        if limit is None and not has_app_context():
            return WerkzeugRequest.max_form_parts
        return limit

    @max_form_parts.setter
    def max_form_parts(self, value: int | None) -> None:
        Request.max_form_parts.fset(self, value)  # type: ignore[attr-defined]

    def _apply_limit(self) -> None:
        limit = self.max_content_length
        # Outside of an application context the limit is the argument of this class.
        if limit is not None or has_app_context():
            self._counted_body.limit = limit

    @overload
    async def get_data(
        self, cache: bool, as_text: Literal[False], parse_form_data: bool
    ) -> bytes: ...

    @overload
    async def get_data(self, cache: bool, as_text: Literal[True], parse_form_data: bool) -> str: ...

    @overload
    async def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> str | bytes: ...

    async def get_data(
        self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False
    ) -> str | bytes:
        """Read the whole body, as :meth:`werkzeug.wrappers.Request.get_data` does.

        Of a form that has been parsed nothing is left, unless this method read it before.

        Arguments:
            cache: Keep it for the next call.
            as_text: Decode it; invalid UTF-8 becomes the replacement character, as in Flask.
            parse_form_data: Parse it as a form first, and return what the parser left.

        Raises:
            RequestEntityTooLarge: It is longer than :attr:`max_content_length`.
            RequestTimeout: It did not arrive within ``BODY_TIMEOUT`` seconds.
        """
        if (data := self._cached_data) is None:
            if parse_form_data:
                await self.form
            data = b"" if self._form_parsed else await self._read_body()
            if not cache:
                self.body.clear()
            elif self._is_form:
                self._cached_data = data
        return data.decode(errors="replace") if as_text else data

    async def _read_body(self) -> bytes:
        self._apply_limit()
        try:
            async with asyncio.timeout(self.body_timeout):
                data: bytes = await self.body
        except TimeoutError as error:
            raise RequestTimeout from error
        return data

    @property
    def _is_form(self) -> bool:
        """Whether the parser reads a body of this content type."""
        return self.mimetype in self.form_data_parser_class.parse_functions

    def make_form_data_parser(self) -> FormDataParser:
        """Return the parser, once the declared length has been compared with the limit."""
        self._apply_limit()
        if self.content_type:
            # As in Flask this includes content types that the parser can't read.
            self._counted_body.check_declared_length()
        self._form_parsed = self._is_form
        return super().make_form_data_parser()


@lru_cache(1024)
def _checked_host(scheme: str, host: str | None, server: tuple[str, int | None] | None) -> str:
    return get_host(scheme, host, server)


class CheckedHost(BaseRequestWebsocket):
    """Remembers which hosts are valid. Each request needs its host, to build URLs."""

    @cached_property
    def host(self) -> str:
        """The host and port of the request, as :attr:`werkzeug.wrappers.Request.host`."""
        server = self.server
        if self.trusted_hosts or (server is not None and type(server) is not tuple):
            return get_host(self.scheme, self.headers.get("Host"), server, self.trusted_hosts)
        return _checked_host(self.scheme, self.headers.get("Host"), server)


class FaithfulRequest(DebugFiles, JSONErrors, RequestLimits, CheckedHost):
    """The request class of :class:`~quartpatterns.subclassing.FaithfulQuart`.

    .. versionadded:: 0.1

    Attributes:
        path_info: The path below the mount point as it was sent, or ``None`` if the request is
            not for a path below it.
    """

    path_info: str | None

    environ = UnsupportedAttribute("use request.scope")
    stream: Any = UnsupportedAttribute(  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]
        "use request.body: 'async for data in request.body', or 'await request.body'"
    )
    input_stream = UnsupportedAttribute("use request.body")

    @property
    def blueprints(self) -> list[str]:
        """The names of the blueprint and its parents. Each request needs them three times."""
        if self.url_rule is None or "." not in self.url_rule.endpoint:
            return []
        return super().blueprints


class FaithfulWebsocket(CheckedHost, Websocket):
    """The websocket class: headers, path and address come from the ASGI scope unchanged."""

    path_info: str | None

    def __init__(
        self,
        path: str,
        query_string: bytes,
        scheme: str,
        headers: Headers,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        # As in Quart it can be the last positional argument.
        scope: WebsocketScope = kwargs["scope"] if "scope" in kwargs else args[-1]
        self.path_info = path_inside_mount(scope["path"], scope.get("root_path", ""))
        headers = parse_headers(scope["headers"])
        super().__init__(self.path_info or "/", query_string, scheme, headers, *args, **kwargs)
        self.remote_addr = client_address(scope)

    async def receive_json(self) -> Any:
        """Receive a message and parse it as JSON, without blocking if it is long.

        Raises:
            ValueError: The message is not valid JSON, or is nested too deep, or has more than
                750,000 arrays and objects.
        """
        return await sliced_json.loads(self.json_module, await self.receive())
