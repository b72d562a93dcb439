"""What a view asks of its request: rows 1 and 23."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from typing import Any, Literal, overload

from quart import has_app_context
from quart.globals import current_app
from quart.wrappers import Request, Websocket
from werkzeug.exceptions import BadRequest, RequestTimeout, UnsupportedMediaType

from quartpatterns.subclassing.body import FaithfulBody
from quartpatterns.subclassing.forms import FaithfulFormDataParser
from quartpatterns.subclassing.signposts import RequestSignposts

__all__ = ["FaithfulRequest", "FaithfulWebsocket", "JSONErrors", "RequestLimits"]


class JSONErrors(Request):
    """``get_json`` answers 415 for another content type, 400 for what is no JSON (row 1)."""

    async def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Parse the body as JSON, as :meth:`werkzeug.wrappers.Request.get_json` does.

        Arguments:
            force: Parse whatever the content type is.
            silent: Answer ``None`` where it can't be parsed.
            cache: Keep the result for the next call.

        Raises:
            UnsupportedMediaType: The content type is not JSON's.
            BadRequest: The body is not JSON; bytes that are not UTF-8 count as that.
        """
        if cache and self._cached_json[silent] is not Ellipsis:
            return self._cached_json[silent]
        if not (force or self.is_json):
            return None if silent else self.on_json_loading_failed(None)
        data = await self.get_data(cache, as_text=False, parse_form_data=False)
        try:
            result = self.json_module.loads(data)
        except ValueError as error:
            result = None if silent else self.on_json_loading_failed(error)
            if cache:
                self._cached_json[silent] = result
        else:
            if cache:
                self._cached_json = {False: result, True: result}
        return result

    def on_json_loading_failed(self, error: Exception | None) -> Any:
        """Answer 415 where nothing was tried, else 400, with the reason in debug mode."""
        if error is None:
            raise UnsupportedMediaType(
                "Did not attempt to load JSON data because the request"
                " Content-Type was not 'application/json'."
            )
        if has_app_context() and current_app.debug:
            raise BadRequest(f"Failed to decode JSON object: {error}") from error
        raise BadRequest from error


class RequestLimits(Request):
    """Limits that a view may set for its own request, on all bytes of the body (rows 23, 24)."""

    body_class = FaithfulBody
    body: FaithfulBody
    form_data_parser_class = FaithfulFormDataParser

    @property
    def max_content_length(self) -> int | None:
        """The most that may be read of this body, in bytes; as in Flask it may be assigned."""
        return super().max_content_length

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value
        self._set_limit()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A view may put a wrapper in its place, one that computes a checksum for instance.
        self._counted_body = self.body

    def _set_limit(self) -> None:
        self._counted_body.limit = self.max_content_length

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
        """Read the whole body.

        Arguments:
            cache: Keep it for the next call.
            as_text: Decode it; what is not UTF-8 becomes the replacement character, as in Flask.
            parse_form_data: Parse it as a form first, and answer what that leaves.

        Raises:
            RequestEntityTooLarge: It is longer than :attr:`max_content_length`.
            RequestTimeout: It did not arrive within ``BODY_TIMEOUT`` seconds.
        """
        if parse_form_data:
            await self._load_form_data()
        self._set_limit()
        try:
            async with asyncio.timeout(self.body_timeout):
                data: bytes = await self.body
        except TimeoutError as error:
            raise RequestTimeout from error
        if not cache:
            self.body.clear()
        return data.decode(errors="replace") if as_text else data

    async def _load_form_data(self) -> None:
        self._set_limit()
        async with self._parsing_lock:
            if self._form is None:
                await self._parse_form()

    async def _parse_form(self) -> None:
        if self.content_type:
            # As in Flask also where the parser finds nothing that it could read.
            self._counted_body.check_declared()
        parser = self.make_form_data_parser()
        try:
            # Not wait_for, which makes a task of it on Python 3.11.
            async with asyncio.timeout(self.body_timeout):
                self._form, self._files = await parser.parse(
                    self.body, self.mimetype, self.content_length, self.mimetype_params
                )
        except TimeoutError as error:
            raise RequestTimeout from error


class FaithfulRequest(RequestSignposts, JSONErrors, RequestLimits):
    """The request class of :class:`~quartpatterns.subclassing.FaithfulQuart`.

    Attributes:
        path_info: The path inside the application as it was sent; ``None`` where it is outside.
    """

    path_info: str | None

    @property
    def blueprints(self) -> list[str]:
        """The names of the blueprint and its parents; asked for three times a request."""
        if self.url_rule is None or "." not in self.url_rule.endpoint:
            return []
        return super().blueprints


class FaithfulWebsocket(Websocket):
    """The websocket class of :class:`~quartpatterns.subclassing.FaithfulQuart`."""

    path_info: str | None
