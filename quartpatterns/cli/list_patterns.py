"""``quartpatterns list``: list the patterns."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

from quartpatterns import catalog
from quartpatterns.cli.groups import SuggestingChoice
from quartpatterns.cli.pattern_texts import pattern_data

__all__ = ["command"]

EPILOG = """
\b
  quartpatterns list                     all patterns
  quartpatterns list --group data        those of one group
  quartpatterns list --json              for programs
  quartpatterns show streaming           more about one pattern
\b
The column extras is what `pip install 'quartpatterns[EXTRAS]'` adds for the port of a pattern.
Exit code: 0; 2 for a usage error.
"""
TITLES = ("pattern", "group", "extras", "summary")
LEAST = 40
"""The least columns of a summary."""


@click.command(epilog=EPILOG)
@click.option("--group", type=SuggestingChoice(catalog.GROUPS), help="Only this group.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(group: str | None, as_json: bool) -> None:
    """List the patterns: a page of Flask's documentation each, with a helper and a port."""
    patterns = [each for each in catalog.PATTERNS if group in (None, each.group)]
    if as_json:
        data: list[dict[str, Any]] = [pattern_data(pattern) for pattern in patterns]
        click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    rows = [(each.name, each.group, ",".join(each.extras), each.summary) for each in patterns]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in _table([TITLES, *rows], width):
        click.echo(line)


def _table(rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Return the lines of a table. The last column is wrapped at *width* columns.

    A terminal that is too narrow for all columns gets the first and the last one.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    indent = sum(widths[:-1]) + 2 * (len(widths) - 1)
    if width is not None and width - indent < LEAST and len(widths) > 2:
        return _table([(row[0], row[-1]) for row in rows], width)
    last = max(LEAST, width - indent) if width is not None else widths[-1]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=True)]
        first, *others = textwrap.wrap(row[-1], last)
        style = {"bold": True} if number == 0 else {"fg": "cyan"}
        cells[0] = click.style(cells[0], **style)
        lines.append("  ".join([*cells[:-1], first]))
        lines += [" " * indent + text for text in others]
    return lines
