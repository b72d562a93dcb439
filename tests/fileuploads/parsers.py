"""Measure multipart parsers on the same bytes.

``python -m tests.fileuploads.parsers`` prints MiB per CPU second, best of three.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence

import multipart  # type: ignore[import-untyped]
import python_multipart.multipart
from werkzeug.sansio.multipart import Data, Epilogue, MultipartDecoder, NeedData

from quartpatterns.fileuploads.multipart_form import MultipartParser
from tests.fileuploads.multipart_bodies import BOUNDARY, file, form

__all__ = ["PARSERS", "contents", "pieces"]

MIB = 1024 * 1024
Chunks = Sequence[bytes]


def this_package(chunks: Chunks) -> int:
    """The parser of fileuploads."""
    return count_bytes(MultipartParser(BOUNDARY, 4096, 8), chunks)


def multipart_push(chunks: Chunks) -> int:
    """The push parser of multipart, which fileuploads extends."""
    return count_bytes(multipart.PushMultipartParser(BOUNDARY), chunks)


def count_bytes(parser: multipart.PushMultipartParser, chunks: Chunks) -> int:
    found = 0
    for chunk in (*chunks, b""):
        for event in parser.parse(chunk):
            if isinstance(event, bytes):
                found += len(event)
    return found


def callback_parser(chunks: Chunks) -> int:
    """The parser of python-multipart, which calls back."""
    found = 0

    def on_part_data(data: bytes, start: int, end: int) -> None:
        nonlocal found
        found += len(data[start:end])

    parser = python_multipart.multipart.MultipartParser(BOUNDARY, {"on_part_data": on_part_data})
    for chunk in chunks:
        parser.write(chunk)
    return found


def werkzeug(chunks: Chunks) -> int:
    """The decoder of Werkzeug, which Flask and Quart use."""
    decoder = MultipartDecoder(BOUNDARY.encode())
    found = 0
    for chunk in (*chunks, None):
        decoder.receive_data(chunk)
        while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
            if isinstance(event, Data):
                found += len(event.data)
    return found


PARSERS: tuple[Callable[[Chunks], int], ...] = (
    this_package,
    multipart_push,
    callback_parser,
    werkzeug,
)


def contents(mib: int, parts: int = 10_000) -> dict[str, bytes]:
    """Return forms of about *mib* MiB, and one of small parts."""
    size = mib * MIB
    almost = b"\r\n--" + BOUNDARY[:-1].encode() + b"x"
    return {
        "random bytes": form(file("a", os.urandom(size))),
        "lines of text": form(file("a", (b"x" * 62 + b"\r\n") * (size // 64))),
        "almost boundaries": form(file("a", almost * (size // len(almost)))),
        "small parts": form(*[file("a", b"x" * 100)] * parts),
    }


def pieces(body: bytes, size: int) -> list[bytes]:
    """Cut *body* into chunks of *size* bytes."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def main() -> None:
    for name, body in contents(64).items():
        for size in (64 * 1024, 4096):
            chunks = pieces(body, size)
            rates = "".join(
                f"{parser.__name__:>18} {rate(parser, chunks):6.0f}" for parser in PARSERS
            )
            sys.stdout.write(f"{name:18} {size:6} {rates}\n")


def rate(parser: Callable[[Chunks], int], chunks: Chunks) -> float:
    best = float("inf")
    for _ in range(3):
        started = time.process_time()
        parser(chunks)
        best = min(best, time.process_time() - started)
    return sum(map(len, chunks)) / best / MIB


if __name__ == "__main__":
    main()
