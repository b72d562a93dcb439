"""Progress: live on a terminal, nothing or lines elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

CODE = """
import time
from quartpatterns.cli import progress
progress.DELAY = {delay}
with progress.progress("first step") as show:
    time.sleep(0.5)
    show("second step")
    time.sleep(0.5)
print("result")
"""


def run(delay: float = 0.0, *, terminal: bool = False, **env: str) -> tuple[str, str]:
    """Return the output and the errors of a script that shows its progress."""
    environment = {**os.environ, "TERM": "xterm", **env}
    command = [sys.executable, "-c", CODE.format(delay=delay)]
    if not terminal:
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return done.stdout, done.stderr
    parent, child = pty.openpty()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=child, env=environment
    ) as process:
        assert process.stdout is not None
        os.close(child)
        written = b""
        try:
            while data := os.read(parent, 65536):
                written += data
        except OSError:  # how Linux tells the end of a terminal
            pass
        output = process.stdout.read()
    os.close(parent)
    return output.decode(), written.decode()


def test_pipe() -> None:
    """In a pipe nothing is written, also with FORCE_COLOR."""
    assert run(FORCE_COLOR="1") == ("result\n", "")


def test_lines() -> None:
    """By choice each step is a line."""
    assert run(QUARTPATTERNS_PROGRESS="lines") == ("result\n", "first step\nsecond step\n")


@pytest.mark.slow
def test_terminal() -> None:
    """On a terminal the steps are shown in one line, which disappears at the end."""
    output, written = run(terminal=True)
    assert output == "result\n"
    assert "first step" in written and "second step" in written
    assert written.rstrip().endswith("\x1b[2K")


@pytest.mark.slow
def test_quick() -> None:
    """What is quick shows nothing, and so does a terminal that cannot replace lines."""
    assert "step" not in run(60.0, terminal=True)[1]
    assert run(terminal=True, TERM="dumb") == ("result\n", "")
