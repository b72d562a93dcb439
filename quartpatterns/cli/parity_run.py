"""The part of ``quartpatterns parity`` that runs the comparisons and prints what they found."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
from typing import Any

import click
from rich.table import Table

from quartpatterns import catalog
from quartpatterns.cli.console import OutputConsole
from quartpatterns.cli.errors import UsageProblem, comparison_extras, explain
from quartpatterns.cli.progress import progress
from quartpatterns.cli.selection import SelectedComparisons
from quartpatterns.compare.case import Comparison, Transport
from quartpatterns.compare.explore import Explorer, NotAsked
from quartpatterns.compare.parity import ParityResult, run_comparison
from quartpatterns.compare.parity_report import as_data, render
from quartpatterns.compare.servers import ASGIServer

__all__ = ["ParityOutcome", "found_cases", "run", "show"]

_logger = logging.getLogger(__name__)
_SUMMARY = 200  # characters
PATTERNS = frozenset(pattern.name for pattern in catalog.PATTERNS)


@dataclasses.dataclass
class ParityOutcome:
    """What the comparisons found.

    Arguments:
        results: The results, by the name of the comparison.
        not_run: The patterns that were not compared, or not to the end, and why.
        not_asked: The URL rules that no request reached; ``None`` if nobody can say.
    """

    results: dict[str, list[ParityResult]]
    not_run: dict[str, str]
    not_asked: list[NotAsked] | None = None

    @property
    def passed(self) -> bool:
        """Whether all responses are equal or differ as declared."""
        return all(result.passed for each in self.results.values() for result in each)

    @property
    def exit_code(self) -> int:
        """1 if something failed, otherwise 2 if something was not run, otherwise 0."""
        return 1 if not self.passed else 2 if self.not_run else 0


def run(
    selection: SelectedComparisons, transport: Transport, server: ASGIServer = "hypercorn"
) -> ParityOutcome:
    """Run the comparisons, and those of the cases that are found meanwhile.

    On the wire, *server* serves the ports.

    What a pattern needs and does not find, such as a database server, costs this pattern alone.

    Raises:
        UsageProblem: Two applications of the user cannot be compared.
    """
    try:
        return asyncio.run(_run_all(selection, transport, server))
    except SystemExit as error:  # It is raised out of the event loop, wherever a task raises it.
        raise UsageProblem(
            f"an application ended the comparison: it called sys.exit({error.code!r})"
        ) from error


async def _run_all(
    selection: SelectedComparisons, transport: Transport, server: ASGIServer
) -> ParityOutcome:
    outcome = ParityOutcome({}, dict(selection.not_run))
    for comparison in selection.comparisons:
        results: list[ParityResult] = []
        try:
            await _run(comparison, transport, server, selection.explorer, results)
        except Exception as error:
            if comparison.name not in PATTERNS:
                raise
            _logger.info("%s cannot be compared", comparison.name, exc_info=True)
            reason = explain(error, *comparison_extras(comparison.name)) or _summary(error)
            if results:
                reason = f"stopped after {len(results)} of {len(comparison.cases)} cases: {reason}"
            outcome.not_run[comparison.name] = reason
        if results:
            outcome.results[comparison.name] = results
    if selection.explorer is not None:
        outcome.not_asked = selection.explorer.not_asked()
    return outcome


def _summary(error: Exception) -> str:
    """Return the class and the message of an error of a driver, without its many details."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    return text if len(text) <= _SUMMARY else f"{text[:_SUMMARY]} ..."


async def _run(
    comparison: Comparison,
    transport: Transport,
    server: ASGIServer,
    explorer: Explorer | None,
    results: list[ParityResult],
) -> None:
    with progress(comparison.name) as show_progress:
        async for result in run_comparison(comparison, transport, server=server):
            # The explorer appends to the cases of the comparison.
            results.append(explorer.learn(result) if explorer else result.without_responses())
            show_progress(f"{comparison.name}: {len(results)} of {len(comparison.cases)} cases")


def found_cases(selection: SelectedComparisons) -> list[Comparison]:
    """Return the comparisons with all cases, also those that are found in answers."""
    if selection.explorer is None:
        return selection.comparisons
    outcome = run(selection, "in process")
    return [
        dataclasses.replace(
            comparison, cases=[result.case for result in outcome.results[comparison.name]]
        )
        for comparison in selection.comparisons
    ]


def show(
    outcome: ParityOutcome,
    selection: SelectedComparisons,
    transport: Transport,
    server: ASGIServer,
    *,
    as_json: bool,
    verbose: bool,
) -> None:
    """Print *outcome*: as JSON, or as tables for people."""
    if as_json:
        click.echo(json.dumps(_data(outcome, selection, transport, server), indent=2, default=str))
        return
    console = OutputConsole()
    for note in selection.notes:
        console.print(note, highlight=False, markup=False, soft_wrap=True)
    if outcome.results:
        where = f"{transport}, {server}" if transport == "on the wire" else transport
        console.print(render(outcome.results, where, verbose=verbose))
    if outcome.not_asked:
        console.print(_not_asked(outcome.not_asked))
    elif outcome.not_asked is not None:
        console.print("Every URL rule was asked.")
    for name, reason in outcome.not_run.items():
        line = f"{name}: not run: {reason}"
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)


def _data(
    outcome: ParityOutcome,
    selection: SelectedComparisons,
    transport: Transport,
    server: ASGIServer,
) -> dict[str, Any]:
    data = as_data(outcome.results, transport)
    if transport == "on the wire":
        data["server"] = server
    data["passed"] = outcome.exit_code == 0
    data["not_run"] = outcome.not_run
    if outcome.not_asked is not None:
        data["not_asked"] = [dataclasses.asdict(each) for each in outcome.not_asked]
    if selection.notes:
        data["notes"] = selection.notes
    return data


def _not_asked(found: list[NotAsked]) -> Table:
    table = Table(title=f"Not asked: {len(found)}", title_justify="left")
    table.add_column("method", no_wrap=True)
    table.add_column("rule", overflow="fold")
    table.add_column("of", no_wrap=True)
    table.add_column("why", overflow="fold")
    for each in found:
        both = "both" if len(each.applications) > 1 else each.applications[0]
        table.add_row(each.method, each.rule.replace("[", r"\["), both, each.reason)
    return table
