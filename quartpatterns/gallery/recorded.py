"""What was measured and answered when the package was made: the data in the folder ``data``.

``python -m quartpatterns.gallery.record`` writes it. Nothing in it is written by hand.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import Any, Literal

from quartpatterns import catalog
from quartpatterns.compare.case import Case, Difference

__all__ = [
    "Answer",
    "Benchmark",
    "CaseSpeed",
    "RecordedResponse",
    "Parity",
    "PatternSpeed",
    "RecordedScore",
    "RecordedSpread",
    "Totals",
    "Value",
    "benchmark",
    "parity",
    "totals",
]

FOLDER = "data"
FORMAT = 1
"""The version of the format of the files."""

SEPARATOR = " | "

Winner = Literal["original", "port", "neither"]


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a response, as it was received.

    Arguments:
        text: The beginning, or None if there was none, such as a missing header.
        length: The number of characters of the whole text.
    """

    text: str | None
    length: int = 0

    @classmethod
    def of(cls, data: Any) -> Value:
        """Return the value that *data*, in the types of JSON, has."""
        if isinstance(data, Mapping):
            return cls(data["start"], data["length"])
        text = None if data is None else str(data)
        return cls(text, len(text or ""))

    @property
    def is_whole(self) -> bool:
        """Whether the text is not only a beginning."""
        return self.text is None or len(self.text) == self.length


@dataclass(frozen=True, slots=True)
class Answer:
    """What both applications answered where they differ on purpose.

    Arguments:
        original: The value of the original.
        port: The value of the port.
    """

    original: Value
    port: Value


@dataclass(frozen=True, slots=True)
class RecordedResponse:
    """The answer of the port to a step of a case.

    Arguments:
        status: The status code; 0 if the connection ended before it.
        content_type: The media type, or an empty string.
        body: The body, as it is compared.
    """

    status: int
    content_type: str
    body: Value


@dataclass(frozen=True, slots=True)
class Parity:
    """The recorded comparison of a pattern.

    Arguments:
        cases: The number of cases that were compared.
        extras: The number of those that only the port can answer.
        passed: The number of those that are equal or differ as declared.
        recorded: When, in ISO 8601.
    """

    cases: int
    extras: int
    passed: int
    recorded: str
    _answers: Mapping[str, Any]
    _responses: Mapping[str, Sequence[Any]]

    @property
    def compared(self) -> int:
        """The number of cases that were sent to both applications."""
        return self.cases - self.extras

    @property
    def differing(self) -> int:
        """The number of cases with declared differences."""
        return len({key.rsplit(SEPARATOR, 3)[0] for key in self._answers})

    @property
    def differences(self) -> int:
        """The number of declared differences."""
        return len(self._answers)

    def answer(self, case: Case, difference: Difference) -> Answer | None:
        """Return what was answered, or None if *difference* was declared later."""
        found = self._answers.get(answer_key(case, difference))
        return Answer(*map(Value.of, found)) if found else None

    def responses(self, case: Case) -> list[RecordedResponse]:
        """Return the answers of the port to the steps of *case*."""
        found = self._responses.get(case.name, ())
        return [RecordedResponse(status, kind, Value.of(body)) for status, kind, body in found]


def answer_key(case: Case, difference: Difference) -> str:
    """Return the name under which the answer is recorded."""
    return SEPARATOR.join((case.name, str(difference.step), difference.aspect, difference.where))


@dataclass(frozen=True, slots=True)
class RecordedSpread:
    """The median, the lowest and the highest of several values."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class RecordedScore:
    """The ratios port / original of several cases; see ``quartpatterns bench --summary``."""

    cases: int
    mean: float  # geometric
    low: float
    high: float
    wins: int  # of the port
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class CaseSpeed:
    """The measurement of a case: CPU microseconds per request in process, or requests per second.

    Arguments:
        case: The name of the case.
        original: The values of the original.
        port: The values of the port.
        winner: Whose worst value is better than the best of the other.
    """

    case: str
    original: RecordedSpread
    port: RecordedSpread
    winner: Winner

    @property
    def ratio(self) -> float:
        """The median of the port divided by that of the original."""
        return self.port.median / self.original.median


@dataclass(frozen=True, slots=True)
class PatternSpeed:
    """What was measured for a pattern, or for all: in process, or behind two servers.

    Arguments:
        pairing: The servers of original and port, or None in process.
        score: The mean of the ratios.
        cases: The cases; empty for all patterns together.
        scores: The scores of other values, such as memory, by name; for all patterns together.
    """

    pairing: tuple[str, str] | None
    score: RecordedScore
    cases: tuple[CaseSpeed, ...] = ()
    scores: Mapping[str, RecordedScore] | None = None


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The recorded measurement.

    Arguments:
        started: When it began, in ISO 8601.
        machine: The machine, in one sentence.
        method: How it was measured, in one sentence.
        versions: The versions of the software, by name.
        totals: The scores over all patterns: in process, and for each pairing of servers.
    """

    started: str
    machine: str
    method: str
    versions: Mapping[str, str]
    totals: tuple[PatternSpeed, ...]
    _patterns: Mapping[str, tuple[PatternSpeed, ...]]

    @property
    def date(self) -> str:
        """The day, such as 2026-11-30."""
        return datetime.fromisoformat(self.started).date().isoformat()

    @property
    def in_process(self) -> PatternSpeed:
        """The score over all patterns in process."""
        return self.totals[0]

    def of(self, name: str) -> tuple[PatternSpeed, ...]:
        """Return what was measured for the pattern *name*: in process first; maybe nothing."""
        return self._patterns.get(name, ())

    def cpu(self, name: str) -> RecordedScore | None:
        """Return the score of the pattern *name* in process."""
        found = self.of(name)
        return found[0].score if found and found[0].pairing is None else None


def read(name: str) -> dict[str, Any]:
    """Return the content of a file of the folder, or nothing if it is missing."""
    file = resources.files("quartpatterns.gallery") / FOLDER / f"{name}.json"
    if not file.is_file():
        return {}
    data: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if data.get("format") != FORMAT:
        raise ValueError(
            f"{file} has the format {data.get('format')!r}: write it with"
            " python -m quartpatterns.gallery.record"
        )
    return data


@functools.cache
def parity() -> Mapping[str, Parity]:
    """Return the recorded comparisons by pattern. It reads a file, so call it in a thread."""
    return {
        name: Parity(
            found["cases"],
            found["extras"],
            found["passed"],
            found["recorded"],
            found["answers"],
            found["responses"],
        )
        for name, found in read("parity").get("patterns", {}).items()
    }


@functools.cache
def benchmark() -> Benchmark:
    """Return the recorded measurement. It reads a file, so call it in a thread."""
    data = read("bench")
    return Benchmark(
        data["started"],
        data["machine"],
        data["method"],
        data["versions"],
        tuple(map(_speed, data["totals"])),
        {name: tuple(map(_speed, found)) for name, found in data["patterns"].items()},
    )


def _speed(data: Mapping[str, Any]) -> PatternSpeed:
    return PatternSpeed(
        tuple(data["pairing"]) if data["pairing"] else None,
        RecordedScore(**data["score"]),
        tuple(
            CaseSpeed(
                each["case"],
                RecordedSpread(*each["original"]),
                RecordedSpread(*each["port"]),
                each["winner"],
            )
            for each in data.get("cases", ())
        ),
        {name: RecordedScore(**score) for name, score in data.get("scores", {}).items()},
    )


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers over all patterns.

    Arguments:
        patterns: The number of patterns.
        compared: The number of cases that were sent to both applications.
        differing: The number of those with declared differences.
        failed: The number of cases that are not as declared.
        extras: The number of cases that only the port can answer.
        differences: The number of declared differences.
    """

    patterns: int
    compared: int
    differing: int
    failed: int
    extras: int
    differences: int


def totals(comparisons: Mapping[str, Parity]) -> Totals:
    """Return the numbers over all patterns."""
    found = comparisons.values()
    return Totals(
        len(catalog.PATTERNS),
        sum(each.compared for each in found),
        sum(each.differing for each in found),
        sum(each.cases - each.passed for each in found),
        sum(each.extras for each in found),
        sum(each.differences for each in found),
    )
