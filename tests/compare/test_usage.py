from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from quartpatterns.compare.processes import Process
from quartpatterns.compare.usage import Watch, tree

BURN = "import subprocess, sys, time\nwhile time.process_time() < 0.3: pass\n"
CHILD = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", '''{BURN}print("burnt", flush=True)
{{then}}'''])
{{after}}
print("ready", flush=True)
time.sleep(60)
"""


def parent(tmp_path: Path, *, then: str = "time.sleep(60)", after: str = "") -> Process:
    """A process with a child that burns 0.3 s of CPU time and then does *then*."""
    code = CHILD.format(then=then, after=after)
    return Process([sys.executable, "-c", code], log=tmp_path / "log")


def test_child_counts(tmp_path: Path) -> None:
    """CPU time and memory of a child that runs are counted."""
    with parent(tmp_path) as process:
        process.wait_until(lambda: "burnt" in process.output())
        found = tree(process.pid)
        root = psutil.Process(process.pid)
        [child] = root.children()
        assert found.processes == 2
        assert found.pids == {root.pid, child.pid}
        assert 0.25 <= found.cpu_seconds < 2
        assert found.rss == pytest.approx(
            root.memory_info().rss + child.memory_info().rss, rel=0.05
        )


def test_dead_child_counts(tmp_path: Path) -> None:
    """CPU time of a child that has ended stays counted, under its parent."""
    with parent(tmp_path, then="", after="child.wait()") as process:
        process.wait_until(lambda: "ready" in process.output())
        found = tree(process.pid)
        assert found.processes == 1
        assert found.cpu_seconds >= 0.25


def test_grandchild_counts(tmp_path: Path) -> None:
    """The tree goes to any depth; only the children next to the root are its workers."""
    then = 'subprocess.run([sys.executable, "-c", "import time; time.sleep(60)"])'
    with parent(tmp_path, then=then) as process:
        process.wait_until(lambda: tree(process.pid).processes == 3)
        assert len(tree(process.pid).pids) == 2


def test_nobody() -> None:
    """A process that is gone uses nothing."""
    with Process([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        watch = Watch(process.pid)
    watch.look()
    assert tree(process.pid).processes == 0
    assert watch.gone == {process.pid}


def test_watch(tmp_path: Path) -> None:
    """A watch counts from when it is made, keeps the peak, and notices who is gone."""
    with parent(tmp_path) as process:
        process.wait_until(lambda: "burnt" in process.output())
        watch = Watch(process.pid)
        peak = watch.peak_rss
        assert not watch.gone
        [child] = psutil.Process(process.pid).children()
        child.kill()
        deadline = time.monotonic() + 5
        while child.pid not in watch.gone and time.monotonic() < deadline:
            watch.look()
        assert watch.gone == {child.pid}
        assert watch.last.rss < peak == watch.peak_rss
        assert watch.cpu_seconds < 0.25, "what was before the watch is not counted"
