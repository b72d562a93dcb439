"""The table of the declared differences between the originals and the ports, by kind.

It is made of the cases in ``quartpatterns/<pattern>/example/cases.py``.
``python -m tests.differences_table`` writes ``docs/differences.md`` anew and prints the numbers.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from quartpatterns.catalog import PATTERNS
from quartpatterns.compare import Difference
from quartpatterns.compare.case import pattern_comparison

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "differences.md"
LENGTH = 160
"""How many characters of a value the page shows."""

KINDS = {
    "security": "The port refuses, escapes or hides what the original lets through.",
    "input": "The original fails on unusual input or misreads it, and the port does not.",
    "http": "The status, a header or the method is nearer to the standard.",
    "interface": "The cause is the difference between ASGI and WSGI, or the server.",
    "text": "The port says the same in other words.",
}
UNKNOWN = "of no kind"


@dataclass(frozen=True)
class Declared:
    """A difference, and the case that declares it."""

    pattern: str
    case: str
    difference: Difference

    @property
    def kind(self) -> str:
        """Its kind, one of :data:`KINDS`."""
        return self.difference.kind or UNKNOWN

    @property
    def row(self) -> tuple[str, str, str, str]:
        """What the page shows: the aspect, both values, and the reason."""
        found = self.difference
        return found.aspect, show(found.original), show(found.port), found.reason


@cache
def declared() -> tuple[Declared, ...]:
    """Return the declared differences of all patterns."""
    return tuple(
        Declared(pattern.name, case.name, difference)
        for pattern in PATTERNS
        for case in pattern_comparison(pattern.name).cases
        for difference in case.differs
    )


def show(value: Any) -> str:
    """Return a declared value as Markdown: in one line, and not too long."""
    if value is None:
        return "missing"
    if isinstance(value, re.Pattern):
        text = f"/{cast('re.Pattern[str]', value).pattern}/"
    else:
        text = value if isinstance(value, str) else repr(value)
    if len(text) > LENGTH:
        return f"{_code(text[:LENGTH])} ... ({len(text)} characters)"
    return _code(text) if text else "empty"


def _code(text: str) -> str:
    # A control character, such as NUL, would end the row or make the page binary.
    plain = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    space = " " if len(ticks) > 1 or plain != plain.strip() else ""
    return f"{ticks}{space}{plain}{space}{ticks}".replace("|", r"\|")


def numbers() -> str:
    """Return how many differences are declared, by kind."""
    counts = Counter(each.kind for each in declared())
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in (*KINDS, UNKNOWN) if counts[kind])
    return f"{len(declared())} differences are declared: {kinds}."


def page() -> str:
    """Return the page, as it should be."""
    lines = [
        "# Declared differences",
        "",
        "A port sends the same responses as its original, unless a case declares a difference.",
        "This page lists all of these differences.",
        "Each row has both values, and the comparison fails if one of them changes.",
        "`/.../` is a regular expression that the whole text matches.",
        "`python -m tests.differences_table` generates this page from the cases.",
        "",
        numbers(),
        "",
        *_counts(),
    ]
    for kind in (*KINDS, UNKNOWN):
        lines += _kind(kind)
    return "\n".join(lines).rstrip() + "\n"


def _counts() -> list[str]:
    counts = Counter((each.pattern, each.kind) for each in declared())
    used = [kind for kind in (*KINDS, UNKNOWN) if kind in KINDS or _of(kind)]
    lines = [f"| pattern | {' | '.join(used)} | all |", "| --- |" + " ---: |" * (len(used) + 1)]
    for pattern in PATTERNS:
        row = [counts[pattern.name, kind] for kind in used]
        if sum(row):
            cells = [str(number or "") for number in (*row, sum(row))]
            lines.append(f"| {pattern.name} | {' | '.join(cells)} |")
    total = [len(_of(kind)) for kind in used]
    lines.append(f"| all | {' | '.join(map(str, (*total, len(declared()))))} |")
    return [*lines, ""]


def _of(kind: str) -> list[Declared]:
    return [each for each in declared() if each.kind == kind]


def _kind(kind: str) -> Iterator[str]:
    if not _of(kind):
        return
    yield from (f"## {kind}", "")
    if kind in KINDS:
        yield from (KINDS[kind], "")
    for pattern in PATTERNS:
        found = [each for each in _of(kind) if each.pattern == pattern.name]
        if not found:
            continue
        yield from (
            f"### {kind}: {pattern.name}",
            "",
            "| case | aspect | original | port | reason |",
            "| --- | --- | --- | --- | --- |",
        )
        for row in dict.fromkeys(each.row for each in found):
            names = list(dict.fromkeys(each.case for each in found if each.row == row))
            count = sum(each.row == row for each in found)
            name = names[0].replace("|", r"\|") + (f" and {count - 1} more" if count > 1 else "")
            aspect, original, port, reason = row
            reason = reason.replace("|", r"\|")
            yield f"| {name} | {aspect} | {original} | {port} | {reason} |"
        yield ""


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.stdout.write(f"{numbers()}\n")
