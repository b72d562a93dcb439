"""Read cases from a TOML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from quartpatterns.compare.case import (
    BodyForm,
    Capture,
    Case,
    Close,
    Difference,
    Kind,
    Receive,
    Send,
    Step,
    Where,
)
from quartpatterns.compare.files import (
    CaseFileError,
    convert,
    line_of,
    lines_of,
    parse_toml,
    read_text,
)
from quartpatterns.compare.har import read_har


class _Capture(msgspec.Struct, forbid_unknown_fields=True):
    pattern: str
    place: str = "body"


def _to_capture(given: str | _Capture) -> Capture:
    return Capture(given) if isinstance(given, str) else Capture(given.pattern, given.place)


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """A part of a conversation: one key of these."""

    send: str | None = None
    receive: str | Literal[True] | None = None
    close: int | Literal[True] | None = None
    step: _Step | None = None

    def to_part(self) -> Send | Receive | Close | Step:
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "a part of a websocket or stream has one key: send, receive, close or step"
            )
        if self.send is not None:
            return Send(self.send)
        if self.receive is not None:
            return Receive(None if self.receive is True else self.receive)
        if self.step is not None:
            return self.step.to_step()
        return Close() if self.close in (None, True) else Close(self.close)


class _Step(msgspec.Struct, forbid_unknown_fields=True):
    path: str = "/"
    method: str = "GET"
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    cookies: dict[str, str] = {}
    form: dict[str, str | list[str]] | None = None
    json: Any = None
    body: str | list[str] | None = None
    compare: BodyForm = "text"
    reason: str = ""
    ignore_headers: list[str] = []
    capture: dict[str, str | _Capture] = {}
    mask: dict[str, list[str | _Capture]] = {}
    expected: dict[str, Any] | None = None
    until: str | None = None
    websocket: list[_Part] | None = None
    stream: list[_Part] | None = None
    timeout: float = 60.0

    def to_step(self) -> Step:
        values = {name: getattr(self, name) for name in _Step.__struct_fields__}
        if isinstance(self.body, str):
            values["body"] = self.body.encode()
        elif self.body is not None:
            values["body"] = tuple(chunk.encode() for chunk in self.body)
        values["capture"] = {name: _to_capture(one) for name, one in self.capture.items()}
        values["mask"] = {name: list(map(_to_capture, each)) for name, each in self.mask.items()}
        for name in ("websocket", "stream"):
            parts: list[_Part] | None = getattr(self, name)
            values[name] = None if parts is None else [part.to_part() for part in parts]
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
    kind: Kind | None = None


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


def read_cases(path: Path) -> list[Case]:
    """Return the cases of *path*: a HAR file if its name ends in ``.har``, otherwise TOML.

    Raises:
        CaseFileError: The file is missing or malformed.
    """
    return read_har(path).cases if path.suffix.lower() == ".har" else read_toml(path)


def read_toml(path: Path) -> list[Case]:
    """Return the cases of a TOML file.

    Each case is a ``[[case]]`` table with a ``name``. One request has the keys of
    :class:`~quartpatterns.compare.Step` in the same table, several have a ``[[case.step]]`` each.
    The parts of ``websocket`` and ``stream`` are tables with one key: ``send``, ``receive`` with a
    regular expression or ``true``, ``close`` with a code or ``true``, and ``step``.
    ``[[case.differs]]`` has the keys of :class:`~quartpatterns.compare.Difference`.

    Raises:
        CaseFileError: The file is missing or malformed.
    """
    text = read_text(path)
    document = parse_toml(path, text)
    lines = lines_of(text, r"(?m)^[ \t]*\[\[\s*case\s*\]\]")
    cases = []
    for index, case in enumerate(convert(path, document, _CaseFile, lines).case):
        try:
            cases.append(case.to_case())
        except ValueError as error:
            raise CaseFileError(f"{line_of(path, lines, index)}: {error}") from error
    return cases
