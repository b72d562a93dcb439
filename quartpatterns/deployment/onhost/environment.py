"""Reading a file of environment variables, as systemd reads it.

The grammar is the one of ``EnvironmentFile=`` (systemd.exec(5)). Shells read the same values from
``set -a; . FILE`` if each value is in quotes, and a backslash is before each ``"``, ``\\``, `````
and ``$`` in double quotes. There is no substitution: ``$`` is an ordinary character.

Lines that systemd ignores or guesses are errors here.
"""

from __future__ import annotations

import re

_ASSIGNMENT = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_BETWEEN = re.compile(r"(?:[ \t\r\n]|[#;][^\r\n]*)*")
_SINGLE_QUOTED = re.compile(r"'([^']*)'")
_DOUBLE_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNQUOTED = re.compile(r"((?:[^\\\r\n]|\\.)*)\\?", re.DOTALL)
_BLANK = re.compile(r"[ \t]*")

# An escaped line break joins two lines.
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPE_IN_QUOTES = re.compile(r'\\(["\\`$\n])')
_TRAILING_BLANKS = re.compile(r"((?:[^\\]|\\.)*?)[ \t]*", re.DOTALL)


def parse_environment(text: str) -> dict[str, str]:
    r"""Return the variables in *text*: lines ``KEY=value``, as systemd reads them.

    * A value in single quotes is taken as it is, and may have several lines.
    * In double quotes, a backslash before ``"``, a backslash, a backtick or ``$`` is removed.
    * Without quotes, a backslash is removed before any character, and so are blanks at the end.
    * A backslash at the end of a line joins it with the next line, except in single quotes.
    * Empty lines and lines that start with ``#`` or ``;`` are ignored, and so is ``export``.

    Raises:
        ValueError: A line is invalid. The message does not contain it, as it may be a secret.
    """
    text = text.removeprefix("\ufeff")
    variables: dict[str, str] = {}
    position = _end(_BETWEEN, text, 0)
    while position < len(text):
        number = text.count("\n", 0, position) + 1
        assignment = _ASSIGNMENT.match(text, position)
        if assignment is None:
            raise ValueError(f"line {number} must look like KEY=value")
        value, end = _value(text, assignment.end(), number)
        if "\0" in value:
            raise ValueError(f"line {number} must look like KEY=value, without a NUL character")
        variables[assignment[1]] = value
        position = _end(_BETWEEN, text, end)
    return variables


def _value(text: str, position: int, number: int) -> tuple[str, int]:
    """Return the value at *position*, and where it ends."""
    value = ""
    while text[position : position + 1] in {"'", '"'} and position < len(text):
        is_single = text[position] == "'"
        quoted = (_SINGLE_QUOTED if is_single else _DOUBLE_QUOTED).match(text, position)
        if quoted is None:
            raise ValueError(f"line {number} has a quote that is not closed")
        value += quoted[1] if is_single else _ESCAPE_IN_QUOTES.sub(_unescaped, quoted[1])
        position = quoted.end()
        end = _end(_BLANK, text, position)
        if text[end : end + 1] in {"", "\r", "\n"}:
            return value, end
        if end > position:
            # systemd appends it to the value, even a comment. A shell runs it as a command.
            raise ValueError(f"line {number} has text after a quoted value")
    unquoted = _UNQUOTED.match(text, position)
    assert unquoted is not None
    stripped = _TRAILING_BLANKS.fullmatch(unquoted[1])
    assert stripped is not None
    return value + _ESCAPE.sub(_unescaped, stripped[1]), unquoted.end()


def _unescaped(escape: re.Match[str]) -> str:
    return "" if escape[1] in {"\r", "\n"} else escape[1]


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    assert match is not None
    return match.end()
