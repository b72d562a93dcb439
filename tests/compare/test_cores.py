from __future__ import annotations

import os
import subprocess
import sys

import pytest

from quartpatterns.compare.cores import divide, pinned

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")


def allowed() -> set[int]:
    return os.sched_getaffinity(0)


def test_one_core() -> None:
    """Where there is one core nothing is pinned, and the reader is told."""
    with pinned([min(allowed())]):
        cores = divide(1)
    assert cores.servers is cores.load is None
    assert "one core" in str(cores.note)


def test_apart() -> None:
    """The server and the load have cores of their own."""
    if len(allowed()) < 2:
        pytest.skip("needs two cores")
    with pinned(sorted(allowed())[:2]):
        cores = divide(1)
        crowded = divide(4)
    one, other = sorted(allowed())[:2]
    assert (cores.servers, cores.load, cores.note) == ((one,), (other,), None)
    assert (crowded.servers, crowded.load) == ((one,), (other,))
    assert "4 workers share 1 core" in str(crowded.note)


def test_inherited() -> None:
    """A process that is started meanwhile stays there; this thread goes back."""
    before, core = allowed(), max(allowed())
    code = "import os, time; print(os.sched_getaffinity(0))"
    with pinned([core]):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert allowed() == before
    assert child.communicate()[0].strip() == str({core})


def test_back_after_an_error() -> None:
    """This thread goes back also where something failed."""
    before = allowed()
    with pytest.raises(ZeroDivisionError), pinned([max(before)]):
        raise ZeroDivisionError
    assert allowed() == before


def test_anywhere() -> None:
    """None pins nothing."""
    with pinned(None):
        assert allowed() == os.sched_getaffinity(0)
