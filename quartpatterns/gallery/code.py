"""Source code as HTML: highlighted, and two files side by side with their differences marked.

The markup is small, so that a page with two long files stays below 100 kB: five classes of tokens
have a colour, and all other text has no element.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from markupsafe import Markup
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, Operator, String
from pygments.token import Literal as LiteralToken
from pygments.util import ClassNotFound

__all__ = ["Hunk", "as_text", "compare", "highlight"]

# The class of a token in gallery.css. The first type that contains the token decides.
CLASSES: tuple[tuple[Any, str], ...] = (
    (Comment, "c"),
    (String.Doc, "c"),
    (Operator.Word, "k"),
    (Keyword, "k"),
    (String, "s"),
    (Number, "m"),
    (LiteralToken, "m"),
    (Name.Decorator, "m"),
    (Name.Tag, "k"),
    (Name.Attribute, "n"),
    (Name.Function, "n"),
    (Name.Class, "n"),
)
SIMILAR = 0.5
"""How similar two lines are, at least, to mark the words that differ."""

_WORDS = re.compile(r"\w+|\s+|[^\w\s]")

Character = tuple[str, str, bool]  # the character, the class of its token, whether it is marked
Line = list[Character]


def as_text(text: str) -> Markup:
    """Return *text* as HTML between two tags, where quotation marks need no escape."""
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;"))


def highlight(text: str, language: str = "python") -> Markup:
    """Return *text* as HTML for an element ``pre``."""
    return Markup("\n").join(_html(line) for line in _lines(text, language))


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that follow each other, in two files.

    Arguments:
        kind: ``equal``, or ``changed``: the lines differ, or are in one file alone.
        left: The lines of the first file, as HTML.
        right: The lines of the second file.
        left_line: The number of the first line.
        right_line: The same, in the second file.
    """

    kind: Literal["equal", "changed"]
    left: Markup
    right: Markup
    left_line: int
    right_line: int


def compare(left: str, right: str, language: str = "python") -> list[Hunk]:
    """Return the lines of two files, as hunks that are equal or changed."""
    left_lines, right_lines = left.splitlines(), right.splitlines()
    left_html, right_html = list(_lines(left, language)), list(_lines(right, language))
    matcher = difflib.SequenceMatcher(_is_blank, left_lines, right_lines, autojunk=False)
    hunks = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag != "equal":
            _mark(left_html[i1:i2], right_html[j1:j2])
        hunks.append(
            Hunk(
                "equal" if tag == "equal" else "changed",
                Markup("\n").join(map(_html, left_html[i1:i2])),
                Markup("\n").join(map(_html, right_html[j1:j2])),
                i1 + 1,
                j1 + 1,
            )
        )
    return hunks


def _is_blank(line: str) -> bool:
    return not line.strip()


def _mark(left: list[Line], right: list[Line]) -> None:
    """Mark the words that differ in lines that are similar, in place."""
    first = 0
    for old in left:
        for index in range(first, len(right)):
            new = right[index]
            words = _words(old), _words(new)
            matcher = difflib.SequenceMatcher(None, *words, autojunk=False)
            if matcher.ratio() >= SIMILAR:
                for tag, i1, i2, j1, j2 in matcher.get_opcodes():
                    if tag != "equal":
                        _mark_words(old, words[0], i1, i2)
                        _mark_words(new, words[1], j1, j2)
                first = index + 1
                break


def _words(line: Line) -> list[str]:
    return _WORDS.findall("".join(each[0] for each in line))


def _mark_words(line: Line, words: list[str], first: int, last: int) -> None:
    start = sum(map(len, words[:first]))
    end = start + sum(map(len, words[first:last]))
    for index in range(start, end):
        line[index] = (*line[index][:2], True)


def _lines(text: str, language: str) -> Iterator[Line]:
    """Yield the characters of each line with the classes of their tokens."""
    line: Line = []
    for kind, value in _lexer(language).get_tokens(text):
        name = _class(kind)
        for character in value:
            if character == "\n":
                yield line
                line = []
            else:
                line.append((character, name, False))
    if line:
        yield line


def _html(line: Line) -> Markup:
    return Markup("").join(_runs(line))


def _runs(line: Line) -> Iterator[Markup]:
    for marked, run in groupby(line, key=lambda each: each[2]):
        html = Markup("").join(_tokens(run))
        yield Markup("<mark>{}</mark>").format(html) if marked else html


def _tokens(run: Iterable[Character]) -> Iterator[Markup]:
    for name, characters in groupby(run, key=lambda each: each[1]):
        text = as_text("".join(each[0] for each in characters))
        if name and text.strip():
            text = Markup('<span class="{}">{}</span>').format(name, text)
        yield text


@functools.cache
def _class(kind: Any) -> str:
    return next((name for parent, name in CLASSES if kind in parent), "")


@functools.cache
def _lexer(language: str) -> Lexer:
    options = {"stripnl": False, "ensurenl": False}
    try:
        return get_lexer_by_name(language, **options)
    except ClassNotFound:
        return get_lexer_by_name("text", **options)
