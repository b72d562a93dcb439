"""What a view answers: rows 4, 5, 6, 33 and 41."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportPrivateUsage=false, reportUnknownMemberType=false

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from inspect import isawaitable
from typing import Any, Self

from quart import Request
from quart.wrappers.response import DataBody, Response, ResponseBody
from werkzeug.datastructures import Headers
from werkzeug.http import remove_entity_headers
from werkzeug.urls import iri_to_uri
from werkzeug.utils import get_content_type
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns.subclassing.ranges import RangedBody
from quartpatterns.subclassing.streams import FaithfulIterableBody

__all__ = [
    "CloseCallbacks",
    "ConditionalResponse",
    "FaithfulResponse",
    "ResponseData",
    "ResponseJSON",
    "conditions",
]

OnClose = Callable[[], Any]


class ResponseData(Response):
    """A body from all that Flask takes: ``bytearray``, lists of parts, any iterator (2, 4).

    A list or tuple is joined at once and so has a ``Content-Length``, as in Flask.
    """

    iterable_body_class = FaithfulIterableBody

    def __init__(
        self,
        response: ResponseBody
        | str
        | bytes
        | bytearray
        | Iterable[Any]
        | AsyncIterable[Any]
        | None = None,
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

    def wire_headers(self) -> Headers:
        """The headers as they are sent: completed, and without those the status forbids."""
        status = self.status_code
        headers = self.headers
        names = {name.lower() for name, _ in headers}
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
    """``get_json(silent=)`` means what it says: Quart's raises when it is silent (row 33)."""

    async def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Parse the body as JSON.

        Arguments:
            force: Parse whatever the content type is.
            silent: Answer ``None`` where it can't be parsed.

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
    """Ranges and conditions as Werkzeug's own response judges them (rows 5 and 6)."""

    async def make_conditional(
        self,
        request: Request,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Self:
        """Answer 206, 304 or 412 where the request's headers ask for it.

        A Werkzeug response with the same headers decides, so that suffix ranges, dates, entity
        tags and errors are Flask's.

        Arguments:
            request: The request whose headers count.
            accept_ranges: Whether ranges are served, or their unit.
            complete_length: The length of the whole body in bytes; no ranges without it.

        Raises:
            RequestedRangeNotSatisfiable: The range lies outside; the answer carries the length.
        """
        twin = WerkzeugResponse(status=self.status, headers=self.headers)
        twin.automatically_set_content_length = False
        dated = "date" in self.headers
        twin.make_conditional(conditions(request), accept_ranges, complete_length)
        if not dated:
            # An ASGI server dates its answers itself.
            self.headers.remove("Date")
        self.status = twin.status
        if self.status_code == 206:
            start, stop = twin.content_range.start or 0, twin.content_range.stop or 0
            if isinstance(self.response, DataBody):
                await self.response.make_conditional(start, stop)
            else:
                self.response = RangedBody(self.response, start, stop)
        return self


def conditions(request: Request) -> dict[str, Any]:
    """The part of a WSGI environment that conditions are read from."""
    environ: dict[str, Any] = {"REQUEST_METHOD": request.method}
    for name in ("Range", "If-Range", "If-Modified-Since", "If-None-Match", "If-Match"):
        if (value := request.headers.get(name)) is not None:
            environ["HTTP_" + name.upper().replace("-", "_")] = value
    return environ


class CloseCallbacks(Response):
    """Functions that run when the answer has been sent, or could not be (row 41)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_close: list[OnClose] = []

    def call_on_close(self, func: OnClose) -> OnClose:
        """Call *func*, which may be a coroutine function, at the end of the answer.

        The callbacks run when the last byte has been sent, and also when the client left.
        """
        self.on_close.append(func)
        return func

    async def close(self) -> None:
        """Run what was registered; the connection calls this when the body has ended."""
        callbacks, self.on_close = self.on_close, []
        for func in callbacks:
            result: Awaitable[Any] | Any = func()
            if isawaitable(result):
                await result


class FaithfulResponse(ConditionalResponse, ResponseJSON, ResponseData, CloseCallbacks):
    """The response class of :class:`~quartpatterns.subclassing.FaithfulQuart`."""

    def __init__(
        self,
        response: Any = None,
        status: int | str | None = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        if type(response) is not str or headers is not None or content_type or not self._plain:
            super().__init__(response, status, headers, mimetype, content_type)
            return
        # Most answers are a text: its two headers are known, none has to be looked for.
        data = response.encode()
        kind = get_content_type(mimetype or self.default_mimetype or "", "utf-8")
        self.headers = Headers()
        self.headers._list = [("Content-Type", kind), ("Content-Length", str(len(data)))]
        self.status = self.default_status if status is None else status
        self.timeout = Ellipsis
        self.response = self.data_body_class(data)
        self.on_close = []

    @property
    def _plain(self) -> bool:
        """Whether a subclass has left the headers alone."""
        return self.automatically_set_content_length and self.default_mimetype is not None

    @classmethod
    def force_type(cls, response: Response | WerkzeugResponse) -> FaithfulResponse:
        """*response* as this class; a Werkzeug response hands over its body."""
        if isinstance(response, cls):
            return response
        if isinstance(response, WerkzeugResponse):
            return cls._from_werkzeug(response)
        made = cls(response.response, headers=response.headers)
        made.status = response.status
        made.timeout = response.timeout
        made.on_close = getattr(response, "on_close", [])
        return made

    @classmethod
    def _from_werkzeug(cls, response: WerkzeugResponse) -> FaithfulResponse:
        body: Any
        if response.is_sequence:
            body = DataBody(b"".join(response.iter_encoded()))
        else:
            body = cls.iterable_body_class(response.response)
        made = cls(body, headers=response.headers)
        made.status = response.status
        made.call_on_close(response.close)
        return made
