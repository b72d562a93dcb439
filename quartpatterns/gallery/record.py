"""Write the data that the gallery shows: the recorded answers, and the measurement.

.. code-block:: sh

    python -m quartpatterns.gallery.record parity            # all patterns; takes minutes
    python -m quartpatterns.gallery.record parity streaming  # one, the others stay
    quartpatterns bench --summary --json > summary.json      # on a machine that does nothing else
    python -m quartpatterns.gallery.record bench summary.json

It needs the extras ``gallery``, ``compare`` and ``originals``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from quartpatterns import catalog
from quartpatterns.compare.bench_files import ResultFileError, read_results
from quartpatterns.compare.bench_report import MIB
from quartpatterns.compare.bench_results import BenchmarkResult, CaseResult
from quartpatterns.compare.bench_summary import VALUES, Column, summarize
from quartpatterns.compare.case import Transport, Where, pattern_comparison
from quartpatterns.compare.parity import ParityResult, run_comparison
from quartpatterns.compare.responses import StepResult, printable
from quartpatterns.compare.servers import ASGIServer
from quartpatterns.gallery.recorded import FOLDER, FORMAT, answer_key, read

__all__ = ["command"]

LONGEST = 600  # characters of a value that both applications answer differently
LONGEST_BODY = 160  # characters of another answer
WIRE: dict[Where, ASGIServer] = {
    "on the wire": "hypercorn",
    "hypercorn": "hypercorn",
    "uvicorn": "uvicorn",
    "granian": "granian",
}
"""The server behind which a difference of this kind is recorded."""


@click.group()
def command() -> None:
    """Write the data that the gallery shows."""


@command.command("parity")
@click.argument("names", metavar="[PATTERN]...", nargs=-1)
def record_parity(names: tuple[str, ...]) -> None:
    """Compare the originals with their ports, and record what they answer."""
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        patterns = [catalog.get(name) for name in names] or catalog.PATTERNS
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from error
    found: dict[str, Any] = read("parity").get("patterns", {})
    for pattern in patterns:
        click.echo(pattern.name, err=True)
        found[pattern.name] = asyncio.run(_compare(pattern))
        _write("parity", {"format": FORMAT, "patterns": _in_order(found)})
    failed = [name for name, one in found.items() if one["passed"] < one["cases"]]
    if failed:
        click.echo(f"not equal: {', '.join(failed)}; run quartpatterns parity", err=True)
        sys.exit(1)


def _in_order(found: Mapping[str, Any]) -> dict[str, Any]:
    return {each.name: found[each.name] for each in catalog.PATTERNS if each.name in found}


async def _compare(pattern: catalog.Pattern) -> dict[str, Any]:
    comparison = pattern_comparison(pattern.name)
    places = {difference.where for case in comparison.cases for difference in case.differs}
    servers = {WIRE[where] for where in places if where in WIRE}
    results = [result async for result in run_comparison(comparison, "in process")]
    answers = _answers(results, "in process", None)
    for server in sorted(servers):
        on_the_wire = run_comparison(comparison, "on the wire", server=server)
        answers |= _answers([result async for result in on_the_wire], "on the wire", server)
    return {
        "recorded": datetime.now(UTC).isoformat(timespec="minutes"),
        "cases": len(results),
        "extras": sum(result.case.extra for result in results),
        "passed": sum(result.passed for result in results),
        "answers": dict(sorted(answers.items())),
        "responses": {
            result.case.name: [_response(step) for step in result.port] for result in results
        },
    }


def _answers(
    results: Sequence[ParityResult], transport: Transport, server: ASGIServer | None
) -> dict[str, Any]:
    """Return both values of each declared difference that applies to *transport* and *server*."""
    # A difference that occurs everywhere is recorded in process.
    places = {"everywhere", transport} if server is None else {transport, server}
    answers: dict[str, Any] = {}
    for result in results:
        values = {
            (finding.step, finding.aspect): (finding.original, finding.port)
            for finding in result.findings
            if finding.state == "declared"
        }
        for difference in result.case.differs:
            key = difference.step, difference.aspect
            if difference.where in places and key in values:
                answers[answer_key(result.case, difference)] = [
                    _shorten(value, LONGEST) for value in values[key]
                ]
    return answers


def _response(step: StepResult) -> list[Any]:
    kind = ", ".join(step.response.values("content-type")).partition(";")[0]
    body = step.aspects.get("body", step.response.text)
    return [step.response.status, kind, _shorten(printable(str(body)), LONGEST_BODY)]


def _shorten(value: Any, longest: int) -> Any:
    if isinstance(value, str) and len(value) > longest:
        return {"start": value[:longest], "length": len(value)}
    return value


@command.command("bench")
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
def record_bench(files: tuple[Path, ...]) -> None:
    """Record FILES of `quartpatterns bench --summary --json`."""
    try:
        summary = summarize(read_results(files))
    except ResultFileError as error:
        raise click.UsageError(str(error)) from error
    if not summary.columns or summary.columns[0].pairing is not None:
        raise click.UsageError("the files have no measurement in process")
    if not summary.passed:
        raise click.UsageError("a case failed or had errors under load: measure again")
    first = summary.results[0]
    _write(
        "bench",
        {
            "format": FORMAT,
            "started": first.started,
            "machine": _machine(first),
            "method": _method(first),
            "versions": first.versions,
            "totals": [_column(column) for column in summary.columns],
            "patterns": {
                name: [
                    _column(column, name)
                    for column in summary.columns
                    if column.score(name) is not None
                ]
                for name in summary.comparisons
            },
        },
    )


def _machine(result: BenchmarkResult) -> str:
    machine = result.machine
    memory = machine["memory"] / MIB / 1024
    system = f"{machine['system'].partition('-')[0]} {machine['architecture']}"
    return f"{machine['cpu']}, {machine['cores']} cores, {memory:.1f} GiB, {system}"


def _method(result: BenchmarkResult) -> str:
    settings = result.settings
    return (
        f"Behind servers: {settings.runs} runs of {settings.seconds} s in turns after"
        f" {settings.warm_up} s of warm-up, medians; {settings.connections} connections,"
        f" {settings.threads} threads, {settings.workers} worker(s) on each side."
    )


def _column(column: Column, pattern: str | None = None) -> dict[str, Any]:
    score = column.score(pattern)
    assert score is not None
    data: dict[str, Any] = {
        "pairing": column.pairing.split(" | ") if column.pairing else None,
        "score": _rounded(asdict(score)),
    }
    if pattern is None:
        scores = {name: column.score(value=name) for name in VALUES if column.pairing}
        data["scores"] = {name: _rounded(asdict(one)) for name, one in scores.items() if one}
        return data
    cases = (case for case in column.cases if case.comparison == pattern)
    data["cases"] = [_case(case, column.value) for case in cases]
    return data


def _case(case: CaseResult, value: str) -> dict[str, Any]:
    spreads = [getattr(case, side).spread(value) for side in ("original", "port")]
    original, port = ([_round(getattr(each, name)) for name in NAMES] for each in spreads)
    return {
        "case": case.case,
        "original": original,
        "port": port,
        "winner": case.winner(value),
    }


NAMES = ("median", "low", "high")


def _rounded(score: Mapping[str, float]) -> dict[str, float]:
    return {name: _round(value) for name, value in score.items()}


def _round(value: float) -> float:
    """Return *value* with four significant digits."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _write(name: str, data: Mapping[str, Any]) -> None:
    file = Path(__file__).parent / FOLDER / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    text = json.dumps(data, ensure_ascii=False, indent=1)
    file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    command(prog_name="python -m quartpatterns.gallery.record")
