"""A table of text, for a terminal and for Markdown."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import rich.table
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.text import Text

MOST_WIDTH = 36  # of the first column
EDGES, GAP = 2, 3  # spaces around the columns, and between two of them


class MarkerError(Exception):
    """A file has no place for a table; the message shows the two lines that mark it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title above it and notes below it. ``**`` makes text bold."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield it for a terminal.

        No number is broken or cut: in a narrow terminal lines end between words, and if that does
        not suffice, the columns are in several tables, one below the other.
        """
        yield from self._parts(options.max_width)
        yield from (Text(note, "dim") for note in self.notes)

    def _parts(self, width: int) -> Iterator[rich.table.Table]:
        names, *columns = zip(self.header, *self.rows, strict=True)
        natural = min(MOST_WIDTH, _longest(names, "\n"))
        widths = [_longest(column, "\n") for column in columns]
        if natural + _sum(widths) > width:
            widths = [
                max(_longest([heading], r"\s|(?<=[a-z]-)"), _longest(cells, r"\s"))
                for heading, *cells in columns
            ]
        least = min(natural, _longest(names, r"\s"))
        size = 1
        for parts in range(1, len(columns) + 1):  # the fewest that are narrow enough
            size = math.ceil(len(columns) / parts)
            used = max(_sum(widths[start : start + size]) for start in range(0, len(columns), size))
            if least + used <= width:
                break
        for start in range(0, len(columns), size):
            part = slice(start, start + size)
            free = max(least, width - _sum(widths[part]))
            yield self._part(names, min(natural, free), columns[part], widths[part])

    def _part(
        self,
        names: Sequence[str],
        width: int,
        columns: Sequence[Sequence[str]],
        widths: Sequence[int],
    ) -> rich.table.Table:
        table = rich.table.Table(
            title=self.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False
        )
        table.add_column(Text(names[0]), width=width, overflow="fold")
        for (heading, *_), most in zip(columns, widths, strict=True):
            table.add_column(Text(_wrap(heading, most)), width=most, justify="right")
        for row in list(zip(names, *columns, strict=True))[1:]:
            table.add_row(*map(_rich, row))
        return table

    def markdown(self) -> str:
        """Return it in Markdown."""
        lines = [f"**{self.title}**", ""] if self.title else []
        lines += [_line(self.header), _line(["---", *["---:"] * (len(self.header) - 1)])]
        lines += [_line(row) for row in self.rows]
        paragraphs = ["\n".join(lines), *(_escape(note) for note in self.notes)]
        return "\n\n".join(paragraphs) + "\n"


def _sum(widths: Iterable[int]) -> int:
    """Return what columns take beside the first."""
    return EDGES + sum(GAP + width for width in widths)


def _longest(texts: Iterable[str], separator: str) -> int:
    """Return the width of the longest piece between *separator*, a regular expression."""
    pieces = (piece for text in texts for piece in re.split(separator, text.replace("**", "")))
    return max(map(cell_len, pieces), default=1)


def _wrap(text: str, width: int) -> str:
    """Return *text* in lines of at most *width*, which end between words or after a hyphen."""
    return "\n".join(
        part for line in text.split("\n") for part in textwrap.wrap(line, width) or [""]
    )


def _rich(text: str) -> Text:
    parts = text.split("**")
    return Text.assemble(*((part, "bold" if index % 2 else "") for index, part in enumerate(parts)))


def _escape(text: str) -> str:
    """Return *text* so that Markdown takes no part of it as a tag; ``**`` stays."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _line(cells: tuple[str, ...] | list[str]) -> str:
    escaped = (_escape(cell).replace("|", r"\|").replace("\n", "<br>") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def add_notes(tables: Sequence[Table], notes: Iterable[str]) -> list[Table]:
    """Return *tables* with *notes* about all of them below the last."""
    *others, last = tables
    return [*others, replace(last, notes=(*last.notes, *notes))]


def find_place(file: Path, *names: str) -> str:
    """Return the first of *names* that *file* has a place for.

    Raises:
        MarkerError: It has none.
        OSError: It cannot be read.
    """
    content = file.read_text(encoding="utf-8")
    for name in names:
        if _place(name).search(content):
            return name
    lines = "\n".join(_markers(names[0]))
    raise MarkerError(f"{file} has no place for the table: add the lines\n{lines}")


def replace_between_markers(file: Path, name: str, text: str) -> None:
    """Replace what *file* has between the two comments about *name*.

    Raises:
        MarkerError: It does not have both comments.
        OSError: It cannot be read or written.
    """
    find_place(file, name)
    start, end = _markers(name)
    replaced = _place(name).sub(
        lambda _: f"{start}\n{text.rstrip()}\n{end}", file.read_text(encoding="utf-8"), count=1
    )
    file.write_text(replaced, encoding="utf-8")


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"


def _place(name: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, _markers(name))), re.DOTALL)
