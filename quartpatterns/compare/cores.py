"""Which cores a process may use, on the platforms that let one say it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Cores", "divide", "pinned"]


@dataclass(frozen=True, slots=True)
class Cores:
    """How the cores are shared out.

    Arguments:
        servers: For each server in turn; ``None`` where nothing is pinned.
        load: For the load generator and what watches it.
        note: What a reader of the numbers must know where the two are not apart.
    """

    servers: tuple[int, ...] | None
    load: tuple[int, ...] | None
    note: str | None = None


def divide(workers: int) -> Cores:
    """The cores this process may use, shared out: as many as *workers* to a server, at least one
    to the load."""
    if sys.platform != "linux":
        return Cores(None, None, f"not pinned to cores: {sys.platform} has no way to do it")
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) == 1:
        return Cores(None, None, "one core for the server and the load: they slow each other down")
    servers = tuple(allowed[: min(workers, len(allowed) - 1)])
    load = tuple(allowed[len(servers) :])
    if len(servers) < workers:
        note = f"{workers} workers share {len(servers)} core(s), to leave one for the load"
        return Cores(servers, load, note)
    return Cores(servers, load)


@contextlib.contextmanager
def pinned(cores: Sequence[int] | None) -> Iterator[None]:
    """Keep this thread, and each process it starts meanwhile, on *cores*; ``None`` on any.

    A process inherits the cores of the thread that starts it before it has threads and children
    of its own, which can't be caught up with afterwards.
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
