"""The command as a person calls it: a process, its output and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quartpatterns import subclassing

BEFORE, AFTER = "tests.compare.before", "tests.compare.after"


def quartpatterns(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quartpatterns", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "wire", [pytest.param([], id="in process"), pytest.param(["--wire"], id="wire")]
)
def test_planted_difference(wire: list[str]) -> None:
    """A difference is found, shown with both answers, and told by the exit code."""
    done = quartpatterns("parity", "--flask", BEFORE, "--quart", AFTER, *wire)
    assert done.returncode == 1, done.stderr
    assert "header:x-planted" in done.stdout
    assert "original  before" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_json(tmp_path: Path) -> None:
    """For programs: the same as data."""
    file = tmp_path / "asked.toml"
    file.write_text('[[case]]\npath = "/"\n[[case]]\npath = "/planted"\n')
    done = quartpatterns(
        "parity", "--flask", BEFORE, "--quart", AFTER, "--requests", str(file), "--json"
    )
    data = json.loads(done.stdout)
    (subject,) = data["subjects"].values()
    assert (done.returncode, data["passed"], subject["cases"], subject["passed"]) == (
        1,
        False,
        2,
        1,
    )
    assert subject["results"][1]["findings"][0]["original"] == "before"


def test_alike(tmp_path: Path) -> None:
    file = tmp_path / "asked.toml"
    file.write_text('[[case]]\npath = "/"\n')
    done = quartpatterns("parity", "--flask", BEFORE, "--quart", AFTER, "--requests", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["streeming"], "no pattern 'streeming'; there is streaming", id="pattern"),
        pytest.param(["--flask", BEFORE], "name both", id="one side"),
        pytest.param(["--flask", "nope", "--quart", AFTER], "no module 'nope'", id="module"),
        pytest.param(["--flask", f"{BEFORE}:x", "--quart", AFTER], "it has create_app", id="app"),
        pytest.param(["streaming", "--table"], "parity subclassing --table", id="table"),
        pytest.param(["--har", "none.har"], "go with --flask and --quart", id="file alone"),
        pytest.param(
            ["--flask", BEFORE, "--quart", AFTER, "--har", "none.har"], "No such file", id="no file"
        ),
    ],
)
def test_wrong_calls(arguments: list[str], message: str) -> None:
    """One line that names what was found instead, exit code 2."""
    done = quartpatterns("parity", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help() -> None:
    done = quartpatterns("parity", "--help")
    assert done.returncode == 0
    assert "[[case]]" in done.stdout


def test_table() -> None:
    """The table of 42 places is measured by the command, and is the README's to the letter."""
    done = quartpatterns("parity", "subclassing", "--table")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 44
    assert done.stdout in Path(subclassing.__file__).with_name("README.md").read_text()
    assert not done.stderr
