"""Run a script, or serve one with Hypercorn, in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from quartpatterns.compare.processes import accepts, free_port
from tests.serving import TIMEOUT

ROOT = Path(__file__).parents[1]

QUIET = """
import logging

# Python's development mode turns on the debug mode of asyncio, which warns of slow callbacks.
logging.getLogger("asyncio").setLevel(logging.ERROR)
"""

LEFT = """
import threading

def left():
    # A thread that has closed its connection may not have ended yet.
    others = set(threading.enumerate()) - {threading.main_thread()}
    for thread in others:
        thread.join(10)
    print([thread.name for thread in threading.enumerate()], flush=True)
"""
"""The start of each script: ``left()`` prints the names of the threads that do not end."""


def run(script: str, **variables: str) -> tuple[str, str, int]:
    """Run *script*, which may call ``left()``, and return its output, its errors and exit code.

    Arguments:
        script: The source code.
        variables: Environment variables.
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", QUIET + LEFT + script],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return done.stdout.strip(), done.stderr, done.returncode


def serve_once(script: str, folder: Path, worker: str, **variables: str) -> tuple[bytes, str, int]:
    """Serve ``app`` of *script*, request ``/``, and terminate the server.

    Return the response, the errors of the server and its exit code.

    Arguments:
        script: The source code of a module.
        folder: An empty folder for it.
        worker: The worker class of Hypercorn.
        variables: Environment variables.
    """
    port = free_port()
    (folder / "application.py").write_text(QUIET + script)
    process = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore::DeprecationWarning", "-m", "hypercorn"]
        + ["--bind", f"127.0.0.1:{port}", "--worker-class", worker, "--log-level", "warning"]
        + ["application:app"],
        env={**os.environ, **variables, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + TIMEOUT
        while not accepts(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
            body: bytes = response.read()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=TIMEOUT)
    finally:
        process.kill()
        process.wait()
    return body, errors, process.returncode
