"""The command that measures the CPU time of requests."""

from __future__ import annotations

import subprocess
import sys

from quartpatterns.subclassing.example import speed


def test_measure() -> None:
    """Each request is measured for the three applications."""
    code = (
        "from quartpatterns.subclassing.example import speed;"
        "print(speed.table(speed.measure(rounds=1, seconds=0.001)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in speed.STEPS)
    assert done.stdout.count("µs") == 3 * len(speed.STEPS)
