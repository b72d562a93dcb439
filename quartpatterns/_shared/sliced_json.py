"""Parsing a large JSON document without blocking the event loop.

:func:`json.loads` parses a document in one piece, which can take seconds. Here a first pass finds
the large arrays and objects of the document with regular expressions. The second pass builds these
in Python, and passes the text between them to :mod:`json`, in pieces of some kilobytes. Both passes
run in time slices and take linear time.

The result equals that of :func:`json.loads`, except that numbers of more than 64 KiB, and large
arrays that are nested hundreds of levels deep, are an error.
"""

from __future__ import annotations

import json
import re
import sys
from json.decoder import JSONDecodeError, JSONDecoder
from typing import Any

from flask.json.provider import DefaultJSONProvider

from quartpatterns._shared.time_slices import TimeSlices

__all__ = ["MAX_CONTAINERS", "THRESHOLD", "TooManyContainersError", "loads"]

THRESHOLD = 64 * 1024
"""Up to this size in bytes, a document is parsed in one piece, which takes milliseconds."""

MAX_CONTAINERS = 750_000
"""The most arrays and objects in a document.

Python's garbage collector visits each of them, and stops all other code for up to about 100 ms.
"""

# Up to this number of characters, json parses an array or object in one piece.
_SMALL = 16 * 1024
# Neighbouring small elements are passed to json together, in batches of at least and at most this
# number of characters.
_BATCH = 8 * 1024
_MAX_BATCH = 64 * 1024

# All repetitions have a limit, which limits the time of one match, and the time to parse its text.
_STRING = r'"(?:[^"\\]{1,1024}+|\\.){0,1024}+"'
_SCALAR = rf'(?:[^][{{}}",]{{1,4096}}+|\s*+{_STRING}\s*+)'
_FLAT = re.compile(
    rf'(?:[^][{{}}"]{{1,4096}}+|{_STRING}){{0,256}}+', re.DOTALL
)  # text without brackets
_ELEMENTS = re.compile(rf"(?:{_SCALAR},){{1,512}}+", re.DOTALL)
_MEMBERS = re.compile(rf"(?:\s*+{_STRING}\s*+:{_SCALAR},){{1,512}}+", re.DOTALL)
_WHOLE_STRING = re.compile(_STRING, re.DOTALL)
# A part of a string. The two halves of a surrogate pair are not separated.
_PART = re.compile(
    r'(?:[^"\\]{1,1024}+|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u.{4}|\\.){1,1024}+', re.DOTALL
)
_LONG_NUMBER = re.compile(r"[-+.0-9eE]{65536}")
_SPACE = re.compile(r"[ \t\n\r]*+")

# Ranges of the text of a container, between its large children. Each is parsed in one piece.
_Batches = list[tuple[int, int]]


class TooManyContainersError(ValueError):
    """The document has more than :data:`MAX_CONTAINERS` arrays and objects."""


async def loads(provider: Any, data: str | bytes) -> Any:
    """Parse *data* with *provider*, in time slices if it is large.

    Arguments:
        provider: The JSON provider of the application. If its class has a ``loads`` of its own,
            this method parses the document in one piece.
        data: The document.

    Raises:
        TooManyContainersError: It has too many arrays and objects.
        ValueError: It is not valid JSON, or its arrays and objects are nested too deep.
    """
    cls: type[object] = provider.__class__
    own = getattr(cls, "loads", None) is not DefaultJSONProvider.loads
    try:
        if own or len(data) <= THRESHOLD:
            return provider.loads(data)
        text = data if isinstance(data, str) else _decode(data)
        async with TimeSlices() as slices:
            document = _Document(text, slices)
            await document.find_large_containers()
            return await document.parse()
    except RecursionError as error:
        raise ValueError("arrays and objects are nested too deep") from error


def _decode(data: bytes) -> str:
    return data.decode(json.detect_encoding(data), "surrogatepass")


class _Document:
    """A JSON document that is being parsed.

    Arguments:
        text: The document.
        slices: The time slices of the computation.
    """

    def __init__(self, text: str, slices: TimeSlices) -> None:
        if text.startswith("\ufeff"):
            raise JSONDecodeError("Unexpected UTF-8 BOM (decode using utf-8-sig)", text, 0)
        self.text = text
        self.slices = slices
        self.large: dict[int, _Batches] = {}  # by the position of the bracket
        self._decoder = JSONDecoder()

    async def find_large_containers(self) -> None:
        """Fill :attr:`large`. Errors of syntax are left to the parser."""
        text, skip, slices = self.text, _FLAT.match, self.slices
        end, limit = len(text), sys.getrecursionlimit()
        position, containers = 0, 0
        # Of each open container: where it begins, where its next batch does, and its batches.
        stack: list[tuple[int, int, _Batches]] = []
        while True:
            position = skip(text, position).end()  # type: ignore[union-attr]
            if slices.over:
                await slices.pause()
            if position == end:
                break
            mark = text[position]
            if mark in "[{":
                containers += 1
                if containers > MAX_CONTAINERS:
                    raise TooManyContainersError(f"more than {MAX_CONTAINERS} arrays and objects")
                if len(stack) >= limit:
                    raise RecursionError
                stack.append((position, position + 1, []))
            elif mark in "]}":
                if not stack:
                    break
                begin, _, batches = stack.pop()
                is_large = position - begin >= _SMALL
                if is_large:
                    self.large[begin] = batches
                if stack:
                    outer, batch, batches = stack[-1]
                    size = position + 1 - batch
                    if is_large or size > _MAX_BATCH:
                        stack[-1] = outer, position + 1, batches
                    elif size >= _BATCH:
                        batches.append((batch, position + 1))
                        stack[-1] = outer, position + 1, batches
            elif mark == '"' and not _WHOLE_STRING.match(text, position):
                position = await self._string_end(position)
            else:
                continue  # The match has ended at its limit.
            position += 1
        for begin, _, batches in stack:
            self.large[begin] = batches

    async def parse(self) -> Any:
        """Return the value of the document."""
        value, position = await self._value(self._space(0))
        position = self._space(position)
        if position != len(self.text):
            raise JSONDecodeError("Extra data", self.text, position)
        return value

    async def _value(self, position: int) -> tuple[Any, int]:
        """Return the value at *position*, and the position after it."""
        if position not in self.large:
            text = self.text
            if text[position : position + 1] == '"' and not _WHOLE_STRING.match(text, position):
                return await self._long_string(position)
            if _LONG_NUMBER.match(text, position):
                raise JSONDecodeError("Number too long", text, position)
            return self._decoder.raw_decode(text, position)
        parse = self._array if self.text[position] == "[" else self._object
        return await parse(position)

    async def _array(self, begin: int) -> tuple[list[Any], int]:
        text, items = self.text, list[Any]()
        batches = iter(self.large[begin])
        batch = next(batches, None)
        position = self._space(begin + 1)
        if text[position : position + 1] == "]":
            return items, position + 1
        while True:
            if self.slices.over:
                await self.slices.pause()
            if run := _ELEMENTS.match(text, position):
                items += self._decode("[", position, run.end() - 1, "]")
                position = self._space(run.end())
                continue
            while batch is not None and batch[1] <= position:
                batch = next(batches, None)
            if batch is not None and batch[0] <= position:
                items += self._decode("[", position, batch[1], "]")
                position = batch[1]
            else:
                value, position = await self._value(position)
                items.append(value)
            position = self._space(position)
            if text[position : position + 1] == "]":
                return items, position + 1
            position = self._comma(position)

    async def _object(self, begin: int) -> tuple[dict[str, Any], int]:
        text, members = self.text, dict[str, Any]()
        batches = iter(self.large[begin])
        batch = next(batches, None)
        position = self._space(begin + 1)
        if text[position : position + 1] == "}":
            return members, position + 1
        while True:
            if self.slices.over:
                await self.slices.pause()
            if run := _MEMBERS.match(text, position):
                members |= self._decode("{", position, run.end() - 1, "}")
                position = self._space(run.end())
                continue
            while batch is not None and batch[1] <= position:
                batch = next(batches, None)
            if batch is not None and batch[0] <= position:
                members |= self._decode("{", position, batch[1], "}")
                position = batch[1]
            else:
                if text[position : position + 1] != '"':
                    message = "Expecting property name enclosed in double quotes"
                    raise JSONDecodeError(message, text, position)
                name, position = await self._value(position)
                position = self._space(position)
                if text[position : position + 1] != ":":
                    raise JSONDecodeError("Expecting ':' delimiter", text, position)
                members[name], position = await self._value(self._space(position + 1))
            position = self._space(position)
            if text[position : position + 1] == "}":
                return members, position + 1
            position = self._comma(position)

    async def _string_end(self, begin: int) -> int:
        """Return the position of the quotation mark that ends the long string at *begin*."""
        position = begin + 1
        while part := _PART.match(self.text, position):
            position = part.end()
            if self.slices.over:
                await self.slices.pause()
        if self.text[position : position + 1] != '"':
            raise JSONDecodeError("Unterminated string starting at", self.text, begin)
        return position

    async def _long_string(self, begin: int) -> tuple[str, int]:
        """Return the long string at *begin*, and the position after it."""
        parts: list[str] = []
        position = begin + 1
        while part := _PART.match(self.text, position):
            parts.append(self._decode('"', position, part.end(), '"'))
            position = part.end()
            if self.slices.over:
                await self.slices.pause()
        if self.text[position : position + 1] != '"':
            raise JSONDecodeError("Unterminated string starting at", self.text, begin)
        return "".join(parts), position + 1

    def _space(self, position: int) -> int:
        """Return the position of what follows white space."""
        return _SPACE.match(self.text, position).end()  # type: ignore[union-attr]

    def _comma(self, position: int) -> int:
        """Return the position of what follows a comma."""
        if self.text[position : position + 1] != ",":
            raise JSONDecodeError("Expecting ',' delimiter", self.text, position)
        return self._space(position + 1)

    def _decode(self, opening: str, begin: int, end: int, closing: str) -> Any:
        """Parse the text from *begin* to before *end*, in brackets or quotation marks."""
        try:
            return self._decoder.decode(f"{opening}{self.text[begin:end]}{closing}")
        except JSONDecodeError as error:
            position = min(begin + error.pos - 1, end)
            raise JSONDecodeError(error.msg, self.text, position) from None
