"""``quartpatterns bench --summary``, ``--waiting`` and ``--growth`` as processes."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from quartpatterns.cli.bench_output import write_tables
from quartpatterns.cli.errors import LateProblem
from quartpatterns.compare.tables import Table
from tests.cli.test_bench import APPS, FLASK, QUICK, bench, check_usage_error

pytestmark = pytest.mark.wire

PLACE = "<!-- bench {0} -->\n<!-- end of bench {0} -->\n"


@pytest.fixture
def requests(tmp_path: Path) -> list[str]:
    file = tmp_path / "requests.toml"
    file.write_text('[[case]]\nname = "hello"\n[[case]]\nname = "rows"\npath = "/rows"\n')
    return ["--requests", str(file)]


@pytest.mark.slow
@pytest.mark.usefixtures("wrk")
def test_summary(requests: list[str], tmp_path: Path) -> None:
    """Several pairings are measured in one run; the result is shown again from its JSON."""
    pairings = ["--pairing", "gunicorn-sync:hypercorn", "--pairing", "gunicorn-sync:granian"]
    done = bench("--summary", *APPS, *requests, *QUICK, "--case", "hello", *pairings, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 case(s), 1 of them behind 2 pairing(s), about" in done.stderr
    data = json.loads(done.stdout)
    assert [column["pairing"] for column in data["summary"]] == [
        None, "gunicorn-sync | hypercorn", "gunicorn-sync | granian"
    ]  # fmt: skip
    one, other = (each["cases"][0]["original"] for each in data["results"])
    assert one == other, "the server of both pairings is measured once"

    result, page, picture = (tmp_path / name for name in ("r.json", "page.md", "p.svg"))
    result.write_text(done.stdout)
    page.write_text(PLACE.format("summary"))
    again = bench("--summary", "--from", str(result), "--write", str(page), "--plot", str(picture))
    assert again.returncode == 0, again.stderr
    assert "CPU in process" in again.stdout
    assert "Flask: gunicorn-sync<br>Quart: granian" in page.read_text()
    assert "![Summary: port / original](p.svg)" in page.read_text()
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_summary_in_process(requests: list[str]) -> None:
    """In process the summary has no servers, and needs no wrk."""
    done = bench("--summary", *APPS, *requests, "--in-process", PATH="/nonexistent")
    assert done.returncode == 0, done.stderr
    assert "CPU in process" in done.stdout and "requests/s" not in done.stdout.split("\n\n")[0]


@pytest.mark.slow
@pytest.mark.parametrize("mode", [(), ("--summary",)])
def test_output_before_picture(mode: tuple[str, ...], requests: list[str], tmp_path: Path) -> None:
    """If the picture cannot be written, the measurement is not lost."""
    picture = str(tmp_path / f"{'x' * 300}.svg")
    done = bench(*mode, *APPS, *requests, "--in-process", "--json", "--plot", picture)
    assert done.returncode == 2 and "--plot" in done.stderr
    assert json.loads(done.stdout)["passed"] is True


@pytest.mark.slow
@pytest.mark.usefixtures("wrk")
def test_waiting(tmp_path: Path) -> None:
    """The scenario is measured behind all servers; its JSON is shown again."""
    options = ["--seconds", "1", "--runs", "1", "--connections", "10", "--threads", "2"]
    done = bench("--waiting", "--case", "sl*", *options, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    [scenario] = json.loads(done.stdout)["waiting"]["scenarios"]
    assert scenario["name"] == "sleep" and scenario["limit"] == 100
    assert len(scenario["variants"]) == 6
    result, page = tmp_path / "result.json", tmp_path / "page.md"
    result.write_text(done.stdout)
    page.write_text(PLACE.format("waiting"))
    again = bench("--waiting", "--from", str(result), "--write", str(page))
    assert again.returncode == 0, again.stderr
    assert "the limit is 100/s" in again.stdout and "granian" in again.stdout
    for variant in ("Flask, gunicorn-gthread, 2 threads", "Quart, granian"):
        assert f"| {variant} |" in page.read_text()


@pytest.mark.slow
def test_growth(tmp_path: Path) -> None:
    """The rows of a page are measured in all sizes; the JSON is shown again."""
    done = bench("--growth", "--case", "page", "--runs", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    [work] = json.loads(done.stdout)["growth"]["works"]
    assert [side["label"] for side in work["sides"]] == [
        "Flask, gunicorn-gthread", "Quart, hypercorn"
    ]  # fmt: skip
    assert all(side["exponents"]["cpu"] > 0.2 for side in work["sides"])
    result, page = tmp_path / "result.json", tmp_path / "page.md"
    result.write_text(done.stdout)
    page.write_text(PLACE.format("growth"))
    again = bench("--growth", "--from", str(result), "--write", str(page))
    assert again.returncode == 0, again.stderr
    assert "10,000" in again.stdout and "| **growth** |" in page.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--summary", "--waiting"], "give one of --summary and --waiting"),
        (["--summary", "--pairing", "granian"], "write ORIGINAL:PORT, such as"),
        (["--summary", "--pairing", "granian-wsgi:nope"], "no server 'nope'; the servers are"),
        (["--summary", "--in-process", "--pairing", "granian:granian"], "leave out --pairing"),
        (["--summary", "--port-server", "granian"], "--port-server can only be used with one"),
        (["--summary", "--from", "nope.json"], "nope.json: No such file"),
        (["--summary", "--from", "x", "--runs", "2"], "--from cannot be used with --runs"),
        (["--summary", "--write", "nope.md"], "--write nope.md: there is no such file"),
        (["--pairing", "granian-wsgi:granian", *APPS], "--pairing can only be used with --summary"),
        (["--from", "x"], "--from can only be used with --summary, --waiting or --growth"),
        (["--write", __file__], "--write can only be used with --summary"),
        (["--waiting", "streaming"], "--waiting cannot be used with a PATTERN"),
        (["--waiting", "--flask", FLASK], "--waiting cannot be used with --flask"),
        (["--waiting", "--case", "nope"], "the cases of --waiting are sleep, upstream, query"),
        (["--waiting", "--from", "x", "--from", "y"], "give one --from"),
        (["--growth", "--seconds", "2"], "--growth cannot be used with --seconds; its options"),
        (["--growth", "--case", "nope"], "the cases of --growth are page, export, file"),
        (["--growth", "--in-process"], "--growth cannot be used with --in-process"),
        (["--growth", "--from", "nope.json"], "nope.json: No such file"),
    ],
)
@pytest.mark.usefixtures("wrk")
def test_usage_errors(arguments: list[str], message: str) -> None:
    check_usage_error(*arguments, message=message)


@pytest.mark.parametrize("mode", ["summary", "waiting", "growth"])
@pytest.mark.usefixtures("wrk")
def test_no_place(mode: str, tmp_path: Path) -> None:
    """A file without a place for the table is refused before the measurement."""
    page = tmp_path / "page.md"
    page.write_text("nothing")
    check_usage_error(f"--{mode}", "--write", str(page), message=f"<!-- bench {mode} -->")
    assert page.read_text() == "nothing"


def test_no_place_any_more(tmp_path: Path) -> None:
    """A file that loses its place during the measurement is an error after the result."""
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(LateProblem, match="page.md has no place for the table"):
        write_tables(page, "growth", [Table("Growth", ("size",), ())])
    assert page.read_text() == "nothing"


def test_short_summary(tmp_path: Path) -> None:
    """A place for the short summary gets the rows of all patterns together."""
    page, result = tmp_path / "page.md", tmp_path / "result.json"
    page.write_text(PLACE.format("short summary"))
    result.write_text('{"format": 1, "results": []}')
    done = bench("--summary", "--from", str(result), "--write", str(page))
    assert done.returncode == 0, done.stderr
    assert "| **all** |" in page.read_text()
