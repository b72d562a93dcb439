"""Report a benchmark: as tables for people, and as data for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from quartpatterns.compare.bench_results import (
    ApplicationResult,
    BenchmarkResult,
    CaseResult,
    Measurement,
    Spread,
    UnmeasuredCase,
    Winner,
)
from quartpatterns.compare.servers import BACKLOG, KEEP_ALIVE

FORMAT = 1
"""The version of the format of :func:`as_data`. An incompatible change increments it."""

MIB = 1024 * 1024
HYPERCORN = (
    "Hypercorn: hypercorn.toml, but without its access log, with the backlog of the other servers,"
    " and without its limit of 1,000 requests for each connection, which the others do not have."
)
# The values of an application: name, heading, unit, format.
VALUES: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "rate": ("requests", "per second", "{:,.0f}".format),
    "p50": ("p50", "ms", "{:,.2f}".format),
    "p99": ("p99", "ms", "{:,.1f}".format),
    "cpu_served": ("CPU served", "µs/request", "{:,.0f}".format),
    "cpu": ("CPU in process", "µs/request", "{:,.0f}".format),
    "cpu_seconds": ("CPU", "s/run", "{:,.2f}".format),
    "peak_rss": ("memory", "peak MiB", lambda value: f"{value / MIB:,.0f}"),
}
VERDICTS: dict[Winner, str] = {
    "original": "Flask wins",
    "port": "Quart wins",
    "neither": "Too close to call",
}


def as_data(result: BenchmarkResult) -> dict[str, Any]:
    """Return all of *result* in the types of JSON, with versions and machine.

    ``rate`` is in requests per second, latencies in milliseconds, ``cpu`` (in process) and
    ``cpu_served`` (of the server's process tree) in CPU microseconds per request, ``cpu_seconds``
    in CPU seconds of a run, ``peak_rss`` in bytes. ``load_before`` is the load average of the
    minute before. A spread is the median, the lowest and the highest value. A ratio is the median
    of the port divided by that of the original.
    """
    return {
        "format": FORMAT,
        "started": result.started,
        "seconds": round(result.seconds, 1),
        "load_before": round(result.load_before, 2),
        "passed": result.passed,
        "settings": asdict(result.settings)
        | {"loop": result.loop, "backlog": BACKLOG, "keep_alive": KEEP_ALIVE, "access_log": False},
        "cores": asdict(result.cores),
        "machine": result.machine,
        "versions": result.versions,
        "cases": [_case_data(case) for case in result.cases],
        "failed": [asdict(case) for case in result.failed],
        "skipped": [asdict(case) for case in result.skipped],
    }


def _case_data(case: CaseResult) -> dict[str, Any]:
    return {
        "comparison": case.comparison,
        "case": case.case,
        "checks": list(case.checks),
        "original": _application_data(case.original),
        "port": _application_data(case.port),
        "ratio": {name: case.ratio(name) for name in VALUES},
        "winner": {name: case.winner(name) for name in ("rate", "cpu")},
        "errors": case.errors,
        "notes": list(case.notes),
    }


def _application_data(application: ApplicationResult) -> dict[str, Any]:
    spreads = ((name, application.spread(name)) for name in VALUES)
    return {
        "median": {name: asdict(spread) if spread else None for name, spread in spreads},
        "rounds": list(application.cpu),
        "runs": [asdict(run) for run in application.runs],
    }


def render(result: BenchmarkResult) -> Group:
    """Return a table for each comparison, a verdict for each case, and how it was measured."""
    comparisons = dict.fromkeys(case.comparison for case in result.cases)
    tables = [_table(name, result) for name in comparisons]
    return Group(*tables, *_verdicts(result), *_unmeasured(result), *_method(result))


def _table(comparison: str, result: BenchmarkResult) -> Table:
    served = result.settings.served
    table = Table(title=Text(comparison), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("median (lowest–highest)", overflow="fold")
    for heading in ("original", "port", "port / original"):
        table.add_column(heading, justify="right")
    for case in result.cases:
        if case.comparison == comparison:
            table.add_row(Text(case.case, "bold"))
            for name in VALUES if served else ["cpu"]:
                table.add_row(*_row(case, name))
            if served:
                table.add_row("  errors", _errors(case.original), _errors(case.port))
            table.add_section()
    return table


def _row(case: CaseResult, name: str) -> list[Text]:
    heading, unit, format_value = VALUES[name]
    ratio = case.ratio(name)
    return [
        Text(f"  {heading}, {unit}"),
        _cell(case.original.spread(name), format_value),
        _cell(case.port.spread(name), format_value),
        Text("-" if ratio is None else f"×{ratio:.2f}"),
    ]


def _cell(spread: Spread | None, format_value: Callable[[float], str]) -> Text:
    if spread is None:
        return Text("-")
    text = Text(format_value(spread.median))
    if spread.low == spread.high:
        return text
    return text.append(f" ({format_value(spread.low)}–{format_value(spread.high)})", style="dim")


def _errors(application: ApplicationResult) -> Text:
    errors = sum(run.errors for run in application.runs)
    return Text(str(errors), "bold red" if errors else "")


def _verdicts(result: BenchmarkResult) -> list[Text]:
    lines = [line for name in ("rate", "cpu") for line in _verdict(result, name)]
    legend = "The number is port / original. Too close to call: the values of both overlap."
    return [*lines, Text(f"{legend}\n", "dim")] if lines else []


def _verdict(result: BenchmarkResult, name: str) -> list[Text]:
    heading, unit, _ = VALUES[name]
    lines = []
    for winner, verdict in VERDICTS.items():
        cases = [case for case in result.cases if case.winner(name) == winner]
        lines += [Text(f"{verdict} in {heading} {unit}", "bold")] if cases else []
        lines += [Text(f"  {_title(case)}  ×{case.ratio(name) or 0:.2f}") for case in cases]
    return lines


def failed_lines(result: BenchmarkResult) -> list[str]:
    """Return a line for each case that failed."""
    return [f"failed: {_title(case)}: {case.reason}" for case in result.failed]


def _unmeasured(result: BenchmarkResult) -> list[Text]:
    lines = [Text(line, "red") for line in failed_lines(result)]
    for case in result.cases:
        lines += [Text(f"note: {_title(case)}: {note}") for note in case.notes]
    by_reason: dict[str, list[str]] = {}
    for skipped in result.skipped:
        if not skipped.measurable:
            by_reason.setdefault(skipped.reason, []).append(_title(skipped))
    for reason, titles in by_reason.items():
        lines.append(Text(f"skipped ({reason}): {', '.join(titles)}", "dim"))
    if more := sum(skipped.measurable for skipped in result.skipped):
        hint = f"{more} more case(s) can be measured: --case NAME, or --case '*' for all"
        lines.append(Text(hint, "dim"))
    return lines


def _title(case: CaseResult | UnmeasuredCase) -> str:
    return f"{case.comparison} · {case.case}" if case.case else case.comparison


def _method(result: BenchmarkResult) -> list[Text]:
    lines = [f"CPU in process: the application alone, without a server, on {result.loop}."]
    lines += _served_method(result) if result.settings.served else []
    lines += measurement_lines(result)
    return [Text(line, "dim") for line in lines]


def measurement_lines(measurement: Measurement) -> list[str]:
    """Return what a reader must know about the machine, the versions and the time."""
    machine = measurement.machine
    return [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory'] / MIB / 1024:.1f} GiB,"
        f" {machine['system']}; load average before the start: {measurement.load_before:.2f}",
        ", ".join(f"{name} {version}" for name, version in measurement.versions.items()),
        f"Measured on {measurement.started} in {measurement.seconds / 60:.0f} min.",
    ]


def _served_method(result: BenchmarkResult) -> list[str]:
    settings = result.settings
    threaded = settings.original_server in ("gunicorn-gthread", "granian-wsgi")
    threads = f" of {settings.threads} threads" if threaded else ""
    closes = ", which sync closes after each response" if "sync" in settings.original_server else ""
    return [
        f"Served: {settings.runs} runs of {settings.seconds} s for each application in the order"
        f" A B B A, after {settings.warm_up} s of warm-up; {settings.connections} connections that"
        f" stay open{closes}; no access log; backlog {BACKLOG}.",
        f"Original: {settings.original_server}, {settings.workers} worker(s){threads}."
        f" Port: {settings.port_server}, {settings.workers} worker(s).",
        f"Cores: {_cores(result)}. Services that a pattern needs, such as a database, use any core."
        " CPU and memory are those of the server's whole process tree.",
        *([HYPERCORN] if settings.port_server == "hypercorn" else []),
    ]


def _cores(result: BenchmarkResult) -> str:
    cores = result.cores
    if cores.servers is None or cores.load is None:
        return cores.note or "not pinned"
    note = f" ({cores.note})" if cores.note else ""
    return f"{_join(cores.servers)} for the measured server, {_join(cores.load)} for wrk{note}"


def _join(cores: Iterable[int]) -> str:
    return ", ".join(map(str, cores))
