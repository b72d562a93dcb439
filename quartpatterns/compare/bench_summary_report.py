"""Show the summary of benchmarks as a table, in a terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from quartpatterns.compare.bench_report import failed_lines, measurement_lines
from quartpatterns.compare.bench_summary import VALUES, Column, Score, Summary
from quartpatterns.compare.tables import Table

MOST_NAMED = 3  # cases of a measurement in the short table
LABELS = {
    "rate": "requests/s",
    "p99": "p99 latency",
    "cpu_served": "CPU per request",
    "peak_rss": "memory",
    "cpu": "CPU per request",
}
HOW_TO_READ = (
    "A number is port / original, as geometric mean of the cases; the lowest and the highest"
    " follow. W, L, T: cases that Quart wins, that Flask wins, and that tie, because the values of"
    " both overlap. CPU, latency and memory: less is better. Requests per second: more is better."
)


def summary_table(summary: Summary) -> Table:
    """Return a row for each pattern and for all, and a column for each measurement."""
    header = ("", *(_heading(column) for column in summary.columns))
    rows = [
        (name, *(_cell(column.score(name)) for column in summary.columns))
        for name in summary.comparisons
    ]
    rows.append(("**all**", *(_cell(column.score()) for column in summary.columns)))
    for value in VALUES[1:]:
        cells = [
            _cell(column.score(value=value)) if column.pairing else "" for column in summary.columns
        ]
        if any(cells):
            rows.append((f"**all**, {LABELS[value]}", *cells))
    return Table("Summary: port / original", header, tuple(rows), tuple(_notes(summary)))


def short_summary_table(summary: Summary) -> Table:
    """Return the rows for all, and the cases in which Flask wins most."""
    table = summary_table(summary)
    rows = table.rows[len(summary.comparisons) :]
    return replace(table, rows=rows, notes=tuple(_notes(summary, most=MOST_NAMED)))


def _heading(column: Column) -> str:
    if column.pairing is None:
        return f"{column.title}\nless is better"
    original, port = column.pairing.split(" | ")
    return f"requests/s\nmore is better\nFlask: {original}\nQuart: {port}"


def _cell(score: Score | None) -> str:
    if score is None:
        return "-"
    text = f"**{score.mean:.2f}**"
    if score.cases > 1:
        text += f" ({score.low:.2f}–{score.high:.2f})"
    return f"{text}\n{score.wins}W {score.losses}L {score.ties}T"


def _notes(summary: Summary, most: int | None = None) -> Iterator[str]:
    yield HOW_TO_READ
    for column in summary.columns:
        cases = sorted(column.cases, key=lambda case: case.ratio(column.value) or 0)
        ordered = cases if column.pairing else cases[::-1]
        lost = [case for case in ordered if case.winner(column.value) == "original"]
        if lost:
            names = ", ".join(
                f"{case.comparison} · {case.case} {case.ratio(column.value) or 0:.2f}"
                for case in lost[:most]
            )
            more = f", and {len(lost) - most} more" if most and len(lost) > most else ""
            yield f"Flask wins, {column.title}: {names}{more}."
    for result in {result.started: result for result in summary.results}.values():
        settings = result.settings
        if settings.served:
            yield (
                f"Served: {settings.runs} runs of {settings.seconds} s in turns after"
                f" {settings.warm_up} s of warm-up, medians; {settings.connections} connections,"
                f" {settings.threads} threads, {settings.workers} worker(s) on each side."
            )
        yield from measurement_lines(result)
        yield from failed_lines(result)
    for result in summary.results:
        for case in result.cases:
            if case.errors:
                yield f"errors under load: {result.pairing}: {case.comparison} · {case.case}"
