"""Find the file that answers a request, in the coding that suits the client best."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

from werkzeug.datastructures import Accept
from werkzeug.http import parse_accept_header
from werkzeug.security import safe_join

from quartpatterns.singlepageapplications.names import media_type

__all__ = ["Asset", "choose", "find"]

# In the order of preference among those that the client likes equally.
CODINGS = {"br": ".br", "gzip": ".gz"}
# Seconds by which a compressed file may be older than its source: archives round times.
SLACK = 2.0
# Bytes up to which a file is read when it is found: each visit to a thread costs more than they.
SMALL = 64 * 1024


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that can be sent.

    Arguments:
        path: Where it is.
        name: What it is called, without the ending of a coding.
        type: Its media type.
        size: Its size in bytes.
        modified: When it was changed, in seconds since 1970.
        coding: The content coding that it has; ``None`` for none.
        negotiated: Whether there are other codings to choose from.
        content: What is in it, where it is small.
    """

    path: str
    name: str
    type: str
    size: int
    modified: float
    coding: str | None
    negotiated: bool
    content: bytes | None = None

    @property
    def etag(self) -> str:
        """An entity tag, made as Flask makes it; each coding has its own."""
        return f"{self.modified}-{self.size}-{zlib.adler32(self.path.encode('utf-8', 'replace'))}"


def find(
    folder: str, relative: str, accept_encoding: Iterable[str] = (), as_it_is: bool = False
) -> Asset | None:
    """The file *relative* to *folder*, whatever a client made up for it; blocks.

    A file beside it whose name ends in ``.br`` or ``.gz`` is taken for the same in another coding,
    unless it is older: then it was made from a former version.

    Arguments:
        folder: The folder that no answer comes from outside of.
        relative: The path below it.
        accept_encoding: The values of the ``Accept-Encoding`` headers.
        as_it_is: Never another coding.
    """
    path = None if relative.endswith("/") else safe_join(folder, relative)
    plain = path and _regular(path)
    if not path or not plain:
        return None
    coded = {
        coding: found
        for coding, ending in CODINGS.items()
        if not as_it_is
        and (found := _regular(path + ending))
        and found.st_mtime >= plain.st_mtime - SLACK
    }
    accept = parse_accept_header(",".join(accept_encoding), Accept)
    coding = choose(accept, coded)
    taken = coded[coding] if coding else plain
    name = path + CODINGS[coding] if coding else path
    return Asset(
        path=name,
        name=os.path.basename(path),
        type=media_type(path),
        size=taken.st_size,
        modified=taken.st_mtime,
        coding=coding,
        negotiated=bool(coded),
        content=_content(name, taken.st_size),
    )


def choose(accept: Accept, codings: Iterable[str]) -> str | None:
    """The coding that the client likes best (RFC 9110, 12.5.3); ``None`` for none.

    No coding is taken that it likes less than what is not coded, or not at all. Of equals, the
    first one is taken.
    """
    best, quality = None, 0.0
    for coding in codings:
        if (liked := accept.quality(coding)) > quality:
            best, quality = coding, liked
    named = [value.lower() for value in accept.values()]
    return None if "identity" in named and accept.quality("identity") > quality else best


def _content(path: str, size: int) -> bytes | None:
    """All of a small file; ``None`` for a large one, and one that has changed meanwhile."""
    if size > SMALL:
        return None
    try:
        with open(path, "rb") as file:
            data = file.read(SMALL + 1)
    except OSError:
        return None
    return data if len(data) == size else None


def _regular(path: str) -> os.stat_result | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # ValueError: a null byte in the path
        return None
    return found if stat.S_ISREG(found.st_mode) else None
