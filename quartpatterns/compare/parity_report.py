"""Report a comparison: as a table for people, and as data for programs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from quartpatterns.compare.parity import Finding, ParityResult

Results = Mapping[str, Sequence[ParityResult]]
_DIFF_LINES = 12
_VALUE_LENGTH = 300


def counts(results: Sequence[ParityResult]) -> dict[str, int]:
    """Return the number of cases, of passed cases, and of findings of each kind."""
    kinds = [finding.kind for result in results for finding in result.findings]
    return {
        "cases": len(results),
        "passed": sum(result.passed for result in results),
        **{kind: kinds.count(kind) for kind in ("declared", "undeclared", "stale")},
    }


def as_data(results: Results, transport: str) -> dict[str, Any]:
    """Return *results*, by the name of the comparison, in the types of JSON."""
    return {
        "transport": transport,
        "passed": all(result.passed for each in results.values() for result in each),
        "comparisons": {
            name: counts(each) | {"results": [_result_data(result) for result in each]}
            for name, each in results.items()
        },
    }


def _result_data(result: ParityResult) -> dict[str, Any]:
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


def render(results: Results, transport: str, *, verbose: bool = False) -> Group:
    """Return the table, and after it each unexpected finding.

    Arguments:
        results: The results by the name of the comparison.
        transport: The transport, for the title.
        verbose: Include the declared differences with their reasons.
    """
    table = Table(title=f"Parity {transport}", title_justify="left")
    table.add_column("compared", overflow="fold")
    for heading in ("cases", "passed", "declared", "undeclared", "stale"):
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    lines: list[Text] = []
    for name, each in results.items():
        row = counts(each)
        style = "bold red" if row["passed"] < row["cases"] else ""
        table.add_row(name, *map(str, row.values()), style=style)
        for result in each:
            lines += _findings(name, result, verbose=verbose)
    return Group(table, *lines)


def _findings(name: str, result: ParityResult, *, verbose: bool) -> list[Text]:
    findings = [finding for finding in result.findings if verbose or finding.kind != "declared"]
    lines = [_finding(name, result, finding) for finding in findings]
    if findings and not result.passed:
        lines += [Text(f"    {error}", style="dim") for error in result.errors]
    return lines


def _finding(name: str, result: ParityResult, finding: Finding) -> Text:
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
    """Return both values; a diff if they are different texts of several lines."""
    original, port = finding.original, finding.port
    texts = isinstance(original, str) and isinstance(port, str)
    if not texts or original == port or "\n" not in original + port:
        return [f"original  {_shorten(original)}", f"port      {_shorten(port)}"]
    lines = list(
        difflib.unified_diff(
            original.splitlines(), port.splitlines(), "original", "port", lineterm="", n=1
        )
    )
    more = len(lines) - _DIFF_LINES
    return lines[:_DIFF_LINES] + ([f"... {more} more lines"] if more > 0 else [])


def _shorten(value: Any) -> str:
    text = "missing" if value is None else str(value)
    if len(text) <= _VALUE_LENGTH:
        return text
    return f"{text[:_VALUE_LENGTH]} ... ({len(text)} characters)"


def as_text(results: Results, transport: str) -> str:
    """Return the output of :func:`render` without colour, for a failing assertion."""
    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(render(results, transport))
    return capture.get()
