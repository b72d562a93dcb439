from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from quartpatterns.compare.bench_files import ResultFileError, read_results
from quartpatterns.compare.bench_machine import machine, versions
from quartpatterns.compare.bench_report import as_data
from quartpatterns.compare.bench_results import (
    ApplicationResult,
    BenchmarkResult,
    BenchmarkSettings,
    CaseResult,
    LoadRun,
    UnmeasuredCase,
)
from quartpatterns.compare.bench_summary import Score, Summary, summarize, summary_data
from quartpatterns.compare.bench_summary_plot import summary_plot
from quartpatterns.compare.bench_summary_report import short_summary_table, summary_table
from quartpatterns.compare.resources import CoreAllocation
from quartpatterns.compare.svg import DARK, SVG

GRANIAN = BenchmarkSettings(original_server="granian-wsgi", port_server="granian")
USUAL = BenchmarkSettings()


def application(cpu: float, *rates: float, errors: int = 0) -> ApplicationResult:
    runs = (
        LoadRun(rate, 2.0, 1000 / rate, errors, int(rate), 1.0, int(rate) * 2**10, 2)
        for rate in rates
    )
    return ApplicationResult((cpu, cpu), tuple(runs))


def case(
    name: str, original: ApplicationResult, port: ApplicationResult, comparison: str = "one"
) -> CaseResult:
    return CaseResult(comparison, name, (), original, port)


def result(
    *cases: CaseResult,
    settings: BenchmarkSettings = USUAL,
    failed: tuple[UnmeasuredCase, ...] = (),
) -> BenchmarkResult:
    return BenchmarkResult(
        "2030-01-01T00:00:00+00:00",
        settings,
        CoreAllocation((0,), (1,)),
        "uvloop",
        cases,
        failed,
        machine=machine(),
        versions=versions(),
    )


# The port has half of the requests, twice, eight times; half, twice, four times the CPU time.
LOSES = case("loses", application(20, 1000, 1000), application(10, 500, 500))
WINS = case("wins", application(10, 1000, 1000), application(20, 2000, 2000))
OTHER = case("other", application(10, 100, 900), application(40, 800, 4000), "two")
TIE = case("tie", application(10, 100, 900), application(10, 90, 1000), "two")
IN_PROCESS = case("in process", application(10), application(30), "two")

USUAL_RESULT = result(LOSES, WINS, TIE, IN_PROCESS)
GRANIAN_RESULT = result(
    replace(LOSES, port=application(10, 4000, 4000)), replace(OTHER), settings=GRANIAN
)


def summary() -> Summary:
    return summarize([GRANIAN_RESULT, USUAL_RESULT])


def test_score() -> None:
    """A score has the geometric mean, the extremes, and how many cases each side wins."""
    score = Score.of([LOSES, WINS], "rate")
    assert score and score.mean == pytest.approx(1)
    assert replace(score, mean=1.0) == Score(2, 1.0, low=0.5, high=2.0, wins=1, losses=1, ties=0)
    score = Score.of([LOSES, WINS], "cpu")
    assert score and (score.low, score.high, score.wins, score.losses) == (0.5, 2.0, 1, 1)
    tie = Score.of([TIE], "rate")
    assert tie is not None and (tie.wins, tie.losses, tie.ties) == (0, 0, 1)
    assert Score.of([IN_PROCESS], "rate") is None
    assert Score.of([], "cpu") is None


def test_columns() -> None:
    """There is a column in process, with each case once, and one for each pairing."""
    found = summary()
    assert [column.pairing for column in found.columns] == [
        None, "granian-wsgi | granian", "gunicorn-gthread | hypercorn"
    ]  # fmt: skip
    assert found.comparisons == ("one", "two")
    in_process, granian, usual = found.columns
    assert [each.case for each in in_process.cases] == [
        "loses", "other", "wins", "tie", "in process"
    ]  # fmt: skip
    assert [each.case for each in usual.cases] == ["loses", "wins", "tie"]
    score = granian.score("one")
    assert score and score.mean == pytest.approx(4)
    score = usual.score("one", "p99")
    assert score and score.mean == pytest.approx(1) and (score.wins, score.losses) == (1, 1)


def test_repeated_case() -> None:
    """Of a case that was measured twice behind the same servers, the last result counts."""
    again = result(replace(LOSES, port=application(10, 3000, 3000)))
    [_, column] = summarize([result(LOSES), again]).columns
    score = column.score()
    assert score and score.cases == 1 and score.mean == pytest.approx(3)


def test_table() -> None:
    """The table has a row for each pattern, and rows for all; it names what Flask wins."""
    table = summary_table(summary())
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["one"][2] == "**1.00** (0.50–2.00)\n1W 1L 0T"
    assert rows["one"][1] == "**4.00**\n1W 0L 0T"
    assert set(rows) == {
        "one", "two", "**all**", "**all**, p99 latency", "**all**, CPU per request",
        "**all**, memory"
    }  # fmt: skip
    assert rows["**all**, memory"][0] == ""
    assert table.header[2] == "requests/s\nmore is better\nFlask: granian-wsgi\nQuart: granian"
    notes = "\n".join(table.notes)
    assert "Flask wins, gunicorn-gthread | hypercorn: one · loses 0.50." in notes
    assert (
        "Flask wins, CPU in process: two · other 4.00, two · in process 3.00, one · wins" in notes
    )
    assert "3 runs of 3 s" in notes
    assert notes.count(" cores, ") == 1, "the machine of one run is named once"


def test_short_table() -> None:
    """The short table has the rows for all, and names the cases in which Flask wins most."""
    table = summary_table(summary())
    cases = [case(f"case {cpu}", application(10), application(cpu)) for cpu in (20, 50, 30, 40)]
    short = short_summary_table(summarize([result(*cases)]))
    assert [row[0] for row in short.rows] == ["**all**"]
    assert short.notes[1] == (
        "Flask wins, CPU in process: one · case 50 5.00, one · case 40 4.00, one · case 30 3.00,"
        " and 1 more."
    )
    assert short_summary_table(summary()).rows == table.rows[2:]


def test_failures_are_named() -> None:
    """What failed is in the table, and what had errors under load."""
    failed = UnmeasuredCase("one", "broken", "the responses differ")
    with_errors = case("errors", application(1, 10, errors=1), application(1, 10))
    found = summarize([result(with_errors, failed=(failed,))])
    notes = "\n".join(summary_table(found).notes)
    assert "failed: one · broken: the responses differ" in notes
    assert "errors under load: gunicorn-gthread | hypercorn: one · errors" in notes
    assert not found.passed and not summary_data(found)["passed"]


def test_nothing_measured() -> None:
    """Without a case the table says so, and the data are empty."""
    found = summarize([result()])
    assert not found.columns and summary_data(found)["summary"] == []
    Console(width=80).print(summary_table(found))


def test_data() -> None:
    """The data have the scores of all values, and those of each pattern."""
    data = json.loads(json.dumps(summary_data(summary())))
    assert data["format"] == 1 and data["passed"] is True
    in_process, _, usual = data["summary"]
    assert list(in_process["all"]) == ["cpu"]
    assert list(usual["all"]) == ["rate", "p99", "cpu_served", "peak_rss"]
    assert usual["comparisons"]["one"] == {
        "cases": 2, "mean": pytest.approx(1), "low": 0.5, "high": 2.0,
        "wins": 1, "losses": 1, "ties": 0
    }  # fmt: skip
    assert usual["comparisons"]["two"]["ties"] == 1


def write(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_read_results(tmp_path: Path) -> None:
    """Results and summaries are read as they were written."""
    one = write(tmp_path / "one.json", as_data(USUAL_RESULT))
    assert read_results([one]) == [USUAL_RESULT]
    both = write(tmp_path / "both.json", summary_data(summary()))
    assert read_results([both]) == [GRANIAN_RESULT, USUAL_RESULT]
    assert read_results([both, one]) == [GRANIAN_RESULT, USUAL_RESULT, USUAL_RESULT]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not written by quartpatterns bench"),
        ("{}", "not written by quartpatterns bench"),
        ('{"format": 99}', "has the format 99, and this version reads 1: measure again"),
        ('{"format": 1}', "no result of quartpatterns bench --json or bench --summary --json"),
        ('{"format": 1, "results": [3]}', "no result of quartpatterns bench --json"),
    ],
)
def test_unreadable_results(tmp_path: Path, text: str, message: str) -> None:
    """The error names the file, and what is wrong with it."""
    file = tmp_path / "result.json"
    file.write_text(text)
    with pytest.raises(ResultFileError, match=message) as raised:
        read_results([file])
    assert str(file) in str(raised.value)


def test_missing_results(tmp_path: Path) -> None:
    with pytest.raises(ResultFileError, match="No such file"):
        read_results([tmp_path / "nope.json"])


def test_plot() -> None:
    """The picture has a mark for each case, text that is text, and colours for both modes."""
    svg = summary_plot(summary())
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img"
    texts = " ".join("".join(one.itertext()).strip() for one in root.iter(f"{{{SVG}}}text"))
    for words in ("one", "two", "all (geometric mean)", "Flask wins", "Quart wins", "tie"):
        assert words in texts
    assert "Flask: granian-wsgi" in texts and "CPU in process" in texts
    [description] = [one.text or "" for one in root.iter(f"{{{SVG}}}desc")]
    assert "gunicorn-gthread | hypercorn, one: 1.00 (1 wins, 1 losses, 0 ties)." in description
    for colour in DARK:
        assert f": {colour}" in svg
    assert not [word for word in ("@font-face", "<image", "url(http") if word in svg]
