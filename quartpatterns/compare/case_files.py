"""Create cases from a TOML file, from a recording of a browser (HAR), or from URL rules."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from quartpatterns.compare.case import BodyForm, Case, Difference, Step, Where

# Headers that belong to the browser's connection, not to the application.
_CONNECTION_HEADERS = frozenset(
    {"accept-encoding", "connection", "content-length", "cookie", "host", "te", "upgrade"}
)
_T = TypeVar("_T")


class CaseFileError(Exception):
    """A file of cases is malformed; the message names the file, the line and what is wrong."""


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
    timeout: float = 60.0

    def to_step(self) -> Step:
        values = {name: getattr(self, name) for name in _Step.__struct_fields__}
        if isinstance(self.body, str):
            values["body"] = self.body.encode()
        elif self.body is not None:
            values["body"] = tuple(chunk.encode() for chunk in self.body)
        values["ignore_headers"] = tuple(name.lower() for name in self.ignore_headers)
        if not self.path.startswith("/"):
            raise ValueError(f"path must start with /, not {self.path!r}")
        return Step(**values)


class _Difference(msgspec.Struct, forbid_unknown_fields=True):
    aspect: str
    reason: str
    original: Any = None
    port: Any = None
    step: int = 0
    where: Where = "everywhere"


class _Case(_Step, forbid_unknown_fields=True, kw_only=True):
    name: str | None = None
    checks: list[str] = []
    differs: list[_Difference] = []
    step: list[_Step] = []

    def to_case(self) -> Case:
        steps = [step.to_step() for step in self.step] or [self.to_step()]
        name = self.name or f"{steps[0].method} {steps[0].path}"
        differs = [Difference(**msgspec.structs.asdict(each)) for each in self.differs]
        return Case(name, *steps, checks=self.checks, differs=differs)


class _CaseFile(msgspec.Struct, forbid_unknown_fields=True):
    case: list[_Case]


class _Header(msgspec.Struct):
    name: str
    value: str


class _PostData(msgspec.Struct):
    text: str = ""


class _Request(msgspec.Struct, rename="camel"):
    method: str
    url: str
    headers: list[_Header]
    post_data: _PostData | None = None

    def to_step(self) -> Step:
        url = urlsplit(self.url)
        headers = [
            (header.name, header.value)
            for header in self.headers
            if header.name.lower() not in _CONNECTION_HEADERS and not header.name.startswith(":")
        ]
        body = self.post_data.text.encode() if self.post_data and self.post_data.text else None
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        return Step(target, method=self.method, headers=headers, body=body)


class _Entry(msgspec.Struct):
    request: _Request


class _Log(msgspec.Struct):
    entries: list[_Entry]


class _Har(msgspec.Struct):
    log: _Log


def read_cases(path: Path) -> list[Case]:
    """Return the cases of *path*: a HAR file if its name ends in ``.har``, otherwise TOML.

    Raises:
        CaseFileError: The file is missing or malformed.
    """
    return read_har(path) if path.suffix.lower() == ".har" else read_toml(path)


def read_toml(path: Path) -> list[Case]:
    """Return the cases of a TOML file.

    Each case is a ``[[case]]`` table with a ``name``. One request has the keys of
    :class:`~quartpatterns.compare.Step` in the same table, several have a ``[[case.step]]`` each.
    ``[[case.differs]]`` has the keys of :class:`~quartpatterns.compare.Difference`.

    Raises:
        CaseFileError: The file is missing or malformed.
    """
    text = _read(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        number = line[1] if line else text.count("\n") + 1
        raise CaseFileError(f"{path}:{number}: expected TOML: {error}") from error
    lines = _lines(text, r"(?m)^[ \t]*\[\[\s*case\s*\]\]")
    cases = []
    for index, case in enumerate(_convert(path, document, _CaseFile, lines).case):
        try:
            cases.append(case.to_case())
        except ValueError as error:
            line_number = lines[index] if index < len(lines) else 1
            raise CaseFileError(f"{path}:{line_number}: {error}") from error
    return cases


def read_har(path: Path) -> list[Case]:
    """Return one case with the requests of a HAR file (HTTP Archive 1.2) as its steps.

    The requests of a browser belong together, so they are sent in order and share their cookies.
    Cookies, host and responses of the recording are not used.

    Raises:
        CaseFileError: The file is missing or malformed, or has no requests.
    """
    text = _read(path)
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        position = re.search(r"byte (\d+)", str(error))
        before = text.encode()[: int(position[1])] if position else text.encode()
        number = before.count(b"\n") + 1
        raise CaseFileError(f"{path}:{number}: expected JSON: {error}") from error
    entries = _convert(path, document, _Har, _lines(text, r'"request"\s*:')).log.entries
    if not entries:
        raise CaseFileError(f"{path}:1: expected at least one request in log.entries")
    return [Case(path.name, *(entry.request.to_step() for entry in entries))]


def _convert(path: Path, document: Any, form: type[_T], lines: Sequence[int]) -> _T:
    """Convert *document*; an error names the line on which the wrong entry starts."""
    try:
        return msgspec.convert(document, form)
    except msgspec.ValidationError as error:
        match = re.search(r"(?:entries|case)\[(\d+)\]", str(error))
        index = int(match[1]) if match else len(lines)
        raise CaseFileError(
            f"{path}:{lines[index] if index < len(lines) else 1}: {error}"
        ) from error


def _lines(text: str, pattern: str) -> list[int]:
    """Return the line number of each match of *pattern*."""
    return [text.count("\n", 0, match.start()) + 1 for match in re.finditer(pattern, text)]


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CaseFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CaseFileError(f"{path}: expected UTF-8: {error.reason}") from error


def cases_from_rules(*apps: Callable[..., Any]) -> list[Case]:
    """Return a case for each GET rule of *apps* without arguments, sorted by path.

    A rule of only one application is requested from both, so a missing route is found.

    Raises:
        LookupError: An application has no ``url_map``, or there is no such rule.
    """
    paths: set[str] = set()
    for app in apps:
        url_map = getattr(app, "url_map", None)
        if url_map is None:
            raise LookupError(f"{type(app).__name__} has no url_map: use --requests or --har")
        paths |= {
            rule.rule
            for rule in url_map.iter_rules()
            if "GET" in (rule.methods or {"GET"})
            and not (rule.arguments or rule.websocket or rule.build_only)
        }
    if not paths:
        raise LookupError("there is no GET rule without arguments: use --requests or --har")
    return [Case(f"GET {path}", Step(path)) for path in sorted(paths)]
