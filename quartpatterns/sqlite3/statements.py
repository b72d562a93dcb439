"""The statements of a script, by SQLite's own rule, and what kind a statement is."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from functools import lru_cache

__all__ = ["changes_connection", "is_blank", "is_outside_transaction", "keyword", "split_script"]

# The tokens of sqlite3_complete(): a semicolon in a string, a quoted name or a comment is no end.
_TOKEN = re.compile(
    r"""'[^']*'?|"[^"]*"?|`[^`]*`?|\[[^\]]*\]?|--[^\n]*|/\*.*?(?:\*/|\Z)|[^'"`\[;/-]+|.""",
    re.DOTALL,
)
# The possessive quantifiers (*+) keep the time linear: without them, 26 blanks take 20 seconds.
_BLANK = r"(?:\s|;|--[^\n]*+|/\*.*?(?:\*/|\Z))*+"
_ONLY_BLANK = re.compile(_BLANK, re.DOTALL)
_KEYWORD = re.compile(rf"{_BLANK}(\w*)", re.DOTALL)
# Statements that change the connection for all later statements.
_CHANGES_CONNECTION = re.compile(
    rf"{_BLANK}(?:PRAGMA|ATTACH|DETACH|CREATE{_BLANK}TEMP)", re.DOTALL | re.IGNORECASE
)
# Statements that SQLite refuses, or that do nothing, in a transaction.
_OUTSIDE_TRANSACTION = re.compile(
    rf"""{_BLANK}(?:VACUUM|ATTACH|DETACH|PRAGMA{_BLANK}(?:[\w"'`\[\]]+{_BLANK}\.{_BLANK})?
    (?:auto_vacuum|encoding|foreign_keys|journal_mode|page_size|synchronous|temp_store
    |wal_checkpoint)\b)""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)


def split_script(script: str) -> Iterator[str]:
    """Yield the statements of *script*; a trigger with the statements in it is one.

    The end of a statement is where :func:`sqlite3.complete_statement` says so. The last one needs
    no semicolon. Comments stay at the statement that follows them.
    """
    start = 0
    is_trigger = False
    before = ""  # the text before a semicolon, without comments
    for token in _TOKEN.finditer(script):
        if token[0] != ";":
            if not token[0].isspace() and not token[0].startswith(("--", "/*")):
                before = token[0].rstrip()
        # In a trigger, only END is before the last semicolon. To ask SQLite at each semicolon would
        # take quadratic time: minutes for a dump after a trigger whose END is missing.
        elif not is_trigger or before.upper().endswith("END"):
            is_trigger = not sqlite3.complete_statement(script[start : token.end()])
            if not is_trigger:
                yield script[start : token.end()]
                start = token.end()
    if not is_blank(script[start:]):
        yield script[start:]


def is_blank(statement: str) -> bool:
    """Return whether *statement* has only blanks, comments and semicolons."""
    return _ONLY_BLANK.fullmatch(statement) is not None


def keyword(statement: str) -> str:
    """Return the first word of *statement* in upper case."""
    match = _KEYWORD.match(statement)
    return match[1].upper() if match else ""


def is_outside_transaction(statement: str) -> bool:
    """Return whether *statement* has its effect outside of a transaction only."""
    return _OUTSIDE_TRANSACTION.match(statement) is not None


@lru_cache(1024)
def changes_connection(statement: str) -> bool:
    """Return whether *statement* changes its connection for all later statements."""
    return _CHANGES_CONNECTION.match(statement) is not None
