from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from quartpatterns.compare.bench_plot import DARK, SVG, plot, write_plot
from quartpatterns.compare.bench_report import as_data, render
from quartpatterns.compare.cores import Cores
from quartpatterns.compare.measurement import Left, Measured, Outcome, Run, Settings, Side, Spread


def run(rate: float, errors: int = 0) -> Run:
    return Run(rate, 2.0, 9.0, errors, int(rate * 3), 2.9, 64 * 2**20, 2)


def side(cpu: float, *rates: float, errors: int = 0) -> Side:
    return Side((cpu, cpu + 1, cpu + 2), tuple(run(rate, errors) for rate in rates))


FLASK_WINS = Measured(
    "one", "quick", ("A-1",), side(30, 6000, 6200, 6100), side(70, 5000, 5100, 4900)
)
QUART_WINS = Measured("one", "waits", (), side(50, 100, 110), side(90, 900, 950))
CLOSE = Measured("two", "close", (), side(50, 100, 120), side(90, 110, 130), ("a note",))


def outcome(*measured: Measured, **given: Any) -> Outcome:
    settings = given.pop("settings", Settings())
    return Outcome(
        "2030-01-01T00:00:00+00:00", settings, Cores((0,), (1,)), "uvloop", measured, **given
    )


def text(found: Outcome, width: int = 100) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(render(found))
    return capture.get()


def test_spread() -> None:
    """A spread is the median, the lowest and the highest value."""
    assert Spread.of([3, 1, 8]) == Spread(3, 1, 8)
    assert Spread.of([]) is None


def test_ratio() -> None:
    """A ratio is the port's median over the original's."""
    assert FLASK_WINS.ratio("rate") == pytest.approx(5000 / 6100)
    assert FLASK_WINS.ratio("cpu") == pytest.approx(71 / 31)
    assert Measured("a", "b", (), side(1), side(2)).ratio("rate") is None


@pytest.mark.parametrize(
    ("case", "winner"), [(FLASK_WINS, "original"), (QUART_WINS, "port"), (CLOSE, "neither")]
)
def test_winner(case: Measured, winner: str) -> None:
    """More requests and less CPU time win; values that overlap decide nothing."""
    assert case.winner("rate") == winner
    assert case.winner("cpu") == "original"


def test_verdicts() -> None:
    """The cases that Flask wins are named, as are the others."""
    lines = text(outcome(FLASK_WINS, QUART_WINS, CLOSE)).splitlines()
    at = lines.index("Flask wins in requests per second")
    assert lines[at : at + 6] == [
        "Flask wins in requests per second",
        "  one · quick  ×0.82",
        "Quart wins in requests per second",
        "  one · waits  ×8.81",
        "Too close to call in requests per second",
        "  two · close  ×1.09",
    ]
    assert "Flask wins in CPU alone µs/request" in lines


def test_table() -> None:
    """A median stands with its spread, beside the other side's and the ratio."""
    [line] = [line for line in text(outcome(FLASK_WINS)).splitlines() if "requests," in line]
    assert line.split() == [
        "requests,", "per", "second", "6,100", "(6,000–6,200)", "5,000", "(4,900–5,100)", "×0.82"
    ]  # fmt: skip


def test_narrow() -> None:
    """No number is cut off in a terminal of 80 columns."""
    found = text(outcome(FLASK_WINS, QUART_WINS), width=80)
    assert "…" not in found
    assert "(6,000–6,200)" in found and "×8.81" in found


def test_how() -> None:
    """The report says how it was measured, and on what."""
    found = " ".join(text(outcome(FLASK_WINS)).split())
    for said in (
        "3 runs of 3 s",
        "A B B A",
        "16 connections",
        "gunicorn-gthread, 1 worker(s) of 16 threads",
        "hypercorn, 1 worker(s)",
        "0 for each server in its turn, 1 for wrk",
        "no access log",
        "python 3.",
        "quart 0.",
    ):
        assert said in found


def test_sync_closes() -> None:
    """That gunicorn's sync worker keeps no connection open is said."""
    settings = Settings(original_server="gunicorn-sync")
    assert "sync closes after each" in text(outcome(FLASK_WINS, settings=settings))


def test_left() -> None:
    """What failed and what was skipped stands there with its reason."""
    failed = Left("one", "broken", "the sides differ")
    skipped = Left("one", "session", "a session of 2 requests")
    unasked = Left("one", "unasked", "not asked for", able=True)
    found = text(outcome(CLOSE, failed=(failed,), skipped=(skipped, unasked, unasked)))
    assert "2 more case(s) can be measured" in found and "unasked" not in found
    assert "failed: one · broken: the sides differ" in found
    assert "skipped (a session of 2 requests): one · session" in found
    assert "note: two · close: a note" in found


def test_passed() -> None:
    """A failure or an error under load is a benchmark that has not passed."""
    assert outcome(FLASK_WINS).passed
    assert not outcome(FLASK_WINS, failed=(Left("a", "b", "c"),)).passed
    with_errors = Measured("a", "b", (), side(1, 10, errors=1), side(1, 10))
    assert not outcome(with_errors).passed
    assert outcome(with_errors).measured[0].errors == 1


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
SIDE = {"median": dict.fromkeys(VALUES, SPREAD), "rounds": [float], "runs": [RUN]}
LEFT = {"subject": str, "case": str, "reason": str, "able": bool}
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
            "subject": str,
            "case": str,
            "checks": [str],
            "original": SIDE,
            "port": SIDE,
            "ratio": dict.fromkeys(VALUES, float),
            "winner": {"rate": str, "cpu": str},
            "errors": int,
            "notes": [str],
        }
    ],
    "failed": [LEFT],
    "skipped": [LEFT],
}


def ensure_fits(value: Any, schema: Any, where: str = "") -> None:
    """Fail where *value* has other keys or types than *schema*."""
    if isinstance(schema, dict):
        assert value.keys() == schema.keys(), where
        for key, inner in schema.items():
            ensure_fits(value[key], inner, f"{where}.{key}")
    elif isinstance(schema, list):
        for item in value:
            ensure_fits(item, schema[0], f"{where}[]")
    else:
        wanted = (int, float) if schema is float else schema
        assert isinstance(value, wanted), f"{where} is {value!r}"


def test_data() -> None:
    """A program finds all of it, in this form; a change of the form changes its number."""
    left = Left("one", "session", "why")
    found = outcome(FLASK_WINS, CLOSE, failed=(left,), skipped=(left,), seconds=1.5)
    data = json.loads(json.dumps(as_data(found)))
    ensure_fits(data, SCHEMA)
    assert data["format"] == 1
    assert {"python", "quart", "flask", "werkzeug", "hypercorn", "gunicorn", "uvloop"} <= data[
        "versions"
    ].keys()
    assert data["cases"][0]["winner"] == {"rate": "original", "cpu": "original"}
    assert data["cases"][0]["original"]["median"]["rate"] == {
        "median": 6100, "low": 6000, "high": 6200
    }  # fmt: skip


def test_data_in_process() -> None:
    """What was not measured is null."""
    alone = Measured("a", "b", (), side(1), side(2))
    [case] = as_data(outcome(alone, settings=Settings(served=False)))["cases"]
    assert case["original"]["median"]["rate"] is case["ratio"]["rate"] is None
    assert case["winner"] == {"rate": None, "cpu": "neither"}


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(one.itertext()).strip() for one in root.iter(f"{{{SVG}}}text")]


def test_plot(tmp_path: Path) -> None:
    """The picture is SVG with a name, a description, units and a legend, all of it text."""
    write_plot(outcome(FLASK_WINS, CLOSE), tmp_path / "p.svg")
    svg = (tmp_path / "p.svg").read_text(encoding="utf-8")
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{{{SVG}}}svg" and root.get("role") == "img"
    named = [root.find(f"*[@id='{name}']") for name in root.get("aria-labelledby", "").split()]
    title, description = (element.text or "" for element in named if element is not None)
    assert title.startswith("Quart port against Flask original")
    assert "one, quick: Flask 6,100, Quart 5,000 requests per second." in description
    found = " ".join(texts(svg))
    for said in (
        "quick",
        "close",
        "requests per second (more is better)",
        "µs per request (less is better)",
        "Flask original",
        "Quart port",
    ):
        assert said in found


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
    """Text and marks stand out from the paper by day and by night (WCAG 1.4.3 and 1.4.11)."""
    ink, paper, _, blue, orange = DARK
    for light in (ink, blue, orange):
        needed = 7 if light == ink else 3
        assert contrast(light, paper) >= needed
        assert contrast(DARK[light], DARK[paper]) >= needed
    svg = plot(outcome(FLASK_WINS))
    assert "@media(prefers-color-scheme:dark)" in svg
    for colour in DARK:
        assert f": {colour}" in svg.replace("<style>", "", 1), "matplotlib writes it so"


def test_plot_in_process() -> None:
    """Without servers the picture has one panel."""
    alone = Measured("a", "b", (), side(1), side(2))
    svg = plot(outcome(alone, settings=Settings(served=False)))
    assert "requests per second" not in " ".join(texts(svg))


def test_plot_escapes() -> None:
    """Names are names, whatever is in them."""
    case = Measured("a", "<b> & $x$_", (), side(1, 1), side(2, 2))
    assert "<b> & $x$_" in texts(plot(outcome(case)))


def test_table_escapes() -> None:
    """The same in the table, where brackets would be markup."""
    case = Measured("old:make(x=[1])", "[red]", (), side(1, 1), side(2, 2))
    found = text(outcome(case))
    assert "old:make(x=[1]) · [red]" in found
    assert found.startswith("old:make(x=[1])")
