"""Form parsers with Flask's limits. Files are written in a thread."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl

from quart.formparser import FormDataParser, MultiPartParser
from quart.wrappers.request import Body
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from quartpatterns._shared.threads import run_sync

__all__ = ["FaithfulFormDataParser", "FaithfulMultiPartParser"]

# Bytes of a file that Werkzeug's stream factory keeps in memory.
SPOOL_SIZE = 500 * 1024

Parsed = tuple[MultiDict[str, Any], MultiDict[str, Any]]


class FaithfulFormDataParser(FormDataParser):
    """A form parser with Flask's results, whatever the size of the body's chunks.

    Quart passes ``MAX_CONTENT_LENGTH`` to Werkzeug's multipart decoder in the place of
    ``MAX_FORM_MEMORY_SIZE``, and the decoder compares it with its own buffer. Here the body
    itself counts what is received.
    """

    async def parse_multipart(
        self, body: Body, mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Parsed:
        """Parse a multipart form.

        Raises:
            RequestEntityTooLarge: A field, or the number of parts, is over its limit.
            ValueError: It is not a multipart form.
        """
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

    async def parse_urlencoded(
        self, body: Body, mimetype: str, content_length: int | None, options: dict[str, str]
    ) -> Parsed:
        """Parse a URL-encoded form."""
        text = (await body).decode()
        fields = parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")
        cls: type[MultiDict[str, Any]] = self.cls or MultiDict
        return cls(fields), cls()

    parse_functions: dict[str, Any] = {
        "multipart/form-data": parse_multipart,
        "application/x-www-form-urlencoded": parse_urlencoded,
    }


class FaithfulMultiPartParser(MultiPartParser):
    """A multipart parser that writes files in a thread, and closes them if parsing fails.

    Quart's parser writes to the disk on the event loop.
    """

    async def parse(self, body: Body, boundary: bytes, content_length: int | None) -> Parsed:
        """Parse *body*, whose parts are separated by *boundary*."""
        decoder = MultipartDecoder(
            boundary, self.max_form_memory_size, max_parts=self.max_form_parts
        )
        parts: list[_Part] = []
        try:
            async for block in _blocks(body, self.buffer_size):
                await self._feed(decoder, block, parts, content_length)
            # As in Flask, a form that was cut off is invalid: the decoder has to know the end.
            await self._feed(decoder, None, parts, content_length)
        except BaseException:
            for part in parts:
                part.stream.close()
            raise
        complete = [part for part in parts if part.complete]
        fields = [(part.name, part.value) for part in complete if not part.is_file]
        files = [(part.name, part.value) for part in complete if part.is_file]
        return self.cls(fields), self.cls(files)

    async def _feed(
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


async def _blocks(body: Body, size: int) -> AsyncIterator[bytes]:
    """Yield the body in blocks of *size* bytes, whatever the size of its chunks."""
    buffer = bytearray()
    async for data in body:
        buffer += data
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)


class _Part:
    """A field or a file that is being received."""

    def __init__(
        self, parser: FaithfulMultiPartParser, event: Field | File, content_length: int | None
    ) -> None:
        self.parser = parser
        self.event = event
        self.name = event.name
        self.size = 0
        self.value: Any = None
        self.complete = False
        self.is_file = isinstance(event, File)
        self.stream: IO[bytes] = BytesIO()
        if isinstance(event, File):
            self.stream = parser.start_file_streaming(event, content_length)  # type: ignore[arg-type]

    async def write(self, event: Data) -> None:
        """Write the next bytes, if a field stays below the limit of memory for fields."""
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
            return self.size <= SPOOL_SIZE
        return isinstance(self.stream, BytesIO)

    async def _finish(self) -> None:
        self.complete = True
        if not self.is_file:
            charset = self.parser.get_part_charset(self.event.headers)
            self.value = self.stream.getvalue().decode(charset, "replace")  # type: ignore[attr-defined]
            return
        await run_sync(self.stream.seek)(0) if not self._in_memory else self.stream.seek(0)
        event: Any = self.event
        self.value = self.parser.file_storage_cls(
            self.stream, event.filename, event.name, headers=event.headers
        )
