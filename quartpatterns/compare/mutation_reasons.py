"""The reasons why a change of a port cannot be noticed: a file ``survivors.toml``.

Each ``[[survivor]]`` names the file, the text of the line without the white space around it, the
change as the report shows it, and a reason. The number of the line is not named, so that other
lines may move it. If there are equal lines, ``within`` names the function.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from quartpatterns.compare.files import CaseFileError, convert, parse_toml, read_text

NAME = "survivors.toml"


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why one change, or the same change in equal lines, cannot be noticed.

    Arguments:
        file: The path of the changed file, as the report shows it.
        line: The text of the line, without the white space around it.
        change: The change, as the report shows it.
        reason: One sentence.
        within: The function of the line, as the report shows it. It is needed if a case notices
            the same change in an equal line of another function.
    """

    file: str
    line: str
    change: str
    reason: str
    within: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the reason is for."""
        return self.file, self.line, self.change, self.within


class _File(msgspec.Struct, forbid_unknown_fields=True):
    survivor: list[Reason] = []


def read_reasons(path: Path) -> Sequence[Reason]:
    """Return the reasons in the TOML file *path*.

    Raises:
        CaseFileError: The file is missing or malformed, or a reason is empty or repeated.
    """
    reasons = convert(path, parse_toml(path, read_text(path)), _File).survivor
    known: set[tuple[str, str, str, str]] = set()
    for each in reasons:
        problem = "has no reason" if not each.reason.strip() else "is there twice"
        if problem == "has no reason" or each.key in known:
            raise CaseFileError(f"{path}: {each.file}: {each.line!r}, {each.change} {problem}")
        known.add(each.key)
    return reasons
