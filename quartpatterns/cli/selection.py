"""Options that name what is compared: patterns of ours, or two applications of the user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from quartpatterns import catalog
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.loading import load
from quartpatterns.compare.requests_file import read_har, read_toml
from quartpatterns.compare.rules import get_rules
from quartpatterns.compare.subject import Subject, pattern_subject

__all__ = ["select", "selection_options"]

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)


def selection_options(function: F) -> F:
    """The argument and options that :func:`select` takes."""
    for decorate in (
        click.option("--har", type=FILE, help="Requests recorded by a browser (HTTP Archive)."),
        click.option("--requests", type=FILE, help="Requests in a TOML file of [[case]] tables."),
        click.option("--quart", metavar="MODULE:APP", help="Your port, instead of a pattern."),
        click.option("--flask", metavar="MODULE:APP", help="The original of your port."),
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
) -> list[Subject]:
    """What to compare.

    Raises:
        UsageProblem: The options contradict each other or name what is not there.
    """
    if flask or quart:
        return [_applications(patterns, flask, quart, requests, har)]
    if requests or har:
        raise UsageProblem("--requests and --har go with --flask and --quart")
    every = [pattern.name for pattern in catalog.PATTERNS]
    try:
        return [pattern_subject(name) for name in patterns or every]
    except LookupError as error:
        raise UsageProblem(str(error.args[0])) from error


def _applications(
    patterns: Sequence[str],
    flask: str | None,
    quart: str | None,
    requests: Path | None,
    har: Path | None,
) -> Subject:
    if not flask or not quart or patterns:
        raise UsageProblem("name both --flask MODULE:APP and --quart MODULE:APP, and no pattern")
    if requests and har:
        raise UsageProblem("name one of --requests and --har")
    original, port = load(flask), load(quart)
    try:
        cases = (
            read_toml(requests) if requests else read_har(har) if har else get_rules(original, port)
        )
    except LookupError as error:
        raise UsageProblem(str(error.args[0])) from error
    return Subject(f"{flask} | {quart}", flask, quart, cases)
