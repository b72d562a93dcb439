"""Run pytest in many folders. pytest, Flask and Quart are imported once, and each run is a fork."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from quartpatterns.porting.oracle import TRACED_CALLS, TestsRun

__all__ = ["ForkedPytest"]

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 60  # seconds for one run


class ForkedPytest:
    """A process that runs pytest as ``python -m pytest`` does, one folder after another.

    Arguments:
        traced: Whether Python notes where objects are created.
    """

    def __init__(self, *, traced: bool = False) -> None:
        self._traced = traced

    def __enter__(self) -> ForkedPytest:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT,
            env=environment | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def run(self, folder: Path, *arguments: str) -> TestsRun:
        """Run the tests in *folder*, and return the exit code and the output."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([str(folder), arguments, self._traced]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the process that runs pytest ended with {self._process.wait()}"
        code, output = json.loads(answer)
        return TestsRun(code, output)

    def __exit__(self, *error: object) -> None:
        self._process.communicate()


def _serve() -> None:
    import flask.testing  # noqa: F401
    import pytest_asyncio.plugin

    import quartpatterns.subclassing.names.testing  # noqa: F401

    for line in sys.stdin:
        folder, arguments, traced = json.loads(line)
        with tempfile.TemporaryFile() as output:
            child = os.fork()
            if child == 0:
                if traced:
                    tracemalloc.start(int(TRACED_CALLS))
                _run(folder, arguments, output.fileno(), pytest_asyncio.plugin)
            _, status = os.waitpid(child, 0)
            output.seek(0)
            text = output.read().decode(errors="replace")
        sys.stdout.write(json.dumps([os.waitstatus_to_exitcode(status), text]) + "\n")
        sys.stdout.flush()


def _run(folder: str, arguments: list[str], output: int, plugin: Any) -> None:
    """Run the tests in the child process, which ends here."""
    for stream in (1, 2):
        os.dup2(output, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    signal.alarm(TIMEOUT)
    os.chdir(folder)
    sys.path[0] = folder
    code: int = 70
    try:
        code = int(pytest.main(["-p", "no:cacheprovider", *arguments], plugins=[plugin]))
        gc.collect()  # Coroutines in cycles warn when they are collected.
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
