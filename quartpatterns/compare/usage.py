"""What a server costs: the CPU time and the memory of a process and all its descendants."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

__all__ = ["Snapshot", "Watch", "tree"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A process tree at one moment.

    Arguments:
        cpu_seconds: CPU time, user and system, of all its processes since they began, and of
            those that ended and were waited for.
        rss: Resident memory in bytes, added up: a page that two processes share counts twice.
        pids: The process at the root and its direct children: a server's workers.
        processes: How many run, at any depth.
    """

    cpu_seconds: float
    rss: int
    pids: frozenset[int]
    processes: int


def tree(pid: int) -> Snapshot:
    """The tree under the process *pid* as it is now; empty where there is none.

    The CPU time of a process that ends is handed to the parent that waits for it, so the sum
    goes on growing when a worker is replaced.
    """
    cpu_seconds, rss, pids, processes = 0.0, 0, set[int](), 0
    for process in _processes(pid):
        with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
            rss += process.memory_info().rss
            cpu_seconds += sum(process.cpu_times()[:4])
            if process.status() != psutil.STATUS_ZOMBIE:
                processes += 1
                if pid in (process.pid, process.ppid()):
                    pids.add(process.pid)
    return Snapshot(cpu_seconds, rss, frozenset(pids), processes)


def _processes(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        yield root
        yield from root.children(recursive=True)


class Watch:
    """What a process tree uses from the moment this object is made.

    Arguments:
        pid: The process at the root.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.first = self.last = tree(pid)
        self.peak_rss = self.first.rss

    def look(self) -> None:
        """Look again: a peak between two looks is not seen."""
        self.last = tree(self.pid)
        self.peak_rss = max(self.peak_rss, self.last.rss)

    @property
    def cpu_seconds(self) -> float:
        """CPU time from the first look to the last."""
        return self.last.cpu_seconds - self.first.cpu_seconds

    @property
    def gone(self) -> frozenset[int]:
        """The root and the direct children of the first look that the last did not find."""
        return self.first.pids - self.last.pids
