"""Report how time and memory grow: as tables, and as data for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from quartpatterns.compare.bench_report import FORMAT, MIB, measurement_lines
from quartpatterns.compare.growth import GrowthResult, SideResult, SizeResult, WorkResult
from quartpatterns.compare.tables import Table, add_notes

VALUES = ("cpu", "seconds", "memory")
LEGEND = (
    "CPU: of the server's process tree. Time: until a response is complete; with connections, until"
    " all responses have begun. MiB: the most that the process tree was above the idle server."
    " Growth: the exponent b of the power law a·n^b that fits the medians (least squares of the"
    " logarithms), over all sizes, and between the last two: 1 means ten times the time for ten"
    " times the work, 0 no growth. Sizes that were not completely answered are left out of it."
)


def growth_data(result: GrowthResult) -> dict[str, Any]:
    """Return *result* in the types of JSON.

    ``cpu`` and ``seconds`` are in seconds, ``memory`` in bytes. ``exponents`` has the growth of
    each over all sizes, and ``last_exponents`` between the last two.
    """
    data = asdict(result)
    for work, entry in zip(result.works, data["works"], strict=True):
        for side, one in zip(work.sides, entry["sides"], strict=True):
            one["exponents"] = {name: work.exponent(side, name) for name in VALUES}
            one["last_exponents"] = {name: work.exponent(side, name, last=2) for name in VALUES}
    return {"format": FORMAT, "growth": data, "passed": result.passed}


def growth_tables(result: GrowthResult) -> list[Table]:
    """Return a table for each work; the last has notes about all."""
    settings = result.settings
    notes = (
        LEGEND,
        f"Medians of {settings.runs} run(s) for each application in turns; {settings.workers}"
        f" worker(s) of each server, with {settings.threads} threads for Flask.",
        *measurement_lines(result),
    )
    return add_notes([_table(work) for work in result.works], notes)


def _table(work: WorkResult) -> Table:
    sides = [side for side in work.sides if not side.error]
    header = [work.unit]
    for side in sides:
        header += [f"{side.label}\nCPU, ms", "time, ms", "MiB"]
    rows = []
    for size in dict.fromkeys(each.size for side in sides for each in side.sizes):
        row = [f"{size:,}"]
        for side in sides:
            row += _cells(work, next(each for each in side.sizes if each.size == size))
        rows.append(tuple(row))
    rows.append(("**growth**", *_growth(work, sides, None)))
    rows.append(("**growth, last step**", *_growth(work, sides, 2)))
    notes = tuple(f"{side.label} failed: {side.error}" for side in work.sides if side.error)
    return Table(work.name, tuple(header), tuple(rows), notes)


def _cells(work: WorkResult, result: SizeResult) -> list[str]:
    if not work.complete(result):
        answered = min(run.answered for run in result.runs)
        return [f"answered {answered:,}", "-", "-"]
    cpu, seconds, memory = (result.spread(name) for name in VALUES)
    assert cpu and seconds and memory
    used = f"{1000 * cpu.median:,.1f}" if cpu.median else "<10"
    return [used, f"{1000 * seconds.median:,.1f}", _mib(memory.median)]


def _mib(memory: float) -> str:
    return f"{memory / MIB:,.1f}"


def _growth(work: WorkResult, sides: list[SideResult], last: int | None) -> list[str]:
    cells = []
    for side in sides:
        for name in VALUES:
            exponent = work.exponent(side, name, last)
            cells.append("-" if exponent is None else f"**{exponent:.2f}**")
    return cells
