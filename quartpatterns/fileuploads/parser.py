"""The parser of multipart forms: the library multipart's, and one thing that it leaves out."""

# The library has no annotations that count, and python-multipart has a module of the same name.
# pyright: reportMissingTypeStubs=false, reportAttributeAccessIssue=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import multipart  # type: ignore[import-untyped]

__all__ = ["Parser"]


class Parser(multipart.PushMultipartParser):  # type: ignore[misc]
    """A push parser that knows parts without a body.

    By RFC 2046, section 5.1.1, the empty line after a part's headers and the line break before
    the next boundary may be one and the same where the part is empty. Quart's and Flask's test
    clients write empty files so. The library takes all up to the boundary after that for the
    part's content, which may not begin like this: here it is parsed again, as what it is.

    Arguments:
        boundary: What stands between the parts.
        max_header_size: The most bytes of a header line of a part.
        max_headers: The most headers of a part.
    """

    def __init__(self, boundary: str, max_header_size: int, max_headers: int) -> None:
        super().__init__(boundary, max_header_size=max_header_size, max_header_count=max_headers)
        self._arguments = boundary, max_header_size, max_headers
        self._frontier = f"--{boundary}".encode()
        # The first bytes of a part, until it is clear what they are.
        self._first: bytes | None = None
        self._again: Parser | None = None

    def parse(self, chunk: bytes) -> Iterator[Any]:
        """Parse *chunk*; none is the end.

        Yields:
            A segment with the headers of a part, then bytes of its content, then ``None``.

        Raises:
            MultipartError: It is malformed, ends too soon, or exceeds a limit.
        """
        if not chunk and self._again is not None:
            yield from self._again.parse(chunk)
            self.close(check_complete=False)
            return
        for event in super().parse(chunk):
            if self._again is not None:
                yield from self._parse_again(event)
            elif self._first is not None:
                yield from self._begin(event)
            else:
                yield event
                self._first = b"" if event is not None and not isinstance(event, bytes) else None

    def _begin(self, event: bytes | None) -> Iterator[Any]:
        """Give the first bytes of a part, unless they are the boundary after an empty one."""
        first = (self._first or b"") + (event or b"")
        if event is not None and len(first) < len(self._frontier):
            self._first = first
            return
        self._first = None
        if first.startswith(self._frontier):
            self._again = Parser(*self._arguments)
            yield None
            yield from self._again.parse(first)
            return
        if first:
            yield first
        if event is None:
            yield None

    def _parse_again(self, event: bytes | None) -> Iterator[Any]:
        again = self._again
        assert again is not None
        if event is None:
            self._again = None
            event = b"\r\n" + self._frontier + b"\r\n"
        yield from again.parse(event)
