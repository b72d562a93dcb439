"""Several hosts that are locked together, and steps that run on them concurrently."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from quartpatterns._shared.threads import to_thread
from quartpatterns.deployment.errors import FailedError, StepFailedError
from quartpatterns.deployment.sessions import HostSession, open_session
from quartpatterns.deployment.settings import Host, Settings
from quartpatterns.deployment.steps import DeployStep, Target, host_program

__all__ = ["Event", "HostGroup", "Observer", "connect_hosts", "ignore_events", "observed"]

T = TypeVar("T")
State = Literal["running", "done", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Event:
    """A step on a host has started or ended.

    Arguments:
        host: The name of the host.
        step: The name of the step.
        state: The state of the step; ``skipped`` means that it was done already.
        seconds: How long the step took.
        text: Why the step failed.

    .. versionadded:: 0.1
    """

    host: str
    step: str
    state: State
    seconds: float = 0.0
    text: str = ""


Observer = Callable[[Event], None]


def ignore_events(event: Event) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class HostGroup:
    """Hosts with an open session each, *parallel* of which run a step at the same time."""

    sessions: Sequence[HostSession]
    observe: Observer
    parallel: int

    def batches(self, size: int) -> list[HostGroup]:
        """Return groups of at most *size* hosts each."""
        starts = range(0, len(self.sessions), size)
        return [replace(self, sessions=self.sessions[start : start + size]) for start in starts]

    async def run_steps(self, steps_for: Callable[[Target], Iterable[DeployStep]]) -> None:
        """Run the steps that *steps_for* returns for each host.

        Raises:
            FailedError: A step failed. Other hosts still run their steps to the end.
        """

        async def run_all(session: HostSession) -> None:
            for step in steps_for(session.target):
                await observed(self.observe, session.host, step.name, session.run_step(step))

        await self.for_each(run_all)

    async def for_each(self, function: Callable[[HostSession], Awaitable[None]]) -> None:
        """Await *function* for each session.

        Raises:
            FailedError: It failed for a host. For the other hosts it still runs to the end.
        """
        await _run_concurrently(function, self.sessions, self.parallel)


@contextlib.asynccontextmanager
async def connect_hosts(
    settings: Settings,
    hosts: Sequence[Host],
    purpose: str,
    *,
    observe: Observer,
    parallel: int,
    admin: bool = False,
) -> AsyncGenerator[HostGroup]:
    """Open a session on each host.

    Raises:
        FailedError: A session cannot be opened. No host was changed.
    """
    await to_thread(host_program)  # it reads files, and the result is cached
    async with contextlib.AsyncExitStack() as stack:
        sessions: dict[str, HostSession] = {}

        async def connect(host: Host) -> None:
            session = open_session(settings, host, purpose=purpose, admin=admin)
            opened = stack.enter_async_context(session)
            sessions[host.name] = await observed(observe, host, "connect", opened)

        await _run_concurrently(connect, hosts, parallel)
        yield HostGroup([sessions[host.name] for host in hosts], observe, parallel)


async def observed(observe: Observer, host: Host, step: str, work: Awaitable[T]) -> T:
    """Await *work*, and report events for it. The result False means skipped."""
    started = time.monotonic()
    observe(Event(host.name, step, "running"))
    try:
        result = await work
    except StepFailedError as error:
        observe(Event(host.name, step, "failed", time.monotonic() - started, error.problem))
        raise
    skipped = isinstance(result, bool) and not result
    observe(Event(host.name, step, "skipped" if skipped else "done", time.monotonic() - started))
    return result


async def _run_concurrently(
    function: Callable[[T], Awaitable[None]], items: Sequence[T], parallel: int
) -> None:
    semaphore = asyncio.Semaphore(parallel)

    async def limited(item: T) -> None:
        async with semaphore:
            await function(item)

    results = await asyncio.gather(*map(limited, items), return_exceptions=True)
    failures = [result for result in results if isinstance(result, StepFailedError)]
    for result in results:
        if isinstance(result, BaseException) and result not in failures:
            raise result
    if failures:
        raise FailedError(failures)
