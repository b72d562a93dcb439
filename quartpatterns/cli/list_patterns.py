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
LEAST = 30
"""The least columns of a summary: on a narrower terminal, lines are wrapped by the terminal."""


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
    """Return the lines of a table. The last column is wrapped at *width* columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    indent = sum(widths[:-1]) + 2 * (len(widths) - 1)
    last = None if width is None or width - indent < LEAST else width - indent
    lines = []
    for number, row in enumerate(rows):
        cells = [cell.ljust(size) for cell, size in zip(row, widths, strict=True)]
        texts = textwrap.wrap(row[-1], last) if last else [row[-1]]
        if number == 0:
            lines.append(click.style("  ".join([*cells[:-1], row[-1]]), bold=True))
            continue
        cells[0] = click.style(cells[0], fg="cyan")
        lines.append("  ".join([*cells[:-1], texts[0]]).rstrip())
        lines += [" " * indent + text for text in texts[1:]]
    return lines
