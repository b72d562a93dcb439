"""The response as extensions of Flask see it in their ``after_request`` functions."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from io import BufferedReader, BytesIO
from typing import Any

from quart import request as current_request
from quart.wrappers.response import DataBody
from werkzeug.wsgi import FileWrapper

from quartpatterns.subclassing.bridge.contexts import result_or_awaitable
from quartpatterns.subclassing.response import FaithfulResponse

__all__ = ["BridgedResponse"]


class BridgedResponse(FaithfulResponse):
    """A response whose methods return results in a thread, and awaitables on the event loop.

    Quart runs synchronous ``after_request`` functions in a thread. There the response behaves as in
    Flask.

    Arguments:
        response: The body.
        args: Arguments of the response class.
        direct_passthrough: Whether the body is a file, which Flask's ``send_file`` says.
        kwargs: Arguments of the response class.
    """

    direct_passthrough = False

    def __init__(
        self, response: Any = None, *args: Any, direct_passthrough: bool = False, **kwargs: Any
    ) -> None:
        if direct_passthrough and isinstance(response, FileWrapper):
            response = self._file_body(response)
        super().__init__(response, *args, **kwargs)
        self.direct_passthrough = direct_passthrough

    def _file_body(self, wrapper: FileWrapper) -> Any:
        """Return a body that is read on the event loop, and can start at any position."""
        file: Any = wrapper.file
        if isinstance(file, BytesIO):
            return self.io_body_class(file)
        if isinstance(file, BufferedReader) and isinstance(file.name, str):
            file.close()
            return self.file_body_class(file.name)
        return wrapper

    def get_data(self, as_text: bool = False) -> Any:
        """Return the body. *as_text* is ``False`` by default, as in Flask."""
        return result_or_awaitable(super().get_data(as_text))

    @property
    def data(self) -> Any:
        """The body."""
        return self.get_data(as_text=False)

    @data.setter
    def data(self, value: str | bytes) -> None:
        self.set_data(value)

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """Return the body as JSON."""
        return result_or_awaitable(super().get_json(force, silent))

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return self.get_json()

    def add_etag(self, overwrite: bool = False, weak: bool = False) -> Any:
        """Add an entity tag."""
        return result_or_awaitable(super().add_etag(overwrite, weak))

    def freeze(self) -> Any:
        """Buffer the body."""
        return result_or_awaitable(super().freeze())

    def make_sequence(self) -> Any:
        """Buffer the body."""
        return result_or_awaitable(super().make_sequence())

    def make_conditional(
        self,
        request: Any,
        accept_ranges: bool | str = False,
        complete_length: int | None = None,
    ) -> Any:
        """Change this response to 206, 304 or 412 if the request's headers ask for it.

        Arguments:
            request: The request, or a WSGI environment, for which Flask's ``send_file`` asks.
            accept_ranges: Whether ranges are supported, or their unit.
            complete_length: The length of the whole body in bytes; ranges need it.
        """
        asked = current_request._get_current_object() if isinstance(request, dict) else request  # type: ignore[attr-defined]
        return result_or_awaitable(super().make_conditional(asked, accept_ranges, complete_length))

    @property
    def is_sequence(self) -> bool:
        """Whether the body is in memory."""
        return isinstance(self.response, DataBody)

    @property
    def is_streamed(self) -> bool:
        """Whether the body is not in memory."""
        return not self.is_sequence
