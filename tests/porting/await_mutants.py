"""Take ``await`` and ``async`` out of a module, one at a time."""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["AwaitMutant", "await_mutants"]


@dataclass(frozen=True, slots=True)
class AwaitMutant:
    """A module without one ``await`` or ``async``.

    Attributes:
        line: The number of the line.
        code: The line as it was, without the white space around it.
        change: What is missing: the keyword with the word that follows it.
        text: The module.
    """

    line: int
    code: str
    change: str
    text: str

    @property
    def is_valid(self) -> bool:
        """Whether Python can compile it."""
        try:
            compile(self.text, "mutant", "exec")
        except SyntaxError:
            return False
        return True


def await_mutants(text: str) -> Iterator[AwaitMutant]:
    """Yield each module that *text* becomes without one of its keywords."""
    lines = text.splitlines(keepends=True)
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    for token, following in pairwise(tokens):
        if token.type == tokenize.NAME and token.string in ("await", "async"):
            row, column = token.start
            line = lines[row - 1]
            assert following.start[0] == row
            changed = line[:column] + line[following.start[1] :]
            yield AwaitMutant(
                row,
                line.strip(),
                f"without {token.string} {following.string}",
                "".join([*lines[: row - 1], changed, *lines[row:]]),
            )
