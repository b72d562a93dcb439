"""Forms, with Flask's limits on what is kept in memory, and files written beside the loop."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl

from quart.formparser import FormDataParser, MultiPartParser
from quart.utils import run_sync
from quart.wrappers.request import Body
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

__all__ = ["FaithfulFormDataParser", "FaithfulMultiPartParser", "blocks"]

BLOCK = 64 * 1024
# What Werkzeug's stream factory keeps of a file in memory.
SPOOL = 500 * 1024

Parsed = tuple[MultiDict[str, Any], MultiDict[str, Any]]


async def blocks(body: Body, size: int = BLOCK) -> AsyncIterator[bytes]:
    """The bytes of *body* in blocks of *size*, however they were cut on their way."""
    buffer = bytearray()
    async for data in body:
        buffer += data
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)


class FaithfulFormDataParser(FormDataParser):
    """A form parser that answers as Flask's, however a network cuts the body.

    Quart hands ``MAX_CONTENT_LENGTH`` to Werkzeug's multipart decoder in the place of
    ``MAX_FORM_MEMORY_SIZE``. The decoder holds it against its own buffer, which says nothing of
    the body: that is counted where it is received.
    """

    async def _parse_multipart(
        self, body: Body, mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Parsed:
        if not (boundary := options.get("boundary", "").encode("ascii")):
            raise ValueError("Missing boundary")
        parser = FaithfulMultiPartParser(
            cls=self.cls or MultiDict,
            file_storage_cls=self.file_storage_class,
            max_form_memory_size=self.max_form_memory_size,
            max_form_parts=self.max_form_parts,
            stream_factory=self.stream_factory,
        )
        return await parser.parse(body, boundary, content_length)

    async def _parse_urlencoded(
        self, body: Body, mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Parsed:
        text = (await body).decode()
        fields = parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")
        cls: type[MultiDict[str, Any]] = self.cls or MultiDict
        return cls(fields), cls()

    parse_functions: dict[str, Any] = {
        "multipart/form-data": _parse_multipart,
        "application/x-www-form-urlencoded": _parse_urlencoded,
    }


class FaithfulMultiPartParser(MultiPartParser):
    """A parser of multipart forms that writes files in a thread, and closes them if it fails.

    Quart's writes to the disk on the event loop, where everybody waits for it. The parts come
    from Werkzeug's decoder.
    """

    async def parse(self, body: Body, boundary: bytes, content_length: int | None) -> Parsed:
        """Parse *body*.

        Arguments:
            body: What to parse.
            boundary: What stands between the parts.
            content_length: The declared length in bytes, if there is one.

        Raises:
            RequestEntityTooLarge: A field, or the number of parts, is over its limit.
            ValueError: It is no multipart form.
        """
        decoder = MultipartDecoder(
            boundary, self.max_form_memory_size, max_parts=self.max_form_parts
        )
        parts: list[_Part] = []
        try:
            async for data in blocks(body, self.buffer_size):
                await self._take(decoder, data, parts, content_length)
            # The end is told, too: a form that was cut off is no form, as in Flask.
            await self._take(decoder, None, parts, content_length)
        except BaseException:
            # Nobody else knows of the files of a form that came in half.
            for part in parts:
                part.stream.close()
            raise
        whole = [part for part in parts if part.whole]
        files = [(part.name, part.value) for part in whole if part.is_file]
        return self.cls([(p.name, p.value) for p in whole if not p.is_file]), self.cls(files)

    async def _take(
        self,
        decoder: MultipartDecoder,
        data: bytes | None,
        parts: list[_Part],
        content_length: int | None,
    ) -> None:
        decoder.receive_data(data)
        while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
            if isinstance(event, Field | File):
                parts.append(_Part(self, event, content_length))
            elif isinstance(event, Data):
                await parts[-1].write(event)


class _Part:
    """A field or a file while it arrives."""

    def __init__(
        self, parser: FaithfulMultiPartParser, event: Field | File, content_length: int | None
    ) -> None:
        self.parser = parser
        self.event = event
        self.name = event.name
        self.size = 0
        self.value: Any = None
        self.whole = False
        self.is_file = isinstance(event, File)
        self.stream: IO[bytes] = BytesIO()
        if isinstance(event, File):
            self.stream = parser.start_file_streaming(event, content_length)  # type: ignore[arg-type]

    async def write(self, event: Data) -> None:
        """Take the next bytes.

        Raises:
            RequestEntityTooLarge: A field has more than may be kept in memory.
        """
        self.size += len(event.data)
        limit = self.parser.max_form_memory_size
        if not self.is_file and limit is not None and self.size > limit:
            raise RequestEntityTooLarge
        if self._in_memory:
            self.stream.write(event.data)
        else:
            await run_sync(self.stream.write)(event.data)
        if not event.more_data:
            await self._finish()

    @property
    def _in_memory(self) -> bool:
        if isinstance(self.stream, SpooledTemporaryFile):
            return self.size <= SPOOL
        return isinstance(self.stream, BytesIO)

    async def _finish(self) -> None:
        self.whole = True
        if not self.is_file:
            charset = self.parser.get_part_charset(self.event.headers)
            self.value = self.stream.getvalue().decode(charset, "replace")  # type: ignore[attr-defined]
            return
        await run_sync(self.stream.seek)(0) if not self._in_memory else self.stream.seek(0)
        event: Any = self.event
        self.value = self.parser.file_storage_cls(
            self.stream, event.filename, event.name, headers=event.headers
        )
