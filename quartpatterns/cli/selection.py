"""The options that select what is compared: patterns, or two applications of the user."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click

from quartpatterns import catalog
from quartpatterns.cli.errors import UsageProblem, comparison_extras, explain
from quartpatterns.cli.groups import PatternName
from quartpatterns.compare.applications import Application, interface, load_application
from quartpatterns.compare.case import Case, Comparison, pattern_comparison
from quartpatterns.compare.case_files import read_toml
from quartpatterns.compare.explore import NO_RULE, Explorer
from quartpatterns.compare.har import read_har
from quartpatterns.compare.values import RuleValues, read_values

__all__ = ["FILE", "SelectedComparisons", "explore", "select", "selection_options"]

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass
class SelectedComparisons:
    """What is compared.

    Arguments:
        comparisons: The comparisons.
        explorer: Finds more cases in the answers of two applications of the user.
        not_run: The patterns that cannot be compared, and why.
        notes: What else the user should know.
    """

    comparisons: list[Comparison] = field(default_factory=list["Comparison"])
    explorer: Explorer | None = None
    not_run: dict[str, str] = field(default_factory=dict[str, str])
    notes: list[str] = field(default_factory=list[str])


def selection_options(function: F) -> F:
    """Add the argument and the options of :func:`select` to a command."""
    for decorate in (
        click.option(
            "--har-host",
            metavar="HOST",
            help="With --har: the host of your application; by default that of the first page.",
        ),
        click.option("--har", type=FILE, help="A HAR file: requests that a browser recorded."),
        click.option("--requests", type=FILE, help="A TOML file of [[case]] tables."),
        click.option("--quart", metavar="MODULE:APP", help="Your Quart application, the port."),
        click.option("--flask", metavar="MODULE:APP", help="Your Flask application, the original."),
        click.argument("patterns", nargs=-1, metavar="[PATTERN ...]", type=PatternName()),
    ):
        function = decorate(function)
    return function


def select(
    patterns: Sequence[str],
    flask: str | None,
    quart: str | None,
    requests: Path | None,
    har: Path | None,
    har_host: str | None = None,
) -> list[Comparison]:
    """Return the selected comparisons; all patterns by default.

    Raises:
        UsageProblem: The options contradict each other, or a pattern is unknown.
    """
    selection = explore(patterns, flask, quart, requests, har, har_host)
    for name, reason in selection.not_run.items():
        raise UsageProblem(f"{name}: {reason}")
    for note in selection.notes:
        click.echo(note, err=True)
    return selection.comparisons


def explore(
    patterns: Sequence[str],
    flask: str | None,
    quart: str | None,
    requests: Path | None,
    har: Path | None,
    har_host: str | None = None,
    *,
    values: Path | None = None,
    forms: bool = False,
) -> SelectedComparisons:
    """Return the selected comparisons, with all that :class:`SelectedComparisons` says of them.

    Arguments:
        patterns: The names of patterns; all by default.
        flask: The name of the original of the user.
        quart: The name of the port of the user.
        requests: A TOML file with cases.
        har: A HAR file.
        har_host: The host of the application in the HAR file.
        values: A TOML file with values for the arguments of rules.
        forms: Send the forms in answers.

    Raises:
        UsageProblem: The options contradict each other, or a pattern is unknown.
    """
    _check_options(patterns, flask, quart, requests, har, har_host)
    if (values or forms) and not flask:
        raise UsageProblem("--values and --forms need --flask and --quart")
    selection = SelectedComparisons()
    try:
        given = read_toml(requests) if requests else None
        if har:
            recording = read_har(har, har_host)
            selection.notes.append(f"{har}: {recording}")
            given = recording.cases
        if flask and quart:
            _add_applications(selection, flask, quart, given, values, forms=forms)
        else:
            _add_patterns(selection, patterns, given)
    except LookupError as error:
        raise UsageProblem(str(error.args[0])) from error
    return selection


def _check_options(
    patterns: Sequence[str],
    flask: str | None,
    quart: str | None,
    requests: Path | None,
    har: Path | None,
    har_host: str | None,
) -> None:
    if requests and har:
        raise UsageProblem("give --requests or --har, not both")
    if har_host and not har:
        raise UsageProblem("--har-host needs --har")
    if (flask or quart) and (not flask or not quart or patterns):
        raise UsageProblem("give both --flask MODULE:APP and --quart MODULE:APP, and no pattern")
    if (requests or har) and not (patterns or flask):
        raise UsageProblem("--requests and --har need a PATTERN, or --flask and --quart")


def _add_patterns(
    selection: SelectedComparisons, patterns: Sequence[str], given: list[Case] | None
) -> None:
    for name in dict.fromkeys(patterns or [pattern.name for pattern in catalog.PATTERNS]):
        try:
            comparison = pattern_comparison(name)
        except Exception as error:
            reason = explain(error, *comparison_extras(name))
            if reason is None and isinstance(error, ImportError):
                reason = str(error)
            if reason is None:
                raise
            selection.not_run[name] = reason
            continue
        if given is not None:
            comparison = dataclasses.replace(comparison, cases=given)
        selection.comparisons.append(comparison)


def _add_applications(
    selection: SelectedComparisons,
    flask: str,
    quart: str,
    given: list[Case] | None,
    values: Path | None,
    *,
    forms: bool,
) -> None:
    original, port = load_application(flask), load_application(quart)
    _check_order(flask, original, quart, port)
    cases = given or []
    try:
        explorer = Explorer(original, port, cases, links=given is None, forms=forms)
    except LookupError:
        if given is None or values or forms:
            raise
    else:
        selection.explorer = explorer
        if given is None:
            explorer.ask_rules()
        if values:
            explorer.use(read_values(values, explorer.all_rules))
        elif given is None:
            explorer.use(RuleValues())
    if not cases:
        raise LookupError(NO_RULE)
    selection.comparisons.append(Comparison(f"{flask} | {quart}", flask, quart, cases))


def _check_order(flask: str, original: Application, quart: str, port: Application) -> None:
    if interface(original) == "asgi" and interface(port) == "wsgi":
        raise UsageProblem(
            f"{flask} is a Quart application and {quart} is a Flask application:"
            f" write --flask {quart} --quart {flask}"
        )
