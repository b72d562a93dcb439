"""``quartpatterns parity`` as a process: its output and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from quartpatterns import subclassing
from tests.written import Write

ROOT = Path(__file__).parents[2]

ORIGINAL, PORT = "tests.compare.flask_app", "tests.compare.quart_app"


APPS = ("--flask", ORIGINAL, "--quart", PORT)


def quartpatterns(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quartpatterns", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, env={**os.environ, **env}
    )


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


@pytest.mark.parametrize("wire", [[], ["--wire"]])
def test_original_is_a_port(wire: list[str], tmp_path: Path) -> None:
    """Two Quart applications can be compared; each has a server for ASGI on the wire."""
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\npath = "/planted"\n')
    files = ["--requests", str(file), "--json"]
    done = quartpatterns("parity", "--flask", PORT, "--quart", PORT, *files, *wire)
    (comparison,) = json.loads(done.stdout)["comparisons"].values()
    assert (done.returncode, comparison["passed"]) == (0, 1), done.stdout


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
    assert "no request has reached it" in done.stdout


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
        pytest.param(["PARITY"], "the patterns are packages, ", id="other pattern"),
        pytest.param(
            ["--flask", PORT, "--quart", ORIGINAL],
            f"write --flask {ORIGINAL} --quart {PORT}",
            id="swapped",
        ),
        pytest.param([*APPS, "--har-host", "a"], "--har-host needs --har", id="host"),
        pytest.param(["streaming", "--forms"], "need --flask and --quart", id="forms"),
        pytest.param([*APPS, "--values", "none.toml"], "No such file", id="no values"),
        pytest.param(["--har", "none.har"], "need a PATTERN, or --flask", id="file alone"),
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
    """The help has an example of each use."""
    done = quartpatterns("parity", "--help")
    assert done.returncode == 0
    for words in ("[[case]]", "[arguments]", "--forms", "--har shop.har", "parity streaming"):
        assert words in done.stdout
    examples = [line for line in done.stdout.splitlines() if line.startswith("    quartpatterns")]
    assert len(examples) >= 8


def test_not_asked() -> None:
    """What no request has reached is listed, with what would ask for it."""
    done = quartpatterns("parity", *APPS)
    assert "Not asked: 3" in done.stdout
    assert "no value for rest: --values" in done.stdout
    data = json.loads(quartpatterns("parity", *APPS, "--json").stdout)
    both = ["original", "port"]
    form = "--forms sends the forms of the pages"
    assert data["not_asked"] == [
        {"rule": "/echo", "method": "POST", "applications": both, "reason": form},
        {"rule": "/form", "method": "POST", "applications": both, "reason": form},
        {
            "rule": "/path/<path:rest>",
            "method": "GET",
            "applications": both,
            "reason": "no value for rest: --values",
        },
    ]


def test_values(tmp_path: Path) -> None:
    """Rules with arguments are asked for with the values of a file, on the wire too."""
    file = tmp_path / "values.toml"
    file.write_text('[arguments]\nrest = ["a/b", "c"]\n')
    done = quartpatterns("parity", *APPS, "--values", str(file), "--wire", "--json")
    data = json.loads(done.stdout)
    (comparison,) = data["comparisons"].values()
    asked = {result["case"]: result["passed"] for result in comparison["results"]}
    assert asked["GET /path/a/b"] and asked["GET /path/c"]
    assert [each["rule"] for each in data["not_asked"]] == ["/echo", "/form"]


def test_har() -> None:
    """The report says which requests of the recording were sent, and which were not."""
    recording = str(Path(__file__).parents[1] / "compare" / "recordings" / "firefox.har")
    site = "tests.compare.recordings.site"
    done = quartpatterns("parity", "--flask", site, "--quart", site, "--har", recording)
    left_out = "left out: 2 data: URL, 2 of another host, 1 websocket"
    assert f"firefox.har: 13 requests of 127.0.0.1:5001; {left_out}" in done.stdout
    assert done.returncode == 0
    other = ("--har", recording, "--har-host", "127.0.0.1:5002", "--json")
    done = quartpatterns("parity", "--flask", site, "--quart", site, *other)
    assert json.loads(done.stdout)["notes"][0].startswith(f"{recording}: 2 requests of")


def test_everything_asked(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """If every rule was asked, the report says so."""
    app = "from {0} import {1}\napp = {1}(__name__)\n@app.get('/')\n{2}def index(): return ''\n"
    monkeypatch.chdir(
        write(
            {
                "old_app.py": app.format("flask", "Flask", ""),
                "new_app.py": app.format("quart", "Quart", "async "),
            }
        )
    )
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    done = quartpatterns("parity", "--flask", "old_app", "--quart", "new_app")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every URL rule was asked." in done.stdout


def test_requests_for_a_pattern(tmp_path: Path) -> None:
    """A pattern is compared with the requests of a file, as it is configured in its own cases."""
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\npath = "/categories"\ncompare = "html"\n')
    done = quartpatterns("parity", "flashing", "--requests", str(file), "--json")
    data = json.loads(done.stdout)
    assert (done.returncode, data["comparisons"]["flashing"]["cases"]) == (0, 1), done.stderr


@pytest.fixture
def no_mongod(tmp_path: Path) -> dict[str, str]:
    """An environment without MongoDB."""
    (tmp_path / "fiftyone").mkdir()
    (tmp_path / "fiftyone" / "__init__.py").touch()  # hides the package with the server
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {"PATH": str(tmp_path), "MONGODB_URL": "", "PYTHONPATH": path}


def test_missing_service(no_mongod: dict[str, str]) -> None:
    """A service that is not there costs its pattern, and the others have results."""
    done = quartpatterns("parity", "mongodb", "favicon", **no_mongod)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "mongodb: not run: MongoDB is not installed" in done.stdout
    assert "favicon" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    data = json.loads(quartpatterns("parity", "mongodb", "favicon", "--json", **no_mongod).stdout)
    assert data["not_run"].keys() == {"mongodb"}
    assert data["comparisons"].keys() == {"favicon"}
    assert not data["passed"]


def test_missing_service_and_a_failure(no_mongod: dict[str, str], tmp_path: Path) -> None:
    """A failure is worse than what was not run."""
    file = tmp_path / "cases.toml"
    file.write_text('[[case]]\npath = "/en/"\n[[case.differs]]\naspect = "status"\nreason = "x"\n')
    command = ["parity", "mongodb", "favicon", "--requests", str(file)]
    assert quartpatterns(*command, **no_mongod).returncode == 1


def test_service_that_does_not_answer() -> None:
    """Nor is the error of a driver a traceback."""
    url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100"
    done = quartpatterns("parity", "mongodb", MONGODB_URL=url)
    assert done.returncode == 2
    assert "mongodb: not run: ServerSelectionTimeoutError: 127.0.0.1:1" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["party"], "unknown command 'party'; did you mean parity or port?"),
        (["xyz"], "unknown command 'xyz'; the commands are list, show, new, "),
        (["tasks", "lst"], "unknown command 'lst'; did you mean list?"),
    ],
)
def test_unknown_commands(arguments: list[str], message: str) -> None:
    done = quartpatterns(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


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


def test_server() -> None:
    """The port runs behind another server, which a comparison in process has not."""
    done = quartpatterns("parity", *APPS, "--server", "granian")
    assert (done.returncode, done.stderr) == (2, "Error: --server needs --wire\n")
    done = quartpatterns("parity", *APPS, "--wire", "--server", "granian", "--json")
    assert json.loads(done.stdout)["server"] == "granian"
