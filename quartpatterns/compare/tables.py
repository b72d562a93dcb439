"""A table of text, for a terminal and for Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import rich.table
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Group
from rich.text import Text

MOST_WIDTH = 36  # of the first column
LEAST_WIDTH = 20  # of the first column of a table with many columns
MANY = 6  # columns


class MarkerError(Exception):
    """A file has no place for a table; the message shows the two lines that mark it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a title above it and notes below it. ``**`` makes text bold."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = field(default=())

    def render(self) -> Group:
        """Return it for a terminal."""
        table = rich.table.Table(
            title=self.title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False
        )
        longest = max((cell_len(row[0].replace("**", "")) for row in self.rows), default=1)
        wide = len(self.header) > MANY
        table.add_column(
            self.header[0],
            no_wrap=longest <= MOST_WIDTH and not wide,  # a short name stays in one line
            max_width=LEAST_WIDTH if wide else MOST_WIDTH,
            overflow="fold",
        )
        for heading in self.header[1:]:
            # A wide table has narrow columns, in which no number is broken.
            heading = heading.replace(" ", "\n") if wide else heading
            table.add_column(heading, justify="right", overflow="fold", no_wrap=wide)
        for name, *cells in self.rows:
            if wide:
                cells = [cell.replace(" (", "\n(") for cell in cells]
            table.add_row(*map(_rich, (name, *cells)))
        return Group(table, *(Text(note, "dim") for note in self.notes))

    def markdown(self) -> str:
        """Return it in Markdown."""
        lines = [f"**{self.title}**", ""] if self.title else []
        lines += [_line(self.header), _line(["---", *["---:"] * (len(self.header) - 1)])]
        lines += [_line(row) for row in self.rows]
        paragraphs = ["\n".join(lines), *(_escape(note) for note in self.notes)]
        return "\n\n".join(paragraphs) + "\n"


def _rich(text: str) -> Text:
    parts = text.split("**")
    return Text.assemble(*((part, "bold" if index % 2 else "") for index, part in enumerate(parts)))


def _escape(text: str) -> str:
    """Return *text* so that Markdown takes no part of it as a tag; ``**`` stays."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _line(cells: tuple[str, ...] | list[str]) -> str:
    escaped = (_escape(cell).replace("|", r"\|").replace("\n", "<br>") for cell in cells)
    return f"| {' | '.join(escaped)} |"


def replace_between_markers(file: Path, name: str, text: str) -> None:
    """Replace what *file* has between the two comments about *name*.

    Raises:
        MarkerError: It does not have both comments.
        OSError: It cannot be read or written.
    """
    start, end = f"<!-- bench {name} -->", f"<!-- end of bench {name} -->"
    content = file.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(content):
        raise MarkerError(f"{file} has no place for the table: add the lines\n{start}\n{end}")
    replaced = pattern.sub(lambda _: f"{start}\n{text.rstrip()}\n{end}", content, count=1)
    file.write_text(replaced, encoding="utf-8")
