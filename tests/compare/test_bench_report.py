from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest
from rich.console import Console

from quartpatterns.compare.bench_machine import machine, versions
from quartpatterns.compare.bench_plot import plot
from quartpatterns.compare.bench_report import as_data, render
from quartpatterns.compare.bench_results import (
    ApplicationResult,
    BenchmarkResult,
    BenchmarkSettings,
    CaseResult,
    LoadRun,
    Spread,
    UnmeasuredCase,
)
from quartpatterns.compare.resources import CoreAllocation
from quartpatterns.compare.svg import DARK, SVG


def run(rate: float, errors: int = 0) -> LoadRun:
    return LoadRun(rate, 2.0, 9.0, errors, int(rate * 3), 2.9, 64 * 2**20, 2)


def application(cpu: float, *rates: float, errors: int = 0) -> ApplicationResult:
    return ApplicationResult((cpu, cpu + 1, cpu + 2), tuple(run(rate, errors) for rate in rates))


FLASK_WINS = CaseResult(
    "one",
    "quick",
    ("A-1",),
    application(30, 6000, 6200, 6100),
    application(70, 5000, 5100, 4900),
)
QUART_WINS = CaseResult("one", "waits", (), application(50, 100, 110), application(90, 900, 950))
CLOSE = CaseResult(
    "two", "close", (), application(50, 100, 120), application(90, 110, 130), ("a note",)
)


def result(*cases: CaseResult, **options: Any) -> BenchmarkResult:
    settings = options.pop("settings", BenchmarkSettings())
    cores = CoreAllocation((0,), (1,))
    options = {"machine": machine(), "versions": versions(), **options}
    return BenchmarkResult("2030-01-01T00:00:00+00:00", settings, cores, "uvloop", cases, **options)


def text(found: BenchmarkResult, width: int = 100) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(render(found))
    return capture.get()


def test_spread() -> None:
    """A spread is the median, the lowest and the highest value."""
    assert Spread.of([3, 1, 8]) == Spread(3, 1, 8)
    assert Spread.of([]) is None


def test_cpu_served() -> None:
    """CPU time is divided by the number of requests, even if there was none."""
    assert run(1000).cpu_served == pytest.approx(2.9e6 / 3000)
    assert run(0).cpu_served == 2.9e6


def test_ratio() -> None:
    """A ratio is the median of the port divided by that of the original."""
    assert FLASK_WINS.ratio("rate") == pytest.approx(5000 / 6100)
    assert FLASK_WINS.ratio("cpu") == pytest.approx(71 / 31)
    assert CaseResult("a", "b", (), application(1), application(2)).ratio("rate") is None


@pytest.mark.parametrize(
    ("case", "winner"), [(FLASK_WINS, "original"), (QUART_WINS, "port"), (CLOSE, "neither")]
)
def test_winner(case: CaseResult, winner: str) -> None:
    """More requests and less CPU time win; without a winner the values overlap."""
    assert case.winner("rate") == winner
    assert case.winner("cpu") == "original"


def test_no_winner() -> None:
    """Equal lowest and highest values overlap."""
    case = CaseResult("one", "touching", (), application(1, 10, 20), application(3, 20, 30))
    assert case.winner("rate") == case.winner("cpu") == "neither"


def test_verdicts() -> None:
    """Each case is listed under its winner."""
    lines = text(result(FLASK_WINS, QUART_WINS, CLOSE)).splitlines()
    start = lines.index("Flask wins in requests per second")
    assert lines[start : start + 6] == [
        "Flask wins in requests per second",
        "  one · quick  ×0.82",
        "Quart wins in requests per second",
        "  one · waits  ×8.81",
        "Too close to call in requests per second",
        "  two · close  ×1.09",
    ]
    assert "Flask wins in CPU in process µs/request" in lines


def test_table() -> None:
    """A row has the median and the spread of both applications, and the ratio."""
    [line] = [line for line in text(result(FLASK_WINS)).splitlines() if "requests," in line]
    assert line.split() == [
        "requests,", "per", "second", "6,100", "(6,000–6,200)", "5,000", "(4,900–5,100)", "×0.82"
    ]  # fmt: skip


def test_narrow_terminal() -> None:
    """No number is truncated in a terminal of 80 columns."""
    found = text(result(FLASK_WINS, QUART_WINS), width=80)
    assert "…" not in found
    assert "(6,000–6,200)" in found and "×8.81" in found


def test_method() -> None:
    """The report describes the method and the machine."""
    found = " ".join(text(result(FLASK_WINS)).split())
    for words in (
        "3 runs of 3 s",
        "A B B A",
        "16 connections",
        "gunicorn-gthread, 1 worker(s) of 16 threads",
        "hypercorn, 1 worker(s)",
        "0 for the measured server, 1 for wrk",
        "no access log",
        "python 3.",
        "quart 0.",
    ):
        assert words in found


def test_sync_closes() -> None:
    """The report says that the sync worker of gunicorn closes each connection."""
    settings = BenchmarkSettings(original_server="gunicorn-sync")
    assert "sync closes after each response" in text(result(FLASK_WINS, settings=settings))


def test_unmeasured() -> None:
    """Failed and skipped cases are listed with their reasons."""
    failed = UnmeasuredCase("one", "broken", "the responses differ")
    skipped = UnmeasuredCase("one", "session", "a session of 2 requests")
    other = UnmeasuredCase("one", "other", "not selected", measurable=True)
    found = text(result(CLOSE, failed=(failed,), skipped=(skipped, other, other)))
    assert "2 more case(s) can be measured" in found and "one · other" not in found
    assert "failed: one · broken: the responses differ" in found
    assert "skipped (a session of 2 requests): one · session" in found
    assert "note: two · close: a note" in found


def test_passed() -> None:
    """A failure or an error under load fails the benchmark."""
    assert result(FLASK_WINS).passed
    assert not result(FLASK_WINS, failed=(UnmeasuredCase("a", "b", "c"),)).passed
    with_errors = CaseResult("a", "b", (), application(1, 10, errors=1), application(1, 10))
    assert not result(with_errors).passed
    assert result(with_errors).cases[0].errors == 1


SPREAD = {"median": float, "low": float, "high": float}
RUN = {
    "rate": float,
    "p50": float,
    "p99": float,
    "errors": int,
    "requests": int,
    "cpu_seconds": float,
    "peak_rss": int,
    "processes": int,
}
VALUES = ("rate", "p50", "p99", "cpu_served", "cpu", "cpu_seconds", "peak_rss")
APPLICATION = {"median": dict.fromkeys(VALUES, SPREAD), "rounds": [float], "runs": [RUN]}
UNMEASURED = {"comparison": str, "case": str, "reason": str, "measurable": bool}
SCHEMA = {
    "format": int,
    "started": str,
    "seconds": float,
    "load_before": float,
    "passed": bool,
    "settings": {
        "served": bool,
        "original_server": str,
        "port_server": str,
        "workers": int,
        "threads": int,
        "connections": int,
        "seconds": int,
        "runs": int,
        "warm_up": int,
        "served_cases": (int, type(None)),
        "loop": str,
        "backlog": int,
        "keep_alive": int,
        "access_log": bool,
    },
    "cores": {"servers": [int], "load": [int], "note": type(None)},
    "machine": {
        "cpu": str,
        "cores": int,
        "memory": int,
        "system": str,
        "kernel": str,
        "architecture": str,
    },
    "versions": dict,
    "cases": [
        {
            "comparison": str,
            "case": str,
            "checks": [str],
            "original": APPLICATION,
            "port": APPLICATION,
            "ratio": dict.fromkeys(VALUES, float),
            "winner": {"rate": str, "cpu": str},
            "errors": int,
            "notes": [str],
        }
    ],
    "failed": [UNMEASURED],
    "skipped": [UNMEASURED],
}


def ensure_valid(value: Any, schema: Any, where: str = "") -> None:
    """Fail if *value* has other keys or types than *schema*."""
    if isinstance(schema, dict):
        assert value.keys() == schema.keys(), where
        for key, inner in schema.items():
            ensure_valid(value[key], inner, f"{where}.{key}")
    elif isinstance(schema, list):
        for item in value:
            ensure_valid(item, schema[0], f"{where}[]")
    else:
        expected = (int, float) if schema is float else schema
        assert isinstance(value, expected), f"{where} is {value!r}"


def test_data() -> None:
    """The data have this schema; a change of the schema changes the number of the format."""
    session = UnmeasuredCase("one", "session", "why")
    found = result(FLASK_WINS, CLOSE, failed=(session,), skipped=(session,), seconds=1.5)
    data = json.loads(json.dumps(as_data(found)))
    ensure_valid(data, SCHEMA)
    assert data["format"] == 1
    assert {"python", "quart", "flask", "werkzeug", "hypercorn", "gunicorn", "uvloop"} <= data[
        "versions"
    ].keys()
    assert data["cases"][0]["winner"] == {"rate": "original", "cpu": "original"}
    assert data["cases"][0]["original"]["median"]["rate"] == {
        "median": 6100, "low": 6000, "high": 6200
    }  # fmt: skip


def test_data_in_process() -> None:
    """Values that were not measured are null."""
    case = CaseResult("a", "b", (), application(1), application(2))
    [data] = as_data(result(case, settings=BenchmarkSettings(served=False)))["cases"]
    assert data["original"]["median"]["rate"] is data["ratio"]["rate"] is None
    assert data["winner"] == {"rate": None, "cpu": "neither"}


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(one.itertext()).strip() for one in root.iter(f"{{{SVG}}}text")]


def test_plot() -> None:
    """The picture is SVG with a title, a description, units and a legend, all as text."""
    svg = plot(result(FLASK_WINS, CLOSE))
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{{{SVG}}}svg" and root.get("role") == "img"
    named = [root.find(f"*[@id='{name}']") for name in root.get("aria-labelledby", "").split()]
    title, description = (element.text or "" for element in named if element is not None)
    assert title.startswith("Quart port and Flask original")
    assert "one, quick: Flask 6,100, Quart 5,000 requests per second." in description
    found = " ".join(texts(svg))
    for words in (
        "quick",
        "close",
        "requests per second (more is better)",
        "µs per request (less is better)",
        "Flask original",
        "Quart port",
    ):
        assert words in found


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG 2.2."""

    def luminance(colour: str) -> float:
        parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
                  for part in parts]  # fmt: skip
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_plot_colours() -> None:
    """Text and marks have enough contrast in light and dark mode (WCAG 1.4.3 and 1.4.11)."""
    ink, paper, _, blue, orange = DARK
    for light in (ink, blue, orange):
        needed = 7 if light == ink else 3
        assert contrast(light, paper) >= needed
        assert contrast(DARK[light], DARK[paper]) >= needed
    svg = plot(result(FLASK_WINS))
    assert "@media(prefers-color-scheme:dark)" in svg
    for colour in DARK:
        assert f": {colour}" in svg


def test_plot_in_process() -> None:
    """Without servers the picture has no panel for rates."""
    case = CaseResult("a", "b", (), application(1), application(2))
    svg = plot(result(case, settings=BenchmarkSettings(served=False)))
    assert "requests per second" not in " ".join(texts(svg))


def test_plot_escapes() -> None:
    """Special characters in names are escaped."""
    case = CaseResult("a", "<b> & $x$_", (), application(1, 1), application(2, 2))
    assert "<b> & $x$_" in texts(plot(result(case)))


def test_table_escapes() -> None:
    """Brackets in names are not interpreted as markup."""
    case = CaseResult("old:make(x=[1])", "[red]", (), application(1, 1), application(2, 2))
    found = text(result(case))
    assert "old:make(x=[1]) · [red]" in found
    assert found.startswith("old:make(x=[1])")
