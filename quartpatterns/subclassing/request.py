"""The request and the websocket: limits and errors of reading the body, and the host."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NoReturn, overload

from hypercorn.typing import HTTPScope, WebsocketScope
from quart import Quart, has_app_context
from quart.formparser import FormDataParser
from quart.globals import _cv_app, current_app
from quart.wrappers import Request, Websocket
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.datastructures import Headers
from werkzeug.exceptions import (
    BadRequest,
    RequestEntityTooLarge,
    RequestTimeout,
    UnsupportedMediaType,
)
from werkzeug.sansio.utils import get_content_length, get_host
from werkzeug.utils import cached_property
from werkzeug.wrappers import Request as WerkzeugRequest

from quartpatterns._shared import sliced_json
from quartpatterns._shared.time_limits import await_within
from quartpatterns.subclassing.body import FaithfulBody
from quartpatterns.subclassing.debugging import DebugFiles
from quartpatterns.subclassing.environ import EnvironOfRequest
from quartpatterns.subclassing.forms import FaithfulFormDataParser
from quartpatterns.subclassing.headers import parse_headers
from quartpatterns.subclassing.routing import path_inside_mount

__all__ = [
    "FaithfulRequest",
    "FaithfulWebsocket",
    "JSONErrors",
    "RequestLimits",
    "UnsupportedAttribute",
    "client_address",
    "create_request",
]


def create_request(app: Quart, scope: Any, send_push_promise: Any) -> Request:
    """Return the request that an ASGI scope describes.

    Arguments:
        app: The application.
        scope: The scope.
        send_push_promise: The function that sends a push promise.
    """
    config: Any = app.config
    root_path = scope.get("root_path", "")
    path = path_inside_mount(scope["path"], root_path)
    request = app.request_class(
        scope["method"],
        scope["scheme"],
        path or "/",
        scope["query_string"],
        parse_headers(scope["headers"]),
        root_path,
        scope["http_version"],
        scope,
        max_content_length=config["MAX_CONTENT_LENGTH"],
        body_timeout=config["BODY_TIMEOUT"],
        send_push_promise=send_push_promise,
    )
    request.path_info = path  # type: ignore[attr-defined]
    request.remote_addr = client_address(scope)
    return request


def client_address(scope: Any) -> str:
    """Return the client's address from the ASGI scope.

    Quart reads it from the header ``Remote-Addr``, which the client can send as well.
    """
    address: str = (scope.get("client") or ("<local>",))[0]
    return address


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
    """A view can set the size limit of its request, and the limit counts all bytes of the body."""

    body_class = FaithfulBody
    body: FaithfulBody
    form_data_parser_class = FaithfulFormDataParser
    _form_parsed = False
    _cached_data: bytes | None = None
    # What views have assigned, by the name of the setting.
    _assigned_limits: Mapping[str, int | None] = MappingProxyType({})

    def __init__(
        self,
        method: str,
        scheme: str,
        path: str,
        query_string: bytes,
        headers: Headers,
        root_path: str,
        http_version: str,
        scope: HTTPScope,
        *,
        max_content_length: int | None = None,
        body_timeout: int | None = None,
        send_push_promise: Callable[[str, Headers], Awaitable[None]],
    ) -> None:
        # It does what the three methods of Quart and Werkzeug do, in a third of their time.
        self.method = method.upper()
        self.scheme = scheme
        self.server = scope.get("server")
        self.root_path = root_path.rstrip("/")
        self.path = "/" + path.lstrip("/")
        self.query_string = query_string
        self.headers = headers
        self.remote_addr = headers.get("Remote-Addr")
        self.http_version = http_version
        self.scope = scope
        self.body_timeout = body_timeout
        # A view can replace the body by a wrapper, for example to compute a checksum.
        self.body = self._counted_body = self.body_class(self.content_length, max_content_length)
        self._form = self._files = None
        self._parsing_lock = self.lock_class()
        self._send_push_promise = send_push_promise

    async def close(self) -> None:
        """Close the files of the form, if it has any."""
        if self._files:
            await super().close()

    @property
    def content_length(self) -> int | None:
        """The declared length of the body in bytes, or ``None``."""
        headers = self.headers
        if "Content-Length" not in headers:
            return None
        return get_content_length(headers["Content-Length"], headers.get("Transfer-Encoding"))

    @property
    def max_content_length(self) -> int | None:
        """The limit in bytes; as in Flask a view can assign it."""
        limit = self._assigned_limits.get("MAX_CONTENT_LENGTH")
        return _setting("MAX_CONTENT_LENGTH", None) if limit is None else limit

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._assign_limit("MAX_CONTENT_LENGTH", value)
        self._apply_limit()

    @property
    def max_form_memory_size(self) -> int | None:
        """The limit in bytes of a field that is not a file; a view can assign it.

        Outside of an application context it is Werkzeug's default. In Quart there is no limit.
        """
        limit = self._assigned_limits.get("MAX_FORM_MEMORY_SIZE")
        if limit is None:
            return _setting("MAX_FORM_MEMORY_SIZE", WerkzeugRequest.max_form_memory_size)
        return limit

    @max_form_memory_size.setter
    def max_form_memory_size(self, value: int | None) -> None:
        self._assign_limit("MAX_FORM_MEMORY_SIZE", value)

    @property
    def max_form_parts(self) -> int | None:
        """The limit of the number of fields and files; a view can assign it.

        Outside of an application context it is Werkzeug's default. In Quart there is no limit.
        """
        limit = self._assigned_limits.get("MAX_FORM_PARTS")
        if limit is None:
            return _setting("MAX_FORM_PARTS", WerkzeugRequest.max_form_parts)
        return limit

    @max_form_parts.setter
    def max_form_parts(self, value: int | None) -> None:
        self._assign_limit("MAX_FORM_PARTS", value)

    def _assign_limit(self, name: str, value: int | None) -> None:
        self._assigned_limits = {**self._assigned_limits, name: value}

    def _apply_limit(self) -> int | None:
        limit = self.max_content_length
        # Outside of an application context the limit is the argument of this class.
        if limit is not None or has_app_context():
            self._counted_body.limit = limit
        return limit

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

        The body of a form that has been parsed is empty, unless this method was called before.

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
            data: bytes = await await_within(self.body_timeout, _awaited(self.body))
        except TimeoutError as error:
            raise RequestTimeout from error
        return data

    async def _load_form_data(self) -> None:
        async with self._parsing_lock:
            if self._form is not None:
                return
            if not self.content_type:
                # As in Flask, the body is not read.
                self._form = self.parameter_storage_class()
                self._files = self.parameter_storage_class()
                return
            parser = self.make_form_data_parser()
            parsing: Any = parser.parse(
                self.body, self.mimetype, self.content_length, self.mimetype_params
            )
            try:
                # Not asyncio.wait_for(), which starts a task before Python 3.12.
                self._form, self._files = await await_within(self.body_timeout, parsing)
            except TimeoutError as error:
                raise RequestTimeout from error

    @property
    def _is_form(self) -> bool:
        """Whether the parser reads a body of this content type."""
        return self.mimetype in self.form_data_parser_class.parse_functions

    def make_form_data_parser(self) -> FormDataParser:
        """Return the parser, once the declared length has been compared with the limit."""
        limit = self._apply_limit()
        if self.content_type:
            # As in Flask this includes content types that the parser can't read.
            self._counted_body.check_declared_length()
        self._form_parsed = self._is_form
        return self.form_data_parser_class(
            max_content_length=limit,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            cls=self.parameter_storage_class,
        )


def _setting(name: str, default: int | None) -> int | None:
    """Return a setting of the current application, or *default* if there is none."""
    # Not current_app: each access to the proxy takes as long as the rest.
    context = _cv_app.get(None)
    if context is None:
        return default
    value: int | None = context.app.config[name]
    return value


async def _awaited(body: Awaitable[bytes]) -> bytes:
    return await body


@lru_cache(1024)
def _checked_host(
    scheme: str,
    host: str | None,
    server: tuple[str, int | None] | None,
    trusted_hosts: tuple[str, ...] | None,
) -> str:
    return get_host(scheme, host, server, trusted_hosts)


class CheckedHost(BaseRequestWebsocket):
    """Caches which hosts are valid, because each request needs its host to build URLs."""

    @cached_property
    def host(self) -> str:
        """The host and port of the request, as :attr:`werkzeug.wrappers.Request.host`."""
        server, trusted, host = self.server, self.trusted_hosts, self.headers.get("Host")
        if server is not None and type(server) is not tuple:
            return get_host(self.scheme, host, server, trusted)
        if isinstance(trusted, str):
            trusted = (trusted,)
        return _checked_host(self.scheme, host, server, tuple(trusted) if trusted else None)


@lru_cache(1024)
def _blueprints_of(endpoint: str) -> tuple[str, ...]:
    """Return ``("a.b", "a")`` for ``a.b.view``."""
    names = endpoint.split(".")[:-1]
    return tuple(".".join(names[:count]) for count in range(len(names), 0, -1))


class FaithfulRequest(DebugFiles, JSONErrors, RequestLimits, EnvironOfRequest, CheckedHost):
    """The request class of :class:`~quartpatterns.subclassing.FaithfulQuart`.

    .. versionadded:: 0.1

    Attributes:
        path_info: The path below the mount point as it was sent, or ``None`` if the request is
            not for a path below it.
    """

    path_info: str | None

    stream: Any = UnsupportedAttribute(  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]
        "use request.body: 'async for data in request.body', or 'await request.body'"
    )
    input_stream = UnsupportedAttribute("use request.body")

    @property
    def blueprints(self) -> list[str]:
        """The names of the blueprint and its parents. Most requests have no blueprint."""
        # Quart's property imports a function each time, and this is read several times.
        if self.url_rule is None or "." not in self.url_rule.endpoint:
            return []
        return list(_blueprints_of(self.url_rule.endpoint))


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
