"""Form parsers with Flask's limits. Files are written in a thread."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import parse_qsl, unquote_to_bytes

from quart.formparser import FormDataParser, MultiPartParser
from quart.wrappers.request import Body
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from quartpatterns._shared.threads import run_sync
from quartpatterns._shared.time_slices import TimeSlices

__all__ = ["FaithfulFormDataParser", "FaithfulMultiPartParser"]

# Bytes of a file that Werkzeug's stream factory keeps in memory.
SPOOL_SIZE = 500 * 1024

# Characters of a URL-encoded form that are parsed at once. They take a few milliseconds.
SLICE_SIZE = 8 * 1024
# Characters from which a field is decoded in several parts.
LONG_FIELD = 32 * 1024

# Parts of a multipart form that are parsed at once.
PARTS_PER_SLICE = 100

MAX_NAMES = 250_000
"""The most names of fields in a URL-encoded form, to which ``MAX_FORM_PARTS`` does not apply.

For each name there is a list, and Python's garbage collector visits all of them while everything
else waits.
"""

# Another class may keep more than a dict does, such as the order of all fields.
PLAIN_CLASSES: frozenset[type[Any]] = frozenset({MultiDict, ImmutableMultiDict})

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
        """Parse a URL-encoded form, in time slices if it is large.

        Raises:
            RequestEntityTooLarge: Its fields have more than :data:`MAX_NAMES` names.
        """
        text = (await body).decode()
        cls: type[MultiDict[str, Any]] = self.cls or MultiDict
        if len(text) <= SLICE_SIZE:
            return cls(_parse_fields(text)), cls()
        known = cls in PLAIN_CLASSES
        form: MultiDict[str, Any] = cls() if known else MultiDict()
        all_fields: list[tuple[str, str]] = []
        async with TimeSlices() as slices:
            for part in _split_fields(text):
                fields = (
                    _parse_fields(part)
                    if len(part) <= LONG_FIELD
                    else [await _parse_long_field(part, slices)]
                )
                for name, value in fields:
                    # The class can be immutable. Creating it from all fields would take long.
                    dict.setdefault(form, name, []).append(value)
                if not known:
                    all_fields += fields
                if len(form) > MAX_NAMES:
                    raise RequestEntityTooLarge
                if slices.over:
                    await slices.pause()
        return form if known else cls(all_fields), cls()

    parse_functions: dict[str, Any] = {
        "multipart/form-data": parse_multipart,
        "application/x-www-form-urlencoded": parse_urlencoded,
    }


def _parse_fields(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, errors="werkzeug.url_quote")


def _split_fields(text: str) -> Iterator[str]:
    """Yield *text* in parts of several short fields or one long field."""
    start = 0
    while start < len(text):
        end = text.find("&", start + SLICE_SIZE)
        end = len(text) if end < 0 else end
        if end - start > LONG_FIELD:
            begin = text.rfind("&", start, start + SLICE_SIZE + 1) + 1
            if begin > start:
                yield text[start:begin]
                start = begin
        yield text[start:end]
        start = end + 1


async def _parse_long_field(field: str, slices: TimeSlices) -> tuple[str, str]:
    """Return name and value of *field*, as :func:`urllib.parse.parse_qsl` does."""
    name, _, value = field.partition("=")
    return await _unquote(name, slices), await _unquote(value, slices)


async def _unquote(text: str, slices: TimeSlices) -> str:
    decoder = getincrementaldecoder("utf-8")("werkzeug.url_quote")
    text = text.replace("+", " ")
    parts: list[str] = []
    start = 0
    while start < len(text):
        end = start + SLICE_SIZE
        escape = text.find("%", end - 2, end)  # An escape, such as %20, is not cut.
        end = end if escape < 0 else escape
        parts.append(decoder.decode(unquote_to_bytes(text[start:end])))
        start = end
        if slices.over:
            await slices.pause()
    return "".join(parts) + decoder.decode(b"", final=True)


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
                if len(parts) % PARTS_PER_SLICE == 0:
                    await asyncio.sleep(0)
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
