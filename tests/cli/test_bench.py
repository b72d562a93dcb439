"""``quartpatterns bench`` as a process: its output and its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import psutil
import pytest

from tests.serving import TIMEOUT

pytestmark = pytest.mark.wire

FLASK, QUART = "tests.compare.bench_apps:original", "tests.compare.bench_apps:port"
APPS = ["--flask", FLASK, "--quart", QUART]
REQUESTS = """
[[case]]
name = "hello"
[[case]]
name = "echo"
path = "/echo"
method = "POST"
body = "echo"
[[case]]
name = "different"
path = "/different"
[[case]]
name = "session"
[[case.step]]
[[case.step]]
"""
QUICK = ["--seconds", "1", "--runs", "1", "--connections", "2"]


@pytest.fixture
def requests(tmp_path: Path) -> list[str]:
    file = tmp_path / "requests.toml"
    file.write_text(REQUESTS)
    return ["--requests", str(file)]


def bench(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "quartpatterns", "bench", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, env={**os.environ, **env}
    )


@pytest.mark.slow
@pytest.mark.usefixtures("wrk")
def test_served(requests: list[str], tmp_path: Path) -> None:
    """A selected case, even a POST, is measured behind servers and drawn."""
    picture = tmp_path / "picture.svg"
    plot = ["--plot", str(picture)]
    done = bench(*APPS, *requests, *QUICK, "--case", "ech*", *plot)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("echo", "requests, per second", "peak MiB", "CPU in process"):
        assert words in done.stdout
    assert "case(s), about" in done.stderr.splitlines()[0]
    assert "echo: served" in done.stderr
    assert "Traceback" not in done.stderr
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_in_process(requests: list[str]) -> None:
    """Without servers. The output is JSON; different responses are a failure, exit code 1."""
    done = bench(*APPS, *requests, "--in-process", "--json")
    data = json.loads(done.stdout)
    assert done.returncode == 1
    assert [case["case"] for case in data["cases"]] == ["hello"]
    assert [case["case"] for case in data["failed"]] == ["different"]
    assert [case["case"] for case in data["skipped"]] == ["echo", "session"]
    assert data["passed"] is False
    assert data["cases"][0]["original"]["runs"] == []


def check_usage_error(*arguments: str, message: str, **env: str) -> None:
    """A usage error is reported before anything is measured, without a traceback, exit code 2."""
    done = bench(*arguments, **env)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr and "about" not in done.stderr
    assert not done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["streeming"], "unknown pattern 'streeming'", id="pattern"),
        pytest.param(["--flask", FLASK], "give both --flask", id="original only"),
        pytest.param([*APPS, "--case", "nope"], "no case 'nope'; the cases are", id="case"),
        pytest.param([*APPS, "--seconds", "0"], "0 is not in the range x>=1", id="seconds"),
        pytest.param([*APPS, "--port-server", "gunicorn-sync"], "'granian'", id="server"),
        pytest.param([*APPS, "--plot", "/nowhere/p.svg"], "no folder /nowhere", id="plot"),
        pytest.param(["--flask", "nope:app", "--quart", QUART], "no module 'nope'", id="app"),
    ],
)
@pytest.mark.usefixtures("wrk")
def test_usage_errors(arguments: list[str], message: str) -> None:
    check_usage_error(*arguments, message=message)


@pytest.mark.parametrize(
    "option", ["--seconds=2", "--connections=3", "--threads=3", "--port-server=granian"]
)
@pytest.mark.parametrize("mode", [(), ("--summary",)])
def test_in_process_without_servers(option: str, mode: tuple[str, ...]) -> None:
    """An option of servers is refused, not ignored, if there are none."""
    if mode and option.startswith("--port-server"):
        message = "--port-server can only be used with one pairing"
    else:
        message = f"--in-process uses no servers: leave out {option.partition('=')[0]}"
    check_usage_error(*mode, *APPS, "--in-process", option, message=message)


@pytest.mark.parametrize("arguments", [APPS, ["--summary"], ["--waiting"]], ids=" ".join)
def test_no_wrk(arguments: list[str]) -> None:
    """The error is one line that says how to install wrk."""
    done = bench(*arguments, PATH="/nonexistent")
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "apt-get install wrk" in line and "brew install wrk" in line and "--in-process" in line


@pytest.mark.usefixtures("wrk")
def test_no_matplotlib() -> None:
    """A missing library is reported before anything is measured, with its extra."""
    code = (
        "import sys; sys.modules['matplotlib'] = None\nfrom quartpatterns.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "bench", *APPS, "--plot", "p.svg"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "pip install 'quartpatterns[bench]'" in line


def _reset_sigint() -> None:
    """A shell makes its background jobs ignore Ctrl-C; the command must not inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
@pytest.mark.usefixtures("wrk")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_interrupted(sign: signal.Signals, requests: list[str]) -> None:
    """After Ctrl-C or a kill under load no process remains."""
    command = [sys.executable, "-m", "quartpatterns", "bench", *APPS, *requests]
    command += ["--case", "hello", "--seconds", "600"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=_reset_sigint
    ) as process:
        assert process.stderr is not None
        while b"served" not in process.stderr.readline():
            assert process.poll() is None
        command_process = psutil.Process(process.pid)
        children: list[psutil.Process] = []
        deadline = time.monotonic() + TIMEOUT
        while "wrk" not in [child.name() for child in children]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
            children = command_process.children(recursive=True)
        os.kill(process.pid, sign)
        rest = process.stderr.read()
    _, alive = psutil.wait_procs(children, timeout=TIMEOUT)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    assert process.returncode != 0
    assert b"Traceback" not in rest
