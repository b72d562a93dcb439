"""The response: what a view can return, bodies, ranges, and callbacks at the end."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from functools import lru_cache
from types import AsyncGeneratorType, EllipsisType, GeneratorType, TracebackType
from typing import Any, Self, overload

from quart import Quart, Request, has_request_context, request
from quart.typing import ResponseTypes
from quart.wrappers.response import DataBody, IterableBody, Response, ResponseBody
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.http import remove_entity_headers
from werkzeug.urls import iri_to_uri
from werkzeug.utils import get_content_type
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.calling import maybe_await
from quartpatterns._shared.threads import ThreadIterator, step_runner

__all__ = [
    "CloseCallbacks",
    "ConditionalResponse",
    "FaithfulIterableBody",
    "FaithfulResponse",
    "OnClose",
    "RangeBody",
    "ResponseData",
    "ResponseJSON",
    "ReturnValues",
    "call_on_close",
    "conditional_environ",
]

OnClose = Callable[[], Any]

# Headers that are sent as they are, in the usual spelling.
ORDINARY = frozenset({"Cache-Control", "Content-Length", "Content-Type", "Set-Cookie", "Vary"})
# Types of bodies for which FaithfulResponse makes the headers without Quart's __init__.
USUAL_TYPES = frozenset({str, bytes, AsyncGeneratorType, GeneratorType})
# Unions would be created at each call.
DATA_TYPES = (str, bytes, bytearray)
ITERATOR_TYPES = (Iterator, AsyncIterator)
# No iterators. The test whether an object is an iterator takes as long as a third of its JSON.
OTHER_TYPES = (dict, list, HTTPException, Response, WerkzeugResponse)


class FaithfulIterableBody(IterableBody):
    """A body from any iterable, which is closed at the end.

    A synchronous iterable is read in the threads for steps of generators. Quart leaves a generator
    to the garbage collector when the client disconnects, so that its ``finally`` runs at any
    time and in any thread.
    """

    def __init__(self, iterable: AsyncIterable[Any] | Iterable[Any]) -> None:
        if isinstance(iterable, Iterable):
            # Looked up now, because no application is current while the body is sent.
            self.iter: AsyncIterator[Any] = ThreadIterator(iterable, step_runner())
        else:
            self.iter = aiter(iterable)


class RangeBody(ResponseBody):
    """The bytes of *body* from *start* to before *stop*.

    Quart's bodies for data and files can start at a position. Of other bodies the beginning is
    read and dropped.
    """

    def __init__(self, body: Any, start: int, stop: int) -> None:
        self.body = body
        self.start = start
        self.stop = stop

    async def __aenter__(self) -> AsyncIterator[bytes]:
        skip = self.start
        if hasattr(self.body, "make_conditional"):
            await self.body.make_conditional(self.start, self.stop)
            skip = 0
        return self._cut(await self.body.__aenter__(), skip)

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.body.__aexit__(exc_type, exc_value, tb)

    async def _cut(self, items: Any, skip: int) -> AsyncIterator[bytes]:
        remaining = self.stop - self.start
        async for item in items:
            data = item.encode() if isinstance(item, str) else item
            if len(data) <= skip:
                skip -= len(data)
                continue
            data = data[skip : skip + remaining]
            skip = 0
            remaining -= len(data)
            yield data
            if not remaining:
                return


@lru_cache(128)
def _content_type(mimetype: str, content_type: str | None) -> str:
    """Return the value of the header.

    Raises:
        ValueError: It contains a line break.
    """
    if content_type is None:
        content_type = get_content_type(mimetype, "utf-8")
    value: str = Headers({"Content-Type": content_type})["Content-Type"]
    return value


class AssignedHeaders:
    """An attribute for headers, to which a mapping or a list of pairs can be assigned as well."""

    @overload
    def __get__(self, response: None, owner: type) -> Self: ...
    @overload
    def __get__(self, response: object, owner: type) -> Headers: ...
    def __get__(self, response: Any, owner: type) -> Any:
        return self if response is None else response.__dict__["headers"]

    def __set__(self, response: Any, headers: Any) -> None:
        if not isinstance(headers, Headers):
            headers = Headers(headers)
        response.__dict__["headers"] = headers


class ResponseData(Response):
    """A body from everything that Flask accepts: ``bytearray``, lists of parts, any iterator.

    A list or tuple is joined at once and has a ``Content-Length``, as in Flask.
    """

    headers = AssignedHeaders()  # pyright: ignore[reportAssignmentType]
    iterable_body_class = FaithfulIterableBody

    def __init__(
        self,
        response: Any = None,
        status: int | str | None = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        if isinstance(response, bytearray | memoryview):
            response = bytes(response)
        elif isinstance(response, list | tuple):
            parts = [part.encode() if isinstance(part, str) else part for part in response]
            response = self.data_body_class(b"".join(parts))
        elif response is None:
            response = self.data_body_class(b"")
        super().__init__(response, status, headers, mimetype, content_type)  # type: ignore[arg-type]

    def set_data(self, data: Any) -> None:
        """Replace the body by *data*, a string or what ``bytes()`` takes."""
        super().set_data(data if isinstance(data, str | bytes) else bytes(data))

    def wire_headers(self) -> Headers:
        """Return the headers to send: completed, and without those the status forbids."""
        status = self.status_code
        headers = self.headers
        pairs = headers._list
        if status == 200 and len(pairs) > 1 and pairs[1][0] == "Content-Length":
            if ORDINARY.issuperset(dict(pairs)):
                return headers
        names = [name.lower() for name, _ in pairs]
        for name in ("location", "content-location"):
            if name in names:
                headers[name] = iri_to_uri(headers.getlist(name)[-1])
        if status == 304:
            remove_entity_headers(headers)
        elif status == 204 or 100 <= status < 200:
            headers.remove("Content-Length")
        elif "content-length" not in names and self.automatically_set_content_length:
            if isinstance(self.response, DataBody):
                headers["Content-Length"] = str(self.response.end - self.response.begin)
        return headers


class ResponseJSON(Response):
    """``get_json(silent=True)`` returns ``None`` for invalid JSON; Quart has it reversed."""

    async def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Parse the body as JSON.

        Arguments:
            force: Parse it whatever the content type is.
            silent: Return ``None`` if it can't be parsed.

        Raises:
            ValueError: It can't be parsed.
        """
        if not (force or self.is_json):
            return None
        data = await self.get_data(as_text=False)
        try:
            return self.json_module.loads(data)
        except ValueError:
            if silent:
                return None
            raise


class ConditionalResponse(Response):
    """Ranges and conditions as in Werkzeug's own response."""

    async def make_conditional(
        self,
        request: Request,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Self:
        """Change this response to 206, 304 or 412 if the request's headers ask for it.

        A Werkzeug response with the same headers decides, so that suffix ranges, dates, entity
        tags and errors are the same as in Flask.

        Arguments:
            request: The request.
            accept_ranges: Whether ranges are supported, or their unit.
            complete_length: The length of the whole body in bytes; ranges need it.

        Raises:
            RequestedRangeNotSatisfiable: The range is outside of the body.
        """
        model = WerkzeugResponse(status=self.status, headers=self.headers)
        model.automatically_set_content_length = False
        has_date = "date" in self.headers
        model.make_conditional(conditional_environ(request), accept_ranges, complete_length)
        if not has_date:
            # An ASGI server adds the date itself.
            self.headers.remove("Date")
        self.status = model.status
        if self.status_code == 206:
            start, stop = model.content_range.start or 0, model.content_range.stop or 0
            if isinstance(self.response, DataBody):
                await self.response.make_conditional(start, stop)
            else:
                self.response = RangeBody(self.response, start, stop)
        return self


def conditional_environ(request: Request) -> dict[str, Any]:
    """Return the part of a WSGI environment that ranges and conditions are read from."""
    environ: dict[str, Any] = {"REQUEST_METHOD": request.method}
    for name in ("Range", "If-Range", "If-Modified-Since", "If-None-Match", "If-Match"):
        if (value := request.headers.get(name)) is not None:
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


class CloseCallbacks(Response):
    """Functions that run when the response ends, also if the client disconnects."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_close: list[OnClose] = []

    def call_on_close(self, func: OnClose) -> OnClose:
        """Call *func*, which can be asynchronous, when the response ends or can't be sent."""
        self.on_close.append(func)
        return func

    async def close(self) -> None:
        """Call the functions. The connection calls this at the end."""
        callbacks, self.on_close = self.on_close, []
        await call_on_close(callbacks)


async def call_on_close(functions: list[OnClose]) -> None:
    """Call the functions, some of which can be asynchronous."""
    for function in functions:
        await maybe_await(function())


class FaithfulResponse(ConditionalResponse, ResponseJSON, ResponseData, CloseCallbacks):
    """The response class of :class:`~quartpatterns.subclassing.FaithfulQuart`.

    .. versionadded:: 0.1

    Attributes:
        send_timeout: The seconds after which a client that takes nothing of a stream is cut off.
            ``...`` means the setting ``STREAM_SEND_TIMEOUT``, ``None`` no limit.
        direct_passthrough: Whether the body is a file of ``send_file``, as in Flask. Functions that
            change bodies leave such a response as it is. ``get_data`` reads it nevertheless.
    """

    send_timeout: float | timedelta | EllipsisType | None = ...
    direct_passthrough = False

    def __init__(
        self,
        response: Any = None,
        status: int | str | None = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        if direct_passthrough:
            self.direct_passthrough = True
        kind = type(response)
        if (
            kind not in USUAL_TYPES
            or headers is not None
            # A subclass changes the default headers.
            or not self.automatically_set_content_length
            or self.default_mimetype is None
        ):
            super().__init__(response, status, headers, mimetype, content_type)
            return
        # Most responses have exactly these headers.
        value = _content_type(mimetype or self.default_mimetype, content_type)
        made = self.__dict__["headers"] = Headers.__new__(Headers)
        self.status = self.default_status if status is None else status
        self.timeout = Ellipsis
        self.on_close = []
        if kind is str or kind is bytes:
            data = response.encode() if kind is str else response
            made._list = [("Content-Type", value), ("Content-Length", str(len(data)))]
            self.response = self.data_body_class(data)
        else:
            made._list = [("Content-Type", value)]
            self.response = self.iterable_body_class(response)

    @classmethod
    def force_type(cls, response: Response | WerkzeugResponse) -> FaithfulResponse:
        """Return *response* as an instance of this class."""
        if isinstance(response, cls):
            return response
        if isinstance(response, WerkzeugResponse):
            body: Any
            if response.is_sequence:
                body = DataBody(b"".join(response.iter_encoded()))
            else:
                body = cls.iterable_body_class(response.response)
            made = cls(body, headers=response.headers)
            made.call_on_close(response.close)
        else:
            made = cls(response.response, headers=response.headers)
            made.timeout = response.timeout
            made.send_timeout = getattr(response, "send_timeout", ...)
            made.on_close = getattr(response, "on_close", [])
        made.status = response.status
        return made


class ReturnValues(Quart):
    """Views can return everything that Flask's can, except WSGI callables.

    Any iterator is streamed, not only generators. A status can be a string. A ``bytearray`` is
    a body. Each response is an instance of the application's ``response_class``, so that
    ``after_request`` functions can use its methods.
    """

    response_class = FaithfulResponse

    async def make_response(self, result: Any) -> ResponseTypes:
        """Convert the return value of a view, as :meth:`flask.Flask.make_response` does.

        Raises:
            TypeError: A view can't return *result*.
        """
        value, status, headers = (
            _unpack(result) if isinstance(result, tuple) else (result, None, None)
        )
        if isinstance(value, DATA_TYPES) or (
            not isinstance(value, OTHER_TYPES) and isinstance(value, ITERATOR_TYPES)
        ):
            # The class sets the headers itself: several of one name stay several.
            cls: Any = self.response_class
            made: ResponseTypes = cls(value, status, headers)
            return made
        if value is None:
            raise _invalid("returned None or ended without a return statement")
        response: ResponseTypes = self._convert(value)
        if status is not None:
            response.status = status if isinstance(status, str) else int(status)
        if headers:
            response.headers.update(headers)
        return response

    def _convert(self, value: Any) -> Any:
        cls = self.response_class
        if isinstance(value, cls):
            return value
        if isinstance(value, dict | list):
            return self.json.response(value)
        if isinstance(value, HTTPException):
            inherited = type(value).get_response is HTTPException.get_response
            if inherited and value.response is None and issubclass(cls, FaithfulResponse):
                return _error_page(cls, value)
            value = value.get_response()
        if isinstance(value, Response | WerkzeugResponse):
            return cls.force_type(value) if issubclass(cls, FaithfulResponse) else value
        raise _invalid(
            f"was a {type(value).__name__}, and not a string, bytes, dict, list, iterator,"
            " response or HTTPException"
        )


def _error_page(cls: Any, error: HTTPException) -> Any:
    """Return what ``force_type(error.get_response())`` returns, without Werkzeug's response."""
    headers = error.get_headers()
    if not headers or headers[0][0] != "Content-Type":
        return cls.force_type(error.get_response())  # It has another default type.
    if len(headers) == 1:
        return cls(error.get_body(), error.code, content_type=headers[0][1])
    return cls(error.get_body(), error.code, headers)


def _invalid(what: str) -> TypeError:
    endpoint = request.endpoint if has_request_context() else None
    return TypeError(
        f"The view function for {endpoint!r} did not return a valid response: it {what}"
    )


def _unpack(result: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Return body, status and headers of a tuple that a view has returned."""
    if len(result) == 3:
        return result
    if len(result) == 2:
        value, second = result
        if isinstance(second, Headers | dict | tuple | list):
            return value, None, second
        return value, second, None
    raise TypeError(
        "The view function did not return a valid response tuple: the tuple must have the form"
        " (body, status, headers), (body, status), or (body, headers)"
    )
