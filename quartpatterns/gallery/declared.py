"""The declared differences of all patterns, with what both applications answered."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from quartpatterns import catalog
from quartpatterns.compare.case import Case, Difference, Kind, Step
from quartpatterns.gallery.content import declared_cases
from quartpatterns.gallery.recorded import Answer, Value, parity

__all__ = [
    "KINDS",
    "DeclaredDifference",
    "DifferenceGroup",
    "declared_differences",
    "differences_of",
    "grouped",
]

KINDS: dict[Kind, str] = {
    "security": "The port refuses, escapes or hides what the original lets through.",
    "input": "The original fails on unusual input or misreads it, and the port does not.",
    "http": "The status, a header or the method is nearer to the standard.",
    "interface": "The cause is the difference between ASGI and WSGI, or the server.",
    "text": "The port says the same in other words.",
}


@dataclass(frozen=True, slots=True)
class DeclaredDifference:
    """An intended difference, with the answers that were recorded.

    Arguments:
        pattern: The pattern.
        case: The case that declares it.
        difference: What it declares.
        answer: What both applications answered, or None if it was declared after the recording.
    """

    pattern: catalog.Pattern
    case: Case
    difference: Difference
    answer: Answer | None

    @property
    def step(self) -> Step:
        """The request."""
        return self.case.steps[self.difference.step]

    @property
    def values(self) -> tuple[Value, Value]:
        """The values of original and port: those of the answers, otherwise the declared ones."""
        if self.answer is not None:
            return self.answer.original, self.answer.port
        return _declared(self.difference.original), _declared(self.difference.port)


@dataclass(frozen=True, slots=True)
class DifferenceGroup:
    """Differences of a pattern that have the same aspect and the same reason.

    Arguments:
        members: The differences, in the order of the cases; at least one.
    """

    members: tuple[DeclaredDifference, ...]

    @property
    def pattern(self) -> catalog.Pattern:
        """The pattern."""
        return self.members[0].pattern

    @property
    def difference(self) -> Difference:
        """The first difference, which has the aspect, the reason, the kind and the place of all."""
        return self.members[0].difference

    @property
    def answers(self) -> list[tuple[tuple[Value, Value], list[DeclaredDifference]]]:
        """The different values of original and port, each pair with the members that have it."""
        found: dict[tuple[Value, Value], list[DeclaredDifference]] = {}
        for each in self.members:
            found.setdefault(each.values, []).append(each)
        return list(found.items())


def grouped(differences: Iterable[DeclaredDifference]) -> list[DifferenceGroup]:
    """Return *differences* in groups, in the order of the first member of each."""
    found: dict[tuple[str, ...], list[DeclaredDifference]] = {}
    for each in differences:
        one = each.difference
        key = (each.pattern.name, one.aspect, one.reason, one.kind or "", one.where)
        found.setdefault(key, []).append(each)
    return [DifferenceGroup(tuple(members)) for members in found.values()]


def _declared(value: Any) -> Value:
    if isinstance(value, re.Pattern):
        return Value.of(f"/{value.pattern}/")
    if isinstance(value, dict | list):
        return Value.of(json.dumps(value, ensure_ascii=False))
    return Value.of(value)


def differences_of(pattern: catalog.Pattern) -> tuple[DeclaredDifference, ...]:
    """Return the differences of *pattern*. It imports its cases, so call it in a thread."""
    comparison = parity().get(pattern.name)
    return tuple(
        DeclaredDifference(
            pattern,
            case,
            difference,
            comparison.answer(case, difference) if comparison else None,
        )
        for case in declared_cases(pattern)
        for difference in case.differs
    )


@functools.cache
def declared_differences() -> tuple[DeclaredDifference, ...]:
    """Return the differences of all patterns. It imports their cases, so call it in a thread."""
    return tuple(
        difference for pattern in catalog.PATTERNS for difference in differences_of(pattern)
    )
