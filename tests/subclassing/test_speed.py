"""The command that measures the CPU time of requests."""

from __future__ import annotations

from quartpatterns.subclassing.example import speed


def test_measure() -> None:
    """Each request is measured for the three applications, which answer it without an error."""
    found = speed.measure(rounds=1, seconds=0.001)
    assert list(found) == list(speed.STEPS)
    assert all(len(values) == 3 and min(values) > 0 for values in found.values())
    assert speed.table(found).count("µs") == 3 * len(found)
