"""The outcome of a comparison, as a table for people and as data for programs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from quartpatterns.compare.parity import Finding, Result

__all__ = ["as_data", "as_text", "counts", "render"]

Outcome = Mapping[str, Sequence[Result]]
_SHOWN = 12  # lines of a body's difference


def counts(results: Sequence[Result]) -> dict[str, int]:
    """How many cases there are, how many passed, and how many findings of each kind there are."""
    kinds = [finding.kind for result in results for finding in result.findings]
    return {
        "cases": len(results),
        "passed": sum(result.passed for result in results),
        **{kind: kinds.count(kind) for kind in ("declared", "undeclared", "stale")},
    }


def as_data(outcome: Outcome, transport: str) -> dict[str, Any]:
    """All of *outcome* in the types of JSON, by the name of what was compared."""
    return {
        "transport": transport,
        "passed": all(result.passed for results in outcome.values() for result in results),
        "subjects": {
            name: counts(results) | {"results": [_result(result) for result in results]}
            for name, results in outcome.items()
        },
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "case": result.case.name,
        "checks": list(result.case.checks),
        "passed": result.passed,
        "errors": list(result.errors),
        "findings": [
            {name: getattr(finding, name) for name in Finding.__slots__}
            for finding in result.findings
        ],
    }


def render(outcome: Outcome, transport: str, *, verbose: bool = False) -> Group:
    """The table, and under it each finding that nobody declared.

    Arguments:
        outcome: The results by the name of what was compared.
        transport: How the sides were asked, for the title.
        verbose: Show the declared differences with their reasons too.
    """
    table = Table(title=f"Parity {transport}", title_justify="left")
    table.add_column("compared", overflow="fold")
    for name in ("cases", "passed", "declared", "undeclared", "stale"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for name, results in outcome.items():
        row = counts(results)
        bad = "bold red" if row["passed"] < row["cases"] else ""
        table.add_row(name, *map(str, row.values()), style=bad)
    return Group(table, *_details(outcome, verbose=verbose))


def _details(outcome: Outcome, *, verbose: bool) -> list[Text]:
    lines = []
    for name, results in outcome.items():
        for result in results:
            found = [one for one in result.findings if verbose or one.kind != "declared"]
            for finding in found:
                lines.append(_finding(name, result, finding))
            if found and not result.passed:
                lines += [Text(f"    {error}", style="dim") for error in result.errors]
    return lines


def _finding(name: str, result: Result, finding: Finding) -> Text:
    step = result.case.steps[finding.step]
    style = "" if finding.kind == "declared" else "red"
    text = Text(f"\n{finding.kind}: ", style=style)
    text.append(f"{name} · {result.case.name} · {finding.aspect}\n")
    text.append(f"    {step.method} {step.path}", style="dim")
    if len(result.case.steps) > 1:
        text.append(f" (step {finding.step})", style="dim")
    for line in _values(finding):
        text.append(f"\n    {line}")
    if finding.reason:
        text.append(f"\n    {finding.reason}", style="italic")
    return text


def _values(finding: Finding) -> list[str]:
    one, other = finding.original, finding.port
    if isinstance(one, str) and isinstance(other, str) and "\n" in one + other and one != other:
        lines = difflib.unified_diff(
            one.splitlines(), other.splitlines(), "original", "port", lineterm="", n=1
        )
        shown = list(lines)
        more = [f"... {len(shown) - _SHOWN} more lines"] if len(shown) > _SHOWN else []
        return shown[:_SHOWN] + more
    return [f"original  {_short(one)}", f"port      {_short(other)}"]


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 300 else f"{text[:300]} ... ({len(text)} characters)"


def as_text(outcome: Outcome, transport: str) -> str:
    """What :func:`render` shows, without colour: for a failing assertion."""
    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(outcome, transport))
    return capture.get()
