"""The outcome of a benchmark, as a table for people and as data for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from quartpatterns.compare.machine import machine, versions
from quartpatterns.compare.measurement import Left, Measured, Outcome, Side, Spread, Winner
from quartpatterns.compare.server_commands import BACKLOG, KEEP_ALIVE

__all__ = ["FORMAT", "as_data", "render"]

FORMAT = 1
"""The version of the form of :func:`as_data`; it grows when a program must read it otherwise."""

MIB = 1024 * 1024
HYPERCORN = (
    "Hypercorn: hypercorn.toml, but without its access log, with the others' backlog, and without"
    " its limit of 1,000 requests a connection, which the others don't have."
)
# The values of a side: name, heading, unit, and how one is written.
VALUES: dict[str, tuple[str, str, Callable[[float], str]]] = {
    "rate": ("requests", "per second", lambda value: f"{value:,.0f}"),
    "p50": ("p50", "ms", lambda value: f"{value:,.2f}"),
    "p99": ("p99", "ms", lambda value: f"{value:,.1f}"),
    "cpu_served": ("CPU served", "µs/request", lambda value: f"{value:,.0f}"),
    "cpu": ("CPU alone", "µs/request", lambda value: f"{value:,.0f}"),
    "cpu_seconds": ("CPU", "s/run", lambda value: f"{value:,.2f}"),
    "peak_rss": ("memory", "peak MiB", lambda value: f"{value / MIB:,.0f}"),
}


def as_data(outcome: Outcome) -> dict[str, Any]:
    """All of *outcome* in the types of JSON, with versions and machine.

    Rates are requests per second, latencies milliseconds, ``cpu`` CPU microseconds per request
    in process and ``cpu_served`` of the server's process tree, ``cpu_seconds`` its CPU seconds in
    a run, ``peak_rss`` bytes, ``load_before`` the load average of the minute before. A
    spread is the median, the lowest and the highest value; a ratio is the port's median divided
    by the original's.
    """
    return {
        "format": FORMAT,
        "started": outcome.started,
        "seconds": round(outcome.seconds, 1),
        "load_before": round(outcome.load_before, 2),
        "passed": outcome.passed,
        "settings": asdict(outcome.settings)
        | {"loop": outcome.loop, "backlog": BACKLOG, "keep_alive": KEEP_ALIVE, "access_log": False},
        "cores": asdict(outcome.cores),
        "machine": machine(),
        "versions": versions(),
        "cases": [_case(one) for one in outcome.measured],
        "failed": [asdict(left) for left in outcome.failed],
        "skipped": [asdict(left) for left in outcome.skipped],
    }


def _case(one: Measured) -> dict[str, Any]:
    return {
        "subject": one.subject,
        "case": one.case,
        "checks": list(one.checks),
        "original": _side(one.original),
        "port": _side(one.port),
        "ratio": {name: one.ratio(name) for name in VALUES},
        "winner": {name: one.winner(name) for name in ("rate", "cpu")},
        "errors": one.errors,
        "notes": list(one.notes),
    }


def _side(side: Side) -> dict[str, Any]:
    spreads = ((name, side.spread(name)) for name in VALUES)
    return {
        "median": {name: asdict(spread) if spread else None for name, spread in spreads},
        "rounds": list(side.cpu),
        "runs": [asdict(run) for run in side.runs],
    }


def render(outcome: Outcome) -> Group:
    """A table for each subject, the verdict on each case, and what one must know to believe it."""
    subjects = dict.fromkeys(one.subject for one in outcome.measured)
    tables = [_table(subject, outcome) for subject in subjects]
    return Group(*tables, *_verdicts(outcome), *_left(outcome), *_how(outcome))


def _table(subject: str, outcome: Outcome) -> Table:
    names = list(VALUES) if outcome.settings.served else ["cpu"]
    table = Table(title=Text(subject), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("median (lowest–highest)", overflow="fold")
    for name in ("original", "port", "port / original"):
        table.add_column(name, justify="right")
    for one in outcome.measured:
        if one.subject == subject:
            table.add_row(Text(one.case, "bold"))
            for name in names:
                table.add_row(*_row(one, name))
            if outcome.settings.served:
                table.add_row("  errors", _errors(one.original), _errors(one.port))
            table.add_section()
    return table


def _row(one: Measured, name: str) -> list[Text]:
    heading, unit, written = VALUES[name]
    ratio = one.ratio(name)
    return [
        Text(f"  {heading}, {unit}"),
        _cell(one.original.spread(name), written),
        _cell(one.port.spread(name), written),
        Text("-" if ratio is None else f"×{ratio:.2f}"),
    ]


def _cell(spread: Spread | None, written: Callable[[float], str]) -> Text:
    if spread is None:
        return Text("-")
    text = Text(written(spread.median))
    if spread.low == spread.high:
        return text
    return text.append(f" ({written(spread.low)}–{written(spread.high)})", style="dim")


def _errors(side: Side) -> Text:
    errors = sum(run.errors for run in side.runs)
    return Text(str(errors), "bold red" if errors else "")


WINS: dict[Winner, str] = {
    "original": "Flask wins",
    "port": "Quart wins",
    "neither": "Too close to call",
}


def _verdicts(outcome: Outcome) -> list[Text]:
    lines = [line for name in ("rate", "cpu") for line in _verdict(outcome, name)]
    explained = "The number is port / original. Too close: the values of both overlap."
    return [*lines, Text(f"{explained}\n", "dim")] if lines else []


def _verdict(outcome: Outcome, name: str) -> list[Text]:
    heading, unit, _ = VALUES[name]
    lines = []
    for winner, wins in WINS.items():
        cases = [one for one in outcome.measured if one.winner(name) == winner]
        lines += [Text(f"{wins} in {heading} {unit}", "bold")] if cases else []
        lines += [Text(f"  {_name(one)}  ×{one.ratio(name) or 0:.2f}") for one in cases]
    return lines


def _left(outcome: Outcome) -> list[Text]:
    lines = [Text(f"failed: {_name(one)}: {one.reason}", "red") for one in outcome.failed]
    lines += [Text(f"note: {_name(one)}: {note}") for one in outcome.measured for note in one.notes]
    reasons: dict[str, list[str]] = {}
    for one in outcome.skipped:
        reasons.setdefault("" if one.able else one.reason, []).append(_name(one))
    able = reasons.pop("", [])
    lines += [
        Text(f"skipped ({reason}): {', '.join(cases)}", "dim") for reason, cases in reasons.items()
    ]
    more = f"{len(able)} more case(s) can be measured: --case NAME, --case '*' for all"
    return lines + ([Text(more, "dim")] if able else [])


def _name(one: Measured | Left) -> str:
    return f"{one.subject} · {one.case}" if one.case else one.subject


def _how(outcome: Outcome) -> list[Text]:
    found, settings = machine(), outcome.settings
    lines = [f"CPU alone: of the callable in process, on {outcome.loop}, without a server."]
    lines += _how_served(outcome) if settings.served else []
    lines.append(
        f"{found['cpu']}, {found['cores']} cores, {found['memory'] / MIB / 1024:.1f} GiB,"
        f" {found['system']}; load average {outcome.load_before:.2f} before it began"
    )
    lines.append(", ".join(f"{name} {version}" for name, version in versions().items()))
    return [Text(line, "dim") for line in lines]


def _how_served(outcome: Outcome) -> list[str]:
    settings = outcome.settings
    threaded = settings.original_server in ("gunicorn-gthread", "granian-wsgi")
    threads = f" of {settings.threads} threads" if threaded else ""
    closes = ", which sync closes after each answer" if "sync" in settings.original_server else ""
    return [
        f"Served: {settings.runs} runs of {settings.seconds} s for each side in the order A B B A,"
        f" after {settings.warm_up} s of warm-up; {settings.connections} connections kept open"
        f"{closes}; no access log; backlog {BACKLOG}.",
        f"Original: {settings.original_server}, {settings.workers} worker(s){threads}."
        f" Port: {settings.port_server}, {settings.workers} worker(s).",
        f"Cores: {_cores(outcome)}. What a pattern needs beside them, such as a database, is on"
        " any. CPU and memory are of the server's whole process tree.",
        *([HYPERCORN] if settings.port_server == "hypercorn" else []),
    ]


def _cores(outcome: Outcome) -> str:
    cores = outcome.cores
    if cores.servers is None or cores.load is None:
        return cores.note or "not pinned"
    note = f" ({cores.note})" if cores.note else ""
    return f"{_list(cores.servers)} for each server in its turn, {_list(cores.load)} for wrk{note}"


def _list(cores: Iterable[int]) -> str:
    return ", ".join(map(str, cores))
