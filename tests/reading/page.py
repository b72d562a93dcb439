"""A page of the documentation: its blocks, its commands, and what they print."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

__all__ = ["NAME", "Block", "PageError", "blocks", "commands", "matches"]

NAME = re.compile(
    r"(?:#|--|//|\{#|/\*|<!--) ([\w./-]+\.\w+)(, continued)?(?:; [^\n]*?)?(?: (?:#\}|\*/|-->))?\n"
)
"""The first line of a file: ``# app.py``, ``-- schema.sql``, ``{# templates/index.html #}``."""

_COMMAND = re.compile(r"^\$ ((?:.*\\\n> )*.*)\n?", re.MULTILINE)


class PageError(AssertionError):
    """A page does not work as it is written."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: The page.
        line: The number of its first line.
        language: The language of the block, such as ``python``.
        text: The content.
    """

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of *page*, in their order."""
    return [
        Block(page, token.map[0] + 1, token.info.strip(), token.content)
        for token in MarkdownIt().parse(page.read_text())
        if token.type == "fence" and token.map is not None
    ]


def commands(block: Block) -> Iterator[tuple[str, str | None]]:
    """Yield each command of a block with what it prints; ``None`` if the block does not show it."""
    if block.language == "sh":
        for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
            command = re.sub(r"(^|\s+)# .*", "", line)
            if command:
                yield command, None
        return
    found = list(_COMMAND.finditer(block.text))
    if not found or found[0].start():
        raise PageError(f"{block}: a console block begins with a command: '$ curl ...'")
    for match, following in zip(found, [*found[1:], None], strict=True):
        end = following.start() if following else None
        command = match[1].replace("\\\n> ", "")
        yield re.sub(r"\s+# .*", "", command), block.text[match.end() : end]


def matches(shown: str, printed: str, *, complete: bool = True) -> bool:
    """Whether *printed* is what the page shows.

    ``...`` stands for any text, and for any number of lines if it is alone on a line. JSON is
    compared by its values, so that a page can write it in several lines.

    Arguments:
        shown: The text in the page.
        printed: The output of a command.
        complete: Whether the output has ended.
    """
    with contextlib.suppress(ValueError):
        return _same(json.loads(shown), json.loads(printed))
    pattern = ""
    for line in _lines(shown):
        escaped = ".*?".join(re.escape(part) for part in line.split("..."))
        pattern += "(?:.*\n)?" if line == "..." else escaped + "\n"
    match = re.fullmatch if complete else re.match
    text = "".join(line + "\n" for line in _lines(printed))
    return match(pattern, text, re.DOTALL) is not None


def _same(shown: object, printed: object) -> bool:
    if isinstance(shown, dict) and isinstance(printed, dict):
        keys = shown.keys() == printed.keys()
        return keys and all(_same(shown[key], printed[key]) for key in shown)
    if isinstance(shown, list) and isinstance(printed, list):
        same = len(shown) == len(printed)
        return same and all(_same(*pair) for pair in zip(shown, printed, strict=True))
    if isinstance(shown, str) and isinstance(printed, str):
        pattern = ".*".join(re.escape(part) for part in shown.split("..."))
        return re.fullmatch(pattern, printed, re.DOTALL) is not None
    return type(shown) is type(printed) and shown == printed


def _lines(text: str) -> list[str]:
    """Return the lines without what nobody sees: kinds of spaces, empty lines."""
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    return [line.rstrip() for line in text.splitlines() if line.strip()]
