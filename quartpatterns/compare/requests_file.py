"""Cases from a file: requests that people write as TOML, or record in a browser as HAR."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from quartpatterns.compare.case import BodyForm, Case, Difference, Step, Where

__all__ = ["RequestsFileError", "read_har", "read_requests", "read_toml"]

# What a browser sends for its own connection, not for the application.
_BROWSER = frozenset(
    {"accept-encoding", "connection", "content-length", "cookie", "host", "te", "upgrade"}
)
_Form = TypeVar("_Form")


class RequestsFileError(Exception):
    """A file of requests is malformed; the message names file, line and what was expected."""


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    path: str = "/"
    method: str = "GET"
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    form: dict[str, str | list[str]] | None = None
    json: Any = None
    body: str | list[str] | None = None
    compare: BodyForm = "text"
    ignore_headers: list[str] = []
    capture: dict[str, str] = {}
    until: str | None = None
    patience: float = 15.0

    def made(self) -> Step:
        values = {name: getattr(self, name) for name in _Step.__struct_fields__}
        if isinstance(self.body, str):
            values["body"] = self.body.encode()
        elif self.body is not None:
            values["body"] = tuple(chunk.encode() for chunk in self.body)
        values["ignore_headers"] = tuple(name.lower() for name in self.ignore_headers)
        if not self.path.startswith("/"):
            raise ValueError(f"expected path to begin with /, found {self.path!r}")
        return Step(**values)


class _Difference(msgspec.Struct, forbid_unknown_fields=True):
    aspect: str
    reason: str
    original: Any = None
    port: Any = None
    step: int = 0
    where: Where = "everywhere"

    def made(self) -> Difference:
        return Difference(**{name: getattr(self, name) for name in self.__struct_fields__})


class _Case(_Step, forbid_unknown_fields=True, kw_only=True):
    name: str | None = None
    checks: list[str] = []
    differs: list[_Difference] = []
    step: list[_Step] = []

    def made_case(self) -> Case:
        steps = [one.made() for one in self.step] or [self.made()]
        name = self.name or f"{steps[0].method} {steps[0].path}"
        differs = [one.made() for one in self.differs]
        return Case(name, *steps, checks=self.checks, differs=differs)


class _Requests(msgspec.Struct, forbid_unknown_fields=True):
    case: list[_Case]


class _Header(msgspec.Struct):
    name: str
    value: str


class _Posted(msgspec.Struct):
    text: str = ""


class _Request(msgspec.Struct):
    method: str
    url: str
    headers: list[_Header]
    posted: _Posted | None = msgspec.field(default=None, name="postData")

    def made(self) -> Step:
        url = urlsplit(self.url)
        headers = [
            (header.name, header.value)
            for header in self.headers
            if header.name.lower() not in _BROWSER and not header.name.startswith(":")
        ]
        body = self.posted.text.encode() if self.posted and self.posted.text else None
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        return Step(target, method=self.method, headers=headers, body=body)


class _Entry(msgspec.Struct):
    request: _Request


class _Log(msgspec.Struct):
    entries: list[_Entry]


class _Har(msgspec.Struct):
    log: _Log


def read_requests(path: Path) -> list[Case]:
    """The cases of *path*: HAR where its name ends in ``.har``, else TOML.

    Raises:
        RequestsFileError: As the two readers do.
    """
    return read_har(path) if path.suffix.lower() == ".har" else read_toml(path)


def read_toml(path: Path) -> list[Case]:
    """The cases of a TOML file.

    Each is a ``[[case]]`` with a ``name``, the keys of :class:`~quartpatterns.compare.Step` for
    one request or a ``[[case.step]]`` for each of several, and ``[[case.differs]]`` with the keys
    of :class:`~quartpatterns.compare.Difference`.

    Raises:
        RequestsFileError: The file can't be read or does not say this.
    """
    text = _text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        number = line[1] if line else text.count("\n") + 1
        raise RequestsFileError(f"{path}:{number}: expected TOML: {error}") from error
    starts = [match.start() for match in re.finditer(r"(?m)^\s*\[\[\s*case\s*\]\]", text)]
    entries = _converted(path, text, document, _Requests, starts).case
    cases = []
    for index, entry in enumerate(entries):
        try:
            cases.append(entry.made_case())
        except ValueError as error:
            raise RequestsFileError(f"{path}:{_line(text, starts, index)}: {error}") from error
    return cases


def read_har(path: Path) -> list[Case]:
    """The requests of a HAR file (HTTP Archive 1.2) as the steps of one session.

    A browser's requests belong together: they are played in order with one cookie jar. The
    cookies and the host of the recording are left out; answers in the recording are not used.

    Raises:
        RequestsFileError: The file can't be read, is no HAR, or holds no request.
    """
    text = _text(path)
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        at = re.search(r"byte (\d+)", str(error))
        number = text.encode()[: int(at[1])].count(b"\n") + 1 if at else text.count("\n") + 1
        raise RequestsFileError(f"{path}:{number}: expected JSON: {error}") from error
    starts = [match.start() for match in re.finditer(r'"request"\s*:', text)]
    entries = _converted(path, text, document, _Har, starts).log.entries
    if not entries:
        raise RequestsFileError(f"{path}:1: expected at least one request in log.entries")
    return [Case(path.name, *(entry.request.made() for entry in entries))]


def _converted(
    path: Path, text: str, document: Any, form: type[_Form], starts: Sequence[int]
) -> _Form:
    """*document* in its form, or an error on the line where the entry at fault begins."""
    try:
        return msgspec.convert(document, form)
    except msgspec.ValidationError as error:
        index = re.search(r"(?:entries|case)\[(\d+)\]", str(error))
        line = _line(text, starts, int(index[1])) if index else 1
        raise RequestsFileError(f"{path}:{line}: {error}") from error


def _line(text: str, starts: Sequence[int], index: int) -> int:
    start = starts[index] if index < len(starts) else 0
    return text.count("\n", 0, start + len(text[start:]) - len(text[start:].lstrip())) + 1


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RequestsFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise RequestsFileError(f"{path}: expected UTF-8: {error.reason}") from error
