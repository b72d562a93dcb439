"""Report requests that wait: as tables, and as data for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from quartpatterns.compare.bench_report import FORMAT, measurement_lines
from quartpatterns.compare.bench_results import Spread
from quartpatterns.compare.tables import Table, add_notes
from quartpatterns.compare.waiting import ScenarioResult, VariantResult, WaitingResult

KIB = 1024
LEGEND = (
    "×: requests/s, or streams with a first byte, divided by those of the first row. Of limit:"
    " divided by connections / wait. Of own: divided by its own requests/s without the wait."
    " p50, p99: latency, or of streams the time to the first byte. KiB each: what the server's"
    " process tree grows by from idle to its largest with all connections in use, divided by them."
    " Errors: time-outs of 10 s, closed connections, error statuses, streams without a first byte."
)


def waiting_data(result: WaitingResult) -> dict[str, Any]:
    """Return *result* in the types of JSON.

    ``rate`` and ``rate_without`` (without waiting) are in requests per second, or streams with a
    first byte; latencies in milliseconds; ``memory`` in bytes for each request. ``ratio`` is the
    rate divided by that of the first variant, ``of_limit`` by ``limit``, ``of_own`` by
    ``rate_without``.
    """
    data = asdict(result)
    for scenario, entry in zip(result.scenarios, data["scenarios"], strict=True):
        for variant, one in zip(scenario.variants, entry["variants"], strict=True):
            one["ratio"] = _ratio(variant, scenario.variants[0])
            one["of_limit"] = _of_limit(variant, scenario)
            one["of_own"] = _of_own(variant)
    return {"format": FORMAT, "waiting": data, "passed": result.passed}


def waiting_tables(result: WaitingResult) -> list[Table]:
    """Return a table for each scenario; the last has notes about all."""
    settings = result.settings
    notes = (
        LEGEND,
        f"{settings.runs} run(s) of {settings.seconds} s for each server in turns, each with a new"
        f" server after {settings.warm_up} s of warm-up; median (lowest–highest);"
        f" {settings.connections} connections, {settings.workers} worker(s).",
        *measurement_lines(result),
    )
    return add_notes([_table(scenario) for scenario in result.scenarios], notes)


def _table(scenario: ScenarioResult) -> Table:
    streams, waits = scenario.kind == "streams", scenario.limit is not None
    header = ["", "streams" if streams else "requests/s", "×"]
    header += ["of all" if streams else "of limit"] if waits else []
    header += ["of own"] if waits and not streams else []
    header += ["p50, ms", "p99, ms", "KiB each", "threads", "errors"]
    rows = []
    for variant in scenario.variants:
        if variant.error:
            rows.append((variant.label, variant.error.splitlines()[0], *[""] * (len(header) - 2)))
            continue
        row = [variant.label, _cell(variant.spread("rate"), "{:,.0f}".format)]
        row.append(_number(_ratio(variant, scenario.variants[0]), "{:.1f}"))
        row += [_number(_of_limit(variant, scenario), "{:.0%}")] if waits else []
        row += [_number(_of_own(variant), "{:.0%}")] if waits and not streams else []
        row += [_median(variant, name, "{:,.0f}") for name in ("p50", "p99")]
        memory = variant.spread("memory")
        row.append(_number(memory.median / KIB if memory else None, "{:,.1f}"))
        row.append(_median(variant, "threads", "{:.0f}"))
        row.append(str(sum(run.errors for run in variant.runs)))
        rows.append(tuple(row))
    limit = f"; the limit is {scenario.limit:,.0f}/s" if waits and not streams else ""
    total = f"; {scenario.limit:,.0f} of them" if streams else ""
    title = f"{scenario.name}: {scenario.description}{limit}{total}"
    return Table(title, tuple(header), tuple(rows))


def _ratio(variant: VariantResult, first: VariantResult) -> float | None:
    return _divide(variant.spread("rate"), first.spread("rate"))


def _of_own(variant: VariantResult) -> float | None:
    return _divide(variant.spread("rate"), variant.spread("rate_without"))


def _of_limit(variant: VariantResult, scenario: ScenarioResult) -> float | None:
    rate = variant.spread("rate")
    return rate.median / scenario.limit if rate and scenario.limit else None


def _divide(one: Spread | None, other: Spread | None) -> float | None:
    return one.median / other.median if one and other and other.median else None


def _median(variant: VariantResult, name: str, text: str) -> str:
    spread = variant.spread(name)
    return _number(spread.median if spread else None, text)


def _number(value: float | None, text: str) -> str:
    return "-" if value is None else text.format(value)


def _cell(spread: Spread | None, text: Callable[[float], str]) -> str:
    if spread is None:
        return "-"
    median, low, high = map(text, (spread.median, spread.low, spread.high))
    return f"**{median}**" if low == high else f"**{median}** ({low}–{high})"
