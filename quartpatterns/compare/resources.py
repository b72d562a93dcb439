"""The CPU cores that a process may use, and the CPU time and memory that a process tree used."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class CoreAllocation:
    """The cores of the server under load and of the load generator; None if nothing is pinned."""

    servers: tuple[int, ...] | None
    load: tuple[int, ...] | None
    note: str | None = None  # what a reader of the numbers must know


def allocate_cores(workers: int) -> CoreAllocation:
    """Give one core to each of *workers*, and the others, at least one, to the load generator."""
    if sys.platform != "linux":
        return CoreAllocation(None, None, f"not pinned to cores: not supported on {sys.platform}")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        note = "the server and the load generator share one core, so both are slower"
        return CoreAllocation(None, None, note)
    servers = tuple(allowed[: min(workers, len(allowed) - 1)])
    load = tuple(allowed[len(servers) :])
    note = f"{workers} workers share {len(servers)} core(s), to leave one for the load generator"
    return CoreAllocation(servers, load, note if len(servers) < workers else None)


@contextlib.contextmanager
def pinned(cores: Sequence[int] | None) -> Iterator[None]:
    """Restrict this thread, and each process that it starts, to *cores*; ``None`` changes nothing.

    A process inherits the cores of the thread that starts it. Pinning it later would miss the
    threads and children that it already has.
    """
    if cores is None or sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """The resources of a process and its descendants at one moment.

    The CPU time includes descendants that have exited: their parent inherits it.
    """

    cpu_seconds: float  # user and system time of all processes since they started
    rss: int  # resident memory in bytes; a page that two processes share counts twice
    pids: frozenset[int]  # the root process and its direct children: the workers of a server
    processes: int  # the number of running processes
    threads: int = 0  # of all processes

    @classmethod
    def of(cls, pid: int) -> ProcessTree:
        """Return the tree of the process *pid* as it is now; empty if there is no such process."""
        cpu_seconds, rss, pids, processes, threads = 0.0, 0, set[int](), 0, 0
        for process in _processes(pid):
            with contextlib.suppress(psutil.NoSuchProcess), process.oneshot():
                rss += process.memory_info().rss
                threads += process.num_threads()
                cpu_seconds += sum(process.cpu_times()[:4])
                if process.status() != psutil.STATUS_ZOMBIE:
                    processes += 1
                    if pid in (process.pid, process.ppid()):
                        pids.add(process.pid)
        return cls(cpu_seconds, rss, frozenset(pids), processes, threads)


def kill_tree(pid: int) -> None:
    """Kill the process *pid* and its descendants. They cannot end their work."""
    for process in list(_processes(pid)):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _processes(pid: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        yield root
        yield from root.children(recursive=True)


class UsageMonitor:
    """Measures what the process tree of *pid* uses from now on."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.first = self.last = ProcessTree.of(pid)
        self.peak_rss = self.first.rss
        self.cpu_seconds = 0.0

    def sample(self) -> None:
        """Measure again. A peak of memory between two samples is not seen."""
        self.last = ProcessTree.of(self.pid)
        self.peak_rss = max(self.peak_rss, self.last.rss)
        # A root process that has exited has no CPU time: keep that of the sample before.
        self.cpu_seconds = max(self.cpu_seconds, self.last.cpu_seconds - self.first.cpu_seconds)

    @property
    def exited(self) -> frozenset[int]:
        """The root process and direct children that exited since the first sample."""
        return self.first.pids - self.last.pids
