"""The options that select what is compared: patterns, or two applications of the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from quartpatterns import catalog
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.applications import load_application
from quartpatterns.compare.case import Comparison, pattern_comparison
from quartpatterns.compare.case_files import cases_from_rules, read_har, read_toml

__all__ = ["select", "selection_options"]

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)


def selection_options(function: F) -> F:
    """Add the argument and the options of :func:`select` to a command."""
    for decorate in (
        click.option("--har", type=FILE, help="A HAR file: requests that a browser recorded."),
        click.option("--requests", type=FILE, help="A TOML file of [[case]] tables."),
        click.option("--quart", metavar="MODULE:APP", help="Your Quart application, the port."),
        click.option("--flask", metavar="MODULE:APP", help="Your Flask application, the original."),
        click.argument("patterns", nargs=-1, metavar="[PATTERN ...]"),
    ):
        function = decorate(function)
    return function


def select(
    patterns: Sequence[str],
    flask: str | None,
    quart: str | None,
    requests: Path | None,
    har: Path | None,
) -> list[Comparison]:
    """Return the selected comparisons; all patterns by default.

    Raises:
        UsageProblem: The options contradict each other, or a pattern is unknown.
    """
    try:
        if flask or quart:
            if not flask or not quart or patterns:
                raise UsageProblem(
                    "give both --flask MODULE:APP and --quart MODULE:APP, and no pattern"
                )
            if requests and har:
                raise UsageProblem("give --requests or --har, not both")
            apps = load_application(flask), load_application(quart)
            file_cases = read_toml(requests) if requests else read_har(har) if har else None
            cases = file_cases or cases_from_rules(*apps)
            return [Comparison(f"{flask} | {quart}", flask, quart, cases)]
        if requests or har:
            raise UsageProblem("--requests and --har need --flask and --quart")
        names = patterns or [pattern.name for pattern in catalog.PATTERNS]
        return [pattern_comparison(name) for name in names]
    except LookupError as error:
        raise UsageProblem(str(error.args[0])) from error
