from __future__ import annotations

import asyncio
import json
from pathlib import Path

import psutil
import pytest

from quartpatterns.compare import growth
from quartpatterns.compare.bench_files import ResultFileError, read_result
from quartpatterns.compare.bench_report import FORMAT
from quartpatterns.compare.bench_results import BenchmarkSettings
from quartpatterns.compare.example.growing import WORKS, settings
from quartpatterns.compare.example.scenarios import ORIGINAL, PORT
from quartpatterns.compare.growth import (
    GrowthResult,
    GrowthRun,
    SideResult,
    SizeResult,
    Work,
    WorkResult,
    fit_exponent,
    measure_growth,
)
from quartpatterns.compare.growth_report import growth_data, growth_tables
from quartpatterns.compare.load_test import ServedApplication
from quartpatterns.compare.resources import UsageMonitor


@pytest.mark.parametrize("exponent", [-1, 0, 0.5, 1, 2])
def test_fit_exponent(exponent: float) -> None:
    """The exponent of an exact power law is found, whatever its factor."""
    points = [(size, 0.03 * size**exponent) for size in (10, 100, 1000, 10_000)]
    assert fit_exponent(points) == pytest.approx(exponent)


def test_fit_is_least_squares() -> None:
    """Of points beside the line, the fit has the least squares of the logarithms."""
    assert fit_exponent([(1, 1), (10, 100), (100, 100)]) == pytest.approx(1)


@pytest.mark.parametrize("points", [[], [(10, 1)], [(10, 1), (10, 2)]])
def test_no_fit(points: list[tuple[float, float]]) -> None:
    """One size has no growth."""
    assert fit_exponent(points) is None


def size(count: int, seconds: float, answered: int = 1) -> SizeResult:
    run = GrowthRun(seconds, seconds, 3 * 2**20, answered)
    return SizeResult(count, (run, run))


def result(*works: WorkResult) -> GrowthResult:
    machine = {"cpu": "a cpu", "cores": 2, "memory": 2**33, "system": "a system"}
    versions = {"python": "3"}
    return GrowthResult(
        "2030-01-01", BenchmarkSettings(), works, seconds=90.0, machine=machine, versions=versions
    )


PAGE = WorkResult(
    "page",
    "rows",
    "request",
    (
        SideResult("Flask, one", (size(10, 0.001), size(100, 0.001), size(1000, 0.01))),
        SideResult("Quart, two", (size(10, 0.001), size(100, 0.01), size(1000, 0.1))),
    ),
)
STREAMS = WorkResult(
    "streams",
    "streams",
    "connections",
    (
        SideResult("Flask, one", (size(10, 1, 10), size(100, 9, 16))),
        SideResult("Quart, two", (), "StartError: no server"),
    ),
)


def test_exponents() -> None:
    """The growth is fitted to all sizes, or to the last two."""
    flask, quart = PAGE.sides
    assert PAGE.exponent(quart, "cpu") == pytest.approx(1)
    assert PAGE.exponent(quart, "memory") == pytest.approx(0)
    assert PAGE.exponent(flask, "cpu") == pytest.approx(0.5)
    assert PAGE.exponent(flask, "cpu", last=2) == pytest.approx(1)


def test_incomplete_sizes_are_left_out() -> None:
    """A size that was not completely answered has no part in the fit."""
    [flask, quart] = STREAMS.sides
    assert not STREAMS.complete(flask.sizes[1])
    assert STREAMS.exponent(flask, "cpu") is None
    assert STREAMS.exponent(quart, "cpu") is None


def test_tables() -> None:
    """A row has a size; then come the exponents. What failed, or was not answered, is named."""
    page, streams = growth_tables(result(PAGE, STREAMS))
    assert page.rows[1] == ("100", "1.0", "1.0", "3.0", "10.0", "10.0", "3.0")
    assert page.rows[3][0] == "**growth**" and page.rows[3][4] == "**1.00**"
    assert page.rows[4][0] == "**growth, last step**" and page.rows[4][1] == "**1.00**"
    assert streams.rows[1] == ("100", "answered 16", "-", "-")
    assert streams.notes[0] == "Quart, two failed: StartError: no server"
    assert "a cpu, 2 cores, 8.0 GiB" in "\n".join(streams.notes)
    assert not page.notes


def test_data(tmp_path: Path) -> None:
    """The data have the exponents, and are read as they were written."""
    found = result(PAGE, STREAMS)
    data = json.loads(json.dumps(growth_data(found)))
    assert data["format"] == 1 and data["passed"] is False
    quart = data["growth"]["works"][0]["sides"][1]
    assert quart["exponents"]["seconds"] == pytest.approx(1)
    assert quart["last_exponents"]["memory"] == pytest.approx(0)
    file = tmp_path / "result.json"
    file.write_text(json.dumps(data))
    assert read_result(file, "growth", GrowthResult) == found


@pytest.mark.parametrize("data", [{}, {"growth": {}}, {"growth": 3}])
def test_no_data(data: dict[str, object], tmp_path: Path) -> None:
    """The error names the file."""
    file = tmp_path / "result.json"
    file.write_text(json.dumps({"format": FORMAT, **data}))
    message = f"^{file}: no result of quartpatterns bench --growth --json"
    with pytest.raises(ResultFileError, match=message):
        read_result(file, "growth", GrowthResult)


def measure(tmp_path: Path, *works: Work) -> GrowthResult:
    config = settings(tmp_path)
    applications = [
        ServedApplication(ORIGINAL, "gunicorn-gthread", config, 4),
        ServedApplication(PORT, "hypercorn", config),
    ]
    chosen = BenchmarkSettings(runs=1)
    return asyncio.run(measure_growth(works, applications, chosen, tmp_path))


@pytest.mark.slow
@pytest.mark.wire
def test_requests(tmp_path: Path) -> None:
    """Both applications answer each size of a request; more rows cost more CPU time."""
    page = Work("page", "rows", WORKS[0].path, (10, 5000))
    export = Work("export", "rows", WORKS[1].path, (1000, 100_000))
    file = Work("file", "bytes", WORKS[2].path, (10_000, 1_000_000))
    found = measure(tmp_path, page, export, file)
    assert found.passed, found.works
    for work in found.works[:2]:
        for side in work.sides:
            small, large = (one.runs[0] for one in side.sizes)
            assert 0 < small.cpu < large.cpu


@pytest.mark.slow
@pytest.mark.wire
def test_connections(tmp_path: Path) -> None:
    """The original answers as many streams as it has threads, the port all."""
    streams = Work("streams", "streams", "/events", (2, 12), kind="connections")
    requests = Work(
        "requests", "connections", "/sleep?seconds=0.01", (12,), "connections", b"waited"
    )
    found = measure(tmp_path, streams, requests)
    assert found.passed, found.works
    original, port = found.works[0].sides
    assert [one.runs[0].answered for one in port.sizes] == [2, 12]
    assert original.sizes[1].runs[0].answered <= 4
    assert not found.works[0].complete(original.sizes[1])
    assert [side.sizes[0].runs[0].answered for side in found.works[1].sides] == [12, 12]


class ConnectionsMonitor(UsageMonitor):
    """Counts the connections of the server, too."""

    last_count = 0

    def sample(self) -> None:
        super().sample()
        root = psutil.Process(self.pid)
        type(self).last_count = sum(
            one.status == psutil.CONN_ESTABLISHED
            for process in (root, *root.children(recursive=True))
            for one in process.net_connections("tcp")
        )


@pytest.mark.slow
@pytest.mark.wire
def test_measured_while_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last sample is taken while all connections are open: closing them is not measured."""
    monkeypatch.setattr(growth, "UsageMonitor", ConnectionsMonitor)
    found = measure(tmp_path, Work("streams", "streams", "/events", (12,), kind="connections"))
    assert found.works[0].sides[1].sizes[0].runs[0].answered == 12  # the port's, which is last
    assert ConnectionsMonitor.last_count >= 12


@pytest.mark.slow
@pytest.mark.wire
def test_failure(tmp_path: Path) -> None:
    """A request that fails ends the work of this application, with the reason."""
    missing = Work("file", "bytes", "/files/{size}", (7,))
    found = measure(tmp_path, missing)
    assert not found.passed
    assert "status 404 of /files/7" in (found.works[0].sides[0].error or "")
