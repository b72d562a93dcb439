"""Work on several hosts at once: a connection to each, and one step after another on all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from quartpatterns.deployment.actions import Step
from quartpatterns.deployment.connections import Connection, connected
from quartpatterns.deployment.errors import FailedError, StepFailedError
from quartpatterns.deployment.events import Event, Observer
from quartpatterns.deployment.program import program
from quartpatterns.deployment.redaction import redactor, secrets_of
from quartpatterns.deployment.settings import Host, Settings

__all__ = ["Crew", "batches"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Crew:
    """Works on hosts, a few at a time, and tells who watches.

    Arguments:
        settings: The settings of the deployment.
        observe: Called with an :class:`Event` whenever a step begins or ends on a host.
        parallel: How many hosts are worked on at a time.
    """

    settings: Settings
    observe: Observer
    parallel: int

    @contextlib.asynccontextmanager
    async def connected(
        self, hosts: Sequence[Host], what: str, *, admin: bool = False
    ) -> AsyncGenerator[list[Connection]]:
        """All *hosts*, locked for us; none where one of them can't be had."""
        await asyncio.to_thread(program)  # read once, and kept
        async with contextlib.AsyncExitStack() as stack:
            found: dict[str, Connection] = {}

            async def connect(host: Host) -> None:
                with self.observed(host.name, "connect"):
                    redact = redactor(await asyncio.to_thread(secrets_of, host))
                    context = connected(self.settings, host, what=what, redact=redact, admin=admin)
                    found[host.name] = await stack.enter_async_context(context)

            await self.each(hosts, connect)
            yield [found[host.name] for host in hosts]

    async def do(self, connection: Connection, step: Step) -> None:
        """Do *step* on one host.

        Raises:
            StepFailedError: It failed.
        """
        with self.observed(connection.host.name, step.name) as told:
            if not await connection.do(step):
                told.append("was done")

    async def all_do(
        self,
        connections: Sequence[Connection],
        steps_of: Callable[[Connection], Iterable[Step]],
    ) -> None:
        """Do on each host the steps that *steps_of* makes for it.

        Raises:
            FailedError: One failed; the others have gone on to their end.
        """

        async def work(one: Connection) -> None:
            for step in steps_of(one):
                await self.do(one, step)

        await self.each(connections, work)

    async def each(self, items: Sequence[T], function: Callable[[T], Awaitable[None]]) -> None:
        """Await *function* of each, a few at a time.

        Raises:
            FailedError: One failed; the others have gone on to their end.
        """
        limit = asyncio.Semaphore(self.parallel)

        async def one(item: T) -> None:
            async with limit:
                await function(item)

        results = await asyncio.gather(*map(one, items), return_exceptions=True)
        failures = [result for result in results if isinstance(result, StepFailedError)]
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, StepFailedError):
                raise result
        if failures:
            raise FailedError(failures)

    @contextlib.contextmanager
    def observed(self, host: str, step: str) -> Generator[list[Any]]:
        """Tell of a step that begins, and how it ends: as the first word in the list, if any."""
        begun = time.monotonic()
        told: list[Any] = []
        self.observe(Event(host, step, "runs"))
        try:
            yield told
        except StepFailedError as error:
            self.observe(Event(host, step, "failed", time.monotonic() - begun, error.problem))
            raise
        self.observe(Event(host, step, (told or ["done"])[0], time.monotonic() - begun))


def batches(items: list[Connection], size: int) -> Iterable[list[Connection]]:
    """*items*, *size* of them at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
