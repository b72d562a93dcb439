"""Report mutants: as a table for people, and as data for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from quartpatterns.compare.mutation import MutantResult, MutationResult

_BY_LIMIT = frozenset({"time limit", "memory limit"})


def counts(result: MutationResult) -> dict[str, int]:
    """Return the totals of *result*, by the heading of the table."""
    return {
        "mutants": len(result.mutants),
        "caught": result.count("caught"),
        "survivors": result.count("survived"),
        "not reached": result.count("not reached"),
        "unexplained": len(result.unexplained),
        "stale": len(result.stale),
    }


def as_data(results: Sequence[MutationResult]) -> dict[str, Any]:
    """Return *results* in the types of JSON: totals, and each mutant that was not caught."""
    return {
        "comparisons": {
            result.name: counts(result)
            | {
                "by_a_limit": sum(each.noticed_by in _BY_LIMIT for each in result.mutants),
                "reliable": result.reliable,
                "not_caught": [_data(each) for each in result.mutants if each.outcome != "caught"],
                "stale_reasons": [
                    {
                        "file": each.file,
                        "line": each.line,
                        "within": each.within,
                        "change": each.change,
                    }
                    for each in result.stale
                ],
            }
            for result in results
        },
    }


def _data(each: MutantResult) -> dict[str, Any]:
    mutant = each.mutant
    return {
        "file": mutant.file,
        "number": mutant.line,
        "line": mutant.text,
        "within": mutant.within,
        "kind": mutant.kind,
        "change": mutant.change,
        "outcome": each.outcome,
        "reason": each.reason,
    }


def render(results: Sequence[MutationResult], *, verbose: bool = False) -> Group:
    """Return the table, and after it each mutant that no case noticed and no reason explains.

    Arguments:
        results: The results.
        verbose: Include the explained survivors with their reasons, and what noticed the others.
    """
    table = Table(title="Mutants", title_justify="left")
    table.add_column("changed", overflow="fold", min_width=12)
    rows = {result.name: counts(result) for result in results}
    if len(results) > 1:
        headings = counts(results[0])
        rows["all"] = {name: sum(row[name] for row in rows.values()) for name in headings}
    shown = [
        name
        for name in counts(results[0])
        if name != "stale" or any(result.stale for result in results)
    ]
    for name in shown:
        heading = name.replace(" ", "\n")
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(name.split()[-1]))
    for name, row in rows.items():
        style = "bold red" if row["unexplained"] and name != "all" else ""
        table.add_row(name, *(str(row[each]) for each in shown), style=style)
    lines: list[Text] = []
    for result in results:
        name = f"{result.name} · " if len(results) > 1 else ""
        lines += _lines(result, name, verbose=verbose)
    return Group(table, *lines)


def _lines(result: MutationResult, name: str, *, verbose: bool) -> list[Text]:
    lines = [
        _line(name, each)
        for each in result.mutants
        if verbose or (each.outcome != "caught" and each.reason is None)
    ]
    for reason in result.stale:
        function = f" · {reason.within}" if reason.within else ""
        text = Text(f"\nstale reason: {name}{reason.file}{function}\n", style="yellow")
        lines.append(text.append(f"    {reason.line}\n    {reason.change}"))
    if not result.reliable:
        message = (
            f"\n{name}at the end the cases failed on the unchanged port, too. The runs share"
            " data, for example in a database; let each process create its own."
        )
        lines.append(Text(message, style="bold red"))
    return lines


def _line(name: str, each: MutantResult) -> Text:
    mutant = each.mutant
    style = "red" if each.outcome != "caught" and each.reason is None else ""
    text = Text(f"\n{each.outcome}: ", style=style)
    function = f" · {mutant.within}" if mutant.within else ""
    text.append(f"{name}{mutant.file}:{mutant.line}{function} · {mutant.kind}\n")
    text.append(f"    {mutant.text}\n", style="dim")
    text.append(f"    {mutant.change}")
    if each.noticed_by:
        detail = f" ({each.detail})" if each.detail else ""
        text.append(f"\n    noticed by: {each.noticed_by}{detail}", style="dim")
    if each.reason:
        text.append(f"\n    {each.reason}", style="italic")
    return text
