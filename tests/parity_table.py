"""The columns of the root README's table that say how equal each port and its original are.

::

    quartpatterns parity --json > parity.json
    python -m tests.parity_table parity.json

The second command checks that all cases passed, and writes the columns and the sentence above
the table anew.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartpatterns.catalog import PATTERNS
from quartpatterns.compare.case import pattern_comparison

README = Path(__file__).parents[1] / "README.md"
ROW = re.compile(r"^(\| \[(\w+)\]\(quartpatterns/\w+/README\.md\) \|.*\|) [^|]* \| [^|]* \|$", re.M)
SENTENCE = re.compile(r"^\d[\d,]* cases send .*(?:\nIn \d.*)?$", re.M)


@dataclass(frozen=True, slots=True)
class Equality:
    """The cases of a pattern.

    Attributes:
        compared: The cases that send the same requests to both applications.
        equal: Those in which every response is the same.
        differences: The differences that the others declare.
    """

    compared: int
    equal: int
    differences: int


def declared() -> dict[str, Equality]:
    """Return what the cases declare, by pattern, for all servers of the port."""
    found = {}
    for pattern in PATTERNS:
        cases = [case for case in pattern_comparison(pattern.name).cases if not case.extra]
        found[pattern.name] = _equality([len(case.differs) for case in cases])
    return found


def ensure_passed(data: Mapping[str, Any]) -> None:
    """Check what ``quartpatterns parity --json`` has found.

    Raises:
        ValueError: A case failed, or was not run.
    """
    found = {
        name: sum(not case["extra"] for case in each["results"])
        for name, each in data["comparisons"].items()
    }
    if not data["passed"] or found != {name: each.compared for name, each in declared().items()}:
        raise ValueError("write the table of a run of all patterns in which all cases passed")


def _equality(differences: list[int]) -> Equality:
    return Equality(len(differences), differences.count(0), sum(differences))


def write(text: str, found: Mapping[str, Equality]) -> str:
    """Return the *text* of the README with the columns for *found*."""

    def row(match: re.Match[str]) -> str:
        each = found[match[2]]
        return f"{match[1]} {each.equal} of {each.compared} | {each.differences or ''} |"

    every = list(found.values())
    compared, equal = (sum(getattr(each, name) for each in every) for name in ("compared", "equal"))
    sentence = (
        f"{compared:,} cases send the same requests to a port and to its original.\n"
        f"In {equal:,} of them all responses are the same."
    )
    return SENTENCE.sub(sentence, ROW.sub(row, text))


if __name__ == "__main__":
    ensure_passed(json.loads(Path(sys.argv[1]).read_text()))
    README.write_text(write(README.read_text(), declared()))
