"""Read the files that users write or record; each error names the file and the line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

_T = TypeVar("_T")


class CaseFileError(Exception):
    """A file that a user has written or recorded is malformed.

    The message names the file, the line if it is known, and what is wrong.
    """


def read_text(path: Path) -> str:
    """Return the text of a file in UTF-8.

    Raises:
        CaseFileError: The file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CaseFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CaseFileError(f"{path}: expected UTF-8: {error.reason}") from error


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """Return the document in *text*.

    Raises:
        CaseFileError: It is not TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"line (\d+)", str(error))
        number = line[1] if line else text.count("\n") + 1
        raise CaseFileError(f"{path}:{number}: expected TOML: {error}") from error
    except RecursionError:
        raise CaseFileError(f"{path}: expected TOML: it is nested too deeply") from None


def parse_json(path: Path, text: str) -> Any:
    """Return the document in *text*.

    Raises:
        CaseFileError: It is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        position = re.search(r"byte (\d+)", str(error))
        before = text.encode()[: int(position[1])] if position else text.encode()
        number = before.count(b"\n") + 1
        raise CaseFileError(f"{path}:{number}: expected JSON: {error}") from error
    except RecursionError:
        raise CaseFileError(f"{path}: expected JSON: it is nested too deeply") from None


def convert(path: Path, document: Any, form: type[_T], lines: Sequence[int] = ()) -> _T:
    """Convert *document* to the type *form*.

    Arguments:
        path: The file, for the message of an error.
        document: What the file contains.
        form: A type of msgspec.
        lines: The line on which each entry of a list of cases or of entries starts.

    Raises:
        CaseFileError: Something is missing, unknown or of a wrong type.
    """
    try:
        return msgspec.convert(document, form)
    except msgspec.ValidationError as error:
        match = re.search(r"(?:entries|case)\[(\d+)\]", str(error))
        where = line_of(path, lines, int(match[1])) if match else path
        raise CaseFileError(f"{where}: {error}") from error


def line_of(path: Path, lines: Sequence[int], index: int) -> str:
    """Return *path* with the line on which the entry *index* starts, if it is known."""
    return f"{path}:{lines[index]}" if index < len(lines) else str(path)


def lines_of(text: str, pattern: str) -> list[int]:
    """Return the line number of each match of *pattern*."""
    numbers, line, start = [], 1, 0
    for match in re.finditer(pattern, text):
        line += text.count("\n", start, match.start())
        start = match.start()
        numbers.append(line)
    return numbers
