"""``quartpatterns parity`` as a process: its output and its exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from quartpatterns import subclassing

ORIGINAL, PORT = "tests.compare.flask_app", "tests.compare.quart_app"


def quartpatterns(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quartpatterns", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    "wire", [pytest.param([], id="in process"), pytest.param(["--wire"], id="wire")]
)
def test_planted_difference(wire: list[str]) -> None:
    """A difference is reported with both values, and with the exit code 1."""
    done = quartpatterns("parity", "--flask", ORIGINAL, "--quart", PORT, *wire)
    assert done.returncode == 1, done.stderr
    assert "header:x-planted" in done.stdout
    assert "original  flask" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_json(tmp_path: Path) -> None:
    """The same as JSON."""
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\npath = "/"\n[[case]]\npath = "/planted"\n')
    done = quartpatterns(
        "parity", "--flask", ORIGINAL, "--quart", PORT, "--requests", str(file), "--json"
    )
    data = json.loads(done.stdout)
    (comparison,) = data["comparisons"].values()
    assert (done.returncode, data["passed"], comparison["cases"], comparison["passed"]) == (
        1,
        False,
        2,
        1,
    )
    assert comparison["results"][1]["findings"][0]["original"] == "flask"


def test_equal(tmp_path: Path) -> None:
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\npath = "/"\n')
    done = quartpatterns("parity", "--flask", ORIGINAL, "--quart", PORT, "--requests", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["streeming"], "unknown pattern 'streeming'; did you mean streaming?", id="pattern"
        ),
        pytest.param(["--flask", ORIGINAL], "give both", id="original only"),
        pytest.param(["--flask", "nope", "--quart", PORT], "no module 'nope'", id="module"),
        pytest.param(["--flask", f"{ORIGINAL}:x", "--quart", PORT], "it has create_app", id="app"),
        pytest.param(["streaming", "--table"], "parity subclassing --table", id="table"),
        pytest.param(["--config-keys"], "parity subclassing --config-keys", id="config keys"),
        pytest.param(["--har", "none.har"], "need --flask and --quart", id="file alone"),
        pytest.param(
            ["--flask", ORIGINAL, "--quart", PORT, "--har", "none.har"],
            "No such file",
            id="no file",
        ),
    ],
)
def test_usage_errors(arguments: list[str], message: str) -> None:
    """The error is one line that says what was found instead; exit code 2."""
    done = quartpatterns("parity", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help() -> None:
    done = quartpatterns("parity", "--help")
    assert done.returncode == 0
    assert "[[case]]" in done.stdout


@pytest.mark.slow
def test_table() -> None:
    """The measured table has 42 rows, and is exactly that of the README."""
    done = quartpatterns("parity", "subclassing", "--table")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 44
    assert done.stdout in Path(subclassing.__file__).with_name("README.md").read_text()
    assert not done.stderr


def test_config_keys() -> None:
    """The effects of the configuration keys are printed; FaithfulQuart's are those of Flask."""
    done = quartpatterns("parity", "subclassing", "--config-keys")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[2:]
    assert len(rows) > 29
    assert [row for row in rows if not row.endswith("| as Flask |")] == []
    assert not done.stderr
