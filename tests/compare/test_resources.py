from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from quartpatterns.compare.processes import Process
from quartpatterns.compare.resources import ProcessTree, UsageMonitor, allocate_cores, pinned
from tests.serving import TIMEOUT

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="only Linux pins processes")


def allowed() -> set[int]:
    return os.sched_getaffinity(0)


@linux_only
def test_one_core() -> None:
    """With one core nothing is pinned, and a note says so."""
    with pinned([min(allowed())]):
        cores = allocate_cores(1)
    assert cores.servers is cores.load is None
    assert "share one core" in str(cores.note)


@linux_only
def test_two_cores() -> None:
    """The server and the load generator have different cores."""
    if len(allowed()) < 2:
        pytest.skip("needs two cores")
    first, second = sorted(allowed())[:2]
    with pinned([first, second]):
        cores = allocate_cores(1)
        shared = allocate_cores(4)
    assert (cores.servers, cores.load, cores.note) == ((first,), (second,), None)
    assert (shared.servers, shared.load) == ((first,), (second,))
    assert "4 workers share 1 core" in str(shared.note)


@linux_only
def test_child_inherits_cores() -> None:
    """A process that is started in the context is pinned; afterwards this thread is not."""
    before, core = allowed(), max(allowed())
    code = "import os; print(os.sched_getaffinity(0))"
    with pinned([core]):
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert allowed() == before
    assert child.communicate()[0].strip() == str({core})


@linux_only
def test_unpinned_after_an_error() -> None:
    before = allowed()
    with pytest.raises(ZeroDivisionError), pinned([max(before)]):
        raise ZeroDivisionError
    assert allowed() == before


@linux_only
def test_not_pinned() -> None:
    """None changes nothing."""
    before = allowed()
    with pinned(None):
        assert allowed() == before


USE_CPU = "import subprocess, sys, time\nwhile time.process_time() < 0.3: pass\n"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''{USE_CPU}print("done", flush=True)
{{then}}'''])
{{after}}
print("ready", flush=True)
time.sleep(600)
"""


def start_parent(tmp_path: Path, *, then: str = "time.sleep(600)", after: str = "") -> Process:
    """Start a process with a child that uses 0.3 s of CPU time and then runs *then*."""
    code = PARENT.format(then=then, after=after)
    return Process([sys.executable, "-c", code], log=tmp_path / "log")


def test_running_child(tmp_path: Path) -> None:
    """CPU time and memory of a running child are included."""
    with start_parent(tmp_path) as process:
        process.wait_until(lambda: "done" in process.output())
        tree = ProcessTree.of(process.pid)
        root = psutil.Process(process.pid)
        [child] = root.children()
        assert tree.processes == 2
        assert tree.pids == {root.pid, child.pid}
        assert 0.25 <= tree.cpu_seconds < 5
        rss = root.memory_info().rss + child.memory_info().rss
        assert tree.rss == pytest.approx(rss, rel=0.05)


def test_exited_child(tmp_path: Path) -> None:
    """CPU time of a child that has exited is included."""
    with start_parent(tmp_path, then="", after="child.wait()") as process:
        process.wait_until(lambda: "ready" in process.output())
        tree = ProcessTree.of(process.pid)
        assert tree.processes == 1
        assert tree.cpu_seconds >= 0.25


def test_grandchild(tmp_path: Path) -> None:
    """Descendants at any depth are included; only direct children count as workers."""
    then = 'subprocess.run([sys.executable, "-c", "import time; time.sleep(600)"])'
    with start_parent(tmp_path, then=then) as process:
        process.wait_until(lambda: ProcessTree.of(process.pid).processes == 3)
        assert len(ProcessTree.of(process.pid).pids) == 2


def test_exited_process() -> None:
    """A process that has exited uses nothing."""
    with Process([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        monitor = UsageMonitor(process.pid)
    monitor.sample()
    assert ProcessTree.of(process.pid).processes == 0
    assert monitor.exited == {process.pid}


def test_cpu_time_of_an_exited_process(tmp_path: Path) -> None:
    """A monitor keeps the CPU time of a process that has exited."""
    with start_parent(tmp_path, then="", after="child.wait()") as process:
        monitor = UsageMonitor(process.pid)
        process.wait_until(lambda: "ready" in process.output())
        monitor.sample()
        used = monitor.cpu_seconds
    monitor.sample()
    assert monitor.cpu_seconds == used > 0


def test_monitor(tmp_path: Path) -> None:
    """A monitor starts at zero, keeps the peak, and reports workers that exited."""
    with start_parent(tmp_path) as process:
        process.wait_until(lambda: "done" in process.output())
        monitor = UsageMonitor(process.pid)
        peak = monitor.peak_rss
        assert not monitor.exited
        [child] = psutil.Process(process.pid).children()
        child.kill()
        deadline = time.monotonic() + TIMEOUT
        while child.pid not in monitor.exited and time.monotonic() < deadline:
            monitor.sample()
        assert monitor.exited == {child.pid}
        assert monitor.last.rss < peak == monitor.peak_rss
        assert monitor.cpu_seconds < monitor.first.cpu_seconds, "earlier CPU time is not included"
