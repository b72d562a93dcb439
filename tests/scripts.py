"""Processes of their own that run a script, or serve it, and what they said when they ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from quartpatterns.compare.processes import accepts, free_port

ROOT = Path(__file__).parents[1]
PATIENCE = 20  # seconds

LEFT = """
import threading

def left():
    # A thread that has closed its connection may have a last step to go.
    others = set(threading.enumerate()) - {threading.main_thread()}
    for thread in others:
        thread.join(1)
    print([thread.name for thread in threading.enumerate()], flush=True)
"""
"""What each script begins with: ``left()`` prints the threads that do not end by themselves."""


def run(script: str, **variables: str) -> tuple[str, str, int]:
    """What *script* printed, what it said on stderr, and the code it ended with.

    Arguments:
        script: Its source; it may call ``left()``.
        variables: Of its environment.
    """
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", LEFT + script],
        env={**os.environ, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.stdout.strip(), done.stderr, done.returncode


def serve_once(script: str, folder: Path, worker: str, **variables: str) -> tuple[bytes, str, int]:
    """What the ``app`` of *script* answers under Hypercorn, what that said, and how it ended.

    Arguments:
        script: The source of a module, written into *folder*.
        folder: An empty one.
        worker: The class of Hypercorn's workers.
        variables: Of the environment.
    """
    port = free_port()
    (folder / "application.py").write_text(script)
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
        deadline = time.monotonic() + PATIENCE
        while not accepts(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as response:
            answer: bytes = response.read()
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()
    return answer, said, process.returncode
