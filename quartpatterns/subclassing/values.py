"""What a view may return: rows 2, 3 and 4."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownArgumentType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from quart import Quart, has_request_context
from quart.globals import request
from quart.typing import ResponseTypes
from quart.wrappers import Response
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns.subclassing.response import FaithfulResponse

__all__ = ["ReturnValues"]

# Bodies that the response class is handed as they are; a union would be made anew at each call.
BODIES = (str, bytes, bytearray, Iterator, AsyncIterator)
KINDS = "a string, bytes, dict, list, iterator, response or HTTPException"


class ReturnValues(Quart):
    """Views may return all that Flask's may, but for WSGI callables.

    Any iterator is streamed, not only generators (row 2). A status may be a string (row 3). A
    ``bytearray`` is a body (row 4). Every answer is made into the application's own
    ``response_class``, so that an ``after_request`` function can rely on its methods.
    """

    response_class = FaithfulResponse

    async def make_response(self, result: Any) -> ResponseTypes:
        """Make the response that *result* stands for, as :meth:`flask.Flask.make_response` does.

        Raises:
            TypeError: *result* is none of the things that a view may return.
        """
        value, status, headers = _unpack(result)
        if value is None:
            raise TypeError(
                f"The view function for {_endpoint()!r} did not return a valid response: it"
                " returned None or ended without a return statement"
            )
        if isinstance(value, BODIES):
            # The class sets these itself: several headers of one name stay several.
            cls: Any = self.response_class
            made: ResponseTypes = cls(value, status, headers)
            return made
        response: ResponseTypes = self._make(value)
        if status is not None:
            response.status = status if isinstance(status, str) else int(status)
        if headers:
            response.headers.update(headers)
        return response

    def _make(self, value: Any) -> Any:
        cls = self.response_class
        if isinstance(value, cls):
            return value
        if isinstance(value, dict | list):
            return self.json.response(value)
        if isinstance(value, HTTPException):
            value = value.get_response()
        if isinstance(value, Response | WerkzeugResponse):
            return cls.force_type(value) if issubclass(cls, FaithfulResponse) else value
        raise TypeError(
            f"The view function for {_endpoint()!r} did not return a valid response: it returned"
            f" a {type(value).__name__}, and not {KINDS}"
        )


def _endpoint() -> str | None:
    return request.endpoint if has_request_context() else None


def _unpack(result: Any) -> tuple[Any, Any, Any]:
    """Body, status and headers of what a view returned."""
    if not isinstance(result, tuple):
        return result, None, None
    if len(result) == 3:
        return result
    if len(result) == 2:
        value, second = result
        if isinstance(second, Headers | dict | tuple | list):
            return value, None, second
        return value, second, None
    raise TypeError(
        "The view function did not return a valid response tuple: it has to be"
        " (body, status, headers), (body, status), or (body, headers)"
    )
