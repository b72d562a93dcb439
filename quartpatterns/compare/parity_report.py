"""Report a comparison: as a table for people, and as data for programs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from quartpatterns.compare.findings import Finding, State
from quartpatterns.compare.parity import ParityResult

Results = Mapping[str, Sequence[ParityResult]]
_DIFF_LINES = 12
_VALUE_LENGTH = 300
_SHORT_LENGTH = 60  # of a value in the first line of a failing assertion
_LINE_LENGTH = 100
_COOKIES = 3  # that a note names
_RARE = ("extra", "unexpected", "error")  # columns that are left out if they have only zeros


def counts(results: Sequence[ParityResult]) -> dict[str, int]:
    """Return the number of cases, of those that are extras or passed, and of each state."""
    states = [finding.state for result in results for finding in result.findings]
    return {
        "cases": len(results),
        "extra": sum(result.case.extra for result in results),
        "passed": sum(result.passed for result in results),
        **{state: states.count(state) for state in get_args(State)},
    }


def as_data(results: Results, transport: str) -> dict[str, Any]:
    """Return *results*, by the name of the comparison, in the types of JSON."""
    return {
        "transport": transport,
        "passed": all(result.passed for each in results.values() for result in each),
        "comparisons": {
            name: counts(each)
            | {
                "unverified_cookies": _unverified(each),
                "results": [_result_data(result) for result in each],
            }
            for name, each in results.items()
        },
    }


def _result_data(result: ParityResult) -> dict[str, Any]:
    return {
        "case": result.case.name,
        "extra": result.case.extra,
        "checks": list(result.case.checks),
        "passed": result.passed,
        "errors": list(result.errors),
        "findings": [
            {name: getattr(finding, name) for name in Finding.__slots__}
            for finding in result.findings
        ],
    }


def _unverified(results: Sequence[ParityResult]) -> list[str]:
    return sorted({name for result in results for name in result.unverified})


def render(results: Results, transport: str, *, verbose: bool = False) -> Group:
    """Return the table, and after it each unexpected finding.

    Arguments:
        results: The results by the name of the comparison.
        transport: The transport, for the title.
        verbose: Include the declared differences with their reasons.
    """
    rows = {name: counts(each) for name, each in results.items()}
    # Most comparisons have no extras, and none of the last two.
    columns = [
        column
        for column in counts(())
        if column not in _RARE or any(row[column] for row in rows.values())
    ]
    table = Table(title=f"Parity {transport}", title_justify="left")
    table.add_column("compared", overflow="fold", min_width=8)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True, min_width=len(column))
    lines: list[Text] = []
    for name, each in results.items():
        row = rows[name]
        style = "bold red" if row["passed"] < row["cases"] else ""
        table.add_row(name, *(str(row[column]) for column in columns), style=style)
        for result in each:
            lines += _findings(name, result, verbose=verbose)
        lines += _note(name, _unverified(each))
    return Group(table, *lines)


def _note(name: str, cookies: Sequence[str]) -> list[Text]:
    if not cookies:
        return []
    some = ", ".join(cookies[:_COOKIES]) + (", ..." if len(cookies) > _COOKIES else "")
    count = f"{len(cookies)} signed cookie{'s' if len(cookies) > 1 else ''}"
    text = f"\n{name}: no key or salt is known to verify {count} ({some})"
    return [Text(text, style="dim")]


def _findings(name: str, result: ParityResult, *, verbose: bool) -> list[Text]:
    findings = [finding for finding in result.findings if verbose or finding.state != "declared"]
    lines = [_finding(name, result, finding) for finding in findings]
    if findings and not result.passed:
        lines += [Text(f"    {error}", style="dim") for error in result.errors]
    return lines


def _finding(name: str, result: ParityResult, finding: Finding) -> Text:
    step = result.case.steps[finding.step]
    style = "" if finding.state == "declared" else "red"
    text = Text(f"\n{finding.state}: ", style=style)
    text.append(" · ".join(filter(None, (name, result.case.name, finding.aspect))) + "\n")
    text.append(f"    {step.method} {step.path}", style="dim")
    if len(result.case.steps) > 1:
        text.append(f" (step {finding.step})", style="dim")
    for line in _values(finding, "expected" if result.case.extra else "original"):
        text.append(f"\n    {line}")
    if finding.reason:
        kind = f"{finding.kind}: " if finding.kind else ""
        text.append(f"\n    {kind}{finding.reason}", style="italic")
    return text


def _values(finding: Finding, label: str) -> list[str]:
    """Return both values; a diff if they are different texts of several lines."""
    original, port = finding.original, finding.port
    texts = isinstance(original, str) and isinstance(port, str)
    if not texts or original == port or "\n" not in original + port:
        return [f"{label}  {_shorten(original)}", f"port      {_shorten(port)}"]
    lines = list(
        difflib.unified_diff(
            original.splitlines(), port.splitlines(), label, "port", lineterm="", n=1
        )
    )
    more = len(lines) - _DIFF_LINES
    return lines[:_DIFF_LINES] + ([f"... {more} more lines"] if more > 0 else [])


def _shorten(value: Any) -> str:
    text = "missing" if value is None else str(value)
    if len(text) <= _VALUE_LENGTH:
        return text
    return f"{text[:_VALUE_LENGTH]} ... ({len(text)} characters)"


def failure_text(results: Sequence[ParityResult]) -> str:
    """Return the message of a failing assertion: the first difference in one line, then all.

    Arguments:
        results: The results of one comparison, of which at least one has not passed.
    """
    failed = [result for result in results if not result.passed]
    number = f"{len(failed)} of {len(results)} case{'' if len(results) == 1 else 's'}"
    lines = [Text(f"{number} failed: {_in_one_line(failed[0])}")]
    for result in failed:
        lines += _findings("", result, verbose=False)
    totals = ", ".join(f"{count} {name}" for name, count in counts(results).items() if count)
    lines += [*_note("cookies", _unverified(results)), Text(f"\n{totals}")]
    console = Console(width=_LINE_LENGTH, color_system=None, force_terminal=False)
    with console.capture() as capture:
        console.print(*lines, sep="\n", soft_wrap=True)
    return capture.get().rstrip()


def _in_one_line(result: ParityResult) -> str:
    finding = next(each for each in result.findings if each.state != "declared")
    values = (_one_line(finding.original), _one_line(finding.port))
    if finding.original == finding.port:  # a stale declaration
        return f"{result.case.name}: {finding.aspect}: {finding.state}"
    label = "expected" if result.case.extra else "original"
    return f"{result.case.name}: {finding.aspect}: {label} {values[0]}, port {values[1]}"


def _one_line(value: Any) -> str:
    if value is None:
        return "missing"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHORT_LENGTH else f"{text[:_SHORT_LENGTH]}..."
