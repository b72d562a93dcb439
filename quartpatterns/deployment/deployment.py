"""A deployment: its steps on all hosts at once, in the order that leaves nobody unserved."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from collections.abc import AsyncIterator
from collections.abc import Awaitable
from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import TypeVar

import asyncssh

from quartpatterns.deployment import steps
from quartpatterns.deployment.archives import Archive
from quartpatterns.deployment.archives import newest_archive
from quartpatterns.deployment.archives import pack
from quartpatterns.deployment.connections import Connection
from quartpatterns.deployment.connections import connected
from quartpatterns.deployment.connections import secrets_of
from quartpatterns.deployment.errors import DeploymentError
from quartpatterns.deployment.errors import FailedError
from quartpatterns.deployment.errors import PackError
from quartpatterns.deployment.errors import StepFailedError
from quartpatterns.deployment.events import Event
from quartpatterns.deployment.events import Observer
from quartpatterns.deployment.events import Outcome
from quartpatterns.deployment.inspection import Line
from quartpatterns.deployment.inspection import Status
from quartpatterns.deployment.inspection import ask_status
from quartpatterns.deployment.inspection import read_logs
from quartpatterns.deployment.program import program
from quartpatterns.deployment.redaction import redactor
from quartpatterns.deployment.settings import Host
from quartpatterns.deployment.settings import Settings
from quartpatterns.deployment.steps import Step
from quartpatterns.deployment.steps import planned_steps

__all__ = ["Deployment"]

T = TypeVar("T")


def nobody(event: Event) -> None:
    """Watch nothing."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The steps of a deployment, each awaited.

    .. code-block:: python

        deployment = Deployment(read_settings(Path()))
        archive = await deployment.pack()
        await deployment.bootstrap()
        await deployment.deploy(archive)

    Arguments:
        settings: What is deployed, and where to.
        observe: Called with an :class:`Event` whenever a step begins or ends on a host.
        parallel: How many hosts are worked on at a time.
    """

    settings: Settings
    observe: Observer = nobody
    parallel: int = 10

    async def pack(self, folder: Path | None = None) -> Archive:
        """Make the archive of a release.

        Arguments:
            folder: Where it goes; by default ``dist`` in the project.

        Raises:
            PackError: It can't be made.
        """
        return await pack(self.settings, folder)

    async def bootstrap(self, names: Sequence[str] = ()) -> Outcome:
        """Prepare new hosts, or those whose set-up has changed.

        Arguments:
            names: Names of hosts or groups; all hosts where there is none.

        Raises:
            SettingsError: There is no such host.
            FailedError: A host can't be prepared.
        """
        begun = time.monotonic()
        hosts = self.settings.select(names)
        admin = self.settings.supervisor == "systemd"
        async with self._connected(hosts, "bootstrapping it", admin=admin) as all_of_them:

            async def prepare(one: Connection) -> None:
                todo = steps.bootstrap_steps(self.settings, one.host, one.python)
                await self._do(one, *todo)

            await self._each(all_of_them, prepare)
        return _outcome("", hosts, begun)

    async def deploy(
        self,
        archive: Archive | None = None,
        names: Sequence[str] = (),
        *,
        batch: int | None = None,
    ) -> Outcome:
        """Have hosts serve a release.

        All hosts are prepared first, and the release is tried on each where no client sees it;
        then it is switched to, *batch* by *batch*. Where it is not well, the hosts that have
        switched go back to what they served before.

        Arguments:
            archive: The release; by default the one that was packed last.
            names: Names of hosts or groups; all hosts where there is none.
            batch: How many hosts switch at a time; by default as many as are worked on.

        Raises:
            SettingsError: There is no such host.
            PackError: There is no archive, or it is another application's.
            FailedError: It failed on a host.
        """
        begun = time.monotonic()
        hosts = self.settings.select(names)
        settings = self.settings
        packed = archive if archive else await asyncio.to_thread(newest_archive, settings)
        release = packed.release
        if packed.name != settings.name:
            raise PackError(f"{packed.path} is of {packed.name}, and this is {settings.name}")
        async with self._connected(hosts, f"deploying {release}") as all_of_them:

            async def prepare(one: Connection) -> None:
                todo = steps.preparation_steps(settings, one.host, packed, one.python)
                await self._do(one, *todo)

            async def migrate(one: Connection) -> None:
                todo = steps.migration_step(settings, one.host, release, one.python)
                await self._do(one, todo)

            async def attempt(one: Connection) -> None:
                todo = steps.trial_step(settings, one.host, release, one.python)
                await self._do(one, todo)

            async def prune(one: Connection) -> None:
                await self._do(one, steps.pruning_step(settings, one.host, one.python))

            await self._each(all_of_them, prepare)
            if settings.migrate:
                await self._each(all_of_them[:1], migrate)
            await self._each(all_of_them, attempt)
            await self._switch(all_of_them, release, batch)
            await self._each(all_of_them, prune)
        return _outcome(release, hosts, begun)

    async def rollback(
        self, names: Sequence[str] = (), *, to: str | None = None, batch: int | None = None
    ) -> Outcome:
        """Have hosts serve the release again that they served before.

        Called again, whether it was broken off or succeeded, it goes to the same release: one that
        is older is named.

        Arguments:
            names: Names of hosts or groups; all hosts where there is none.
            to: The release; by default the one that was served before the current one.
            batch: How many hosts switch at a time.

        Raises:
            SettingsError: There is no such host.
            FailedError: It failed on a host, or the hosts were not all served the same.
        """
        begun = time.monotonic()
        hosts = self.settings.select(names)
        async with self._connected(hosts, "rolling it back") as all_of_them:
            targets: dict[str, str] = {}

            async def choose(one: Connection) -> None:
                command = steps.tool(one.host, one.python, "choose", *([to] if to else []))
                targets[one.host.name] = await one.run("choose", command)

            async def back(one: Connection) -> None:
                release = targets[one.host.name]
                await self._do(
                    one, *steps.rollback_steps(self.settings, one.host, release, one.python)
                )

            await self._each(all_of_them, choose)
            if len(set(targets.values())) > 1:
                said = ", ".join(f"{host} to {target}" for host, target in targets.items())
                raise DeploymentError(
                    f"the hosts would go back to different releases ({said}): name one"
                )
            for some in _batches(all_of_them, batch or self.parallel):
                await self._each(some, back)
        return _outcome(next(iter(targets.values())), hosts, begun)

    async def status(self, names: Sequence[str] = ()) -> list[Status]:
        """How hosts are; one that can't be asked has a problem.

        Raises:
            SettingsError: There is no such host.
        """
        hosts = self.settings.select(names)
        limit = asyncio.Semaphore(self.parallel)

        async def ask(host: Host) -> Status:
            async with limit:
                try:
                    return await ask_status(self.settings, host)
                except StepFailedError as error:
                    return Status(host.name, problem=f"{error.step}: {error.problem}")

        return list(await asyncio.gather(*map(ask, hosts)))

    async def logs(
        self,
        names: Sequence[str] = (),
        *,
        service: str = "web",
        lines: int = 20,
        follow: bool = False,
    ) -> AsyncIterator[Line]:
        """The last lines of a log on hosts, without the secrets of their environment.

        Arguments:
            names: Names of hosts or groups; all hosts where there is none.
            service: ``web``, the name of a worker, or ``supervisor``.
            lines: How many, of each host.
            follow: Go on with what is added.

        Raises:
            DeploymentError: There is no such host or service.
            StepFailedError: A host can't be asked.
        """
        known = ["web", "supervisor", *self.settings.workers]
        if service not in known:
            raise DeploymentError(f"there is no service {service!r}; there is {', '.join(known)}")
        found = read_logs(self.settings, self.settings.select(names), service, lines, follow)
        async with contextlib.aclosing(found):
            async for line in found:
                yield line

    def plan(
        self, command: str, names: Sequence[str] = (), archive: Archive | None = None
    ) -> list[tuple[str, str, str]]:
        """What a command would do on hosts where nothing is done yet: host, step, and action.

        Nobody is asked, and nothing is done; but files are read: call it in a thread where an event
        loop runs.

        Arguments:
            command: ``bootstrap``, ``deploy`` or ``rollback``.
            names: Names of hosts or groups; all hosts where there is none.
            archive: The release, for ``deploy``; by default the one that was packed last.

        Raises:
            SettingsError: There is no such host.
            PackError: There is no archive.
        """
        return [
            (host.name, step.name, str(action))
            for index, host in enumerate(self.settings.select(names))
            for step in planned_steps(self.settings, command, host, archive, first=index == 0)
            for action in step.actions
        ]

    @contextlib.asynccontextmanager
    async def _connected(
        self, hosts: Sequence[Host], what: str, *, admin: bool = False
    ) -> AsyncGenerator[list[Connection]]:
        """All *hosts*, locked for us; none where one of them can't be had."""
        await asyncio.to_thread(program)  # read once, and kept
        async with contextlib.AsyncExitStack() as stack:
            found: dict[str, Connection] = {}

            async def connect(host: Host) -> None:
                with self._observed(host.name, "connect"):
                    redact = redactor(await asyncio.to_thread(secrets_of, host))
                    context = connected(self.settings, host, what=what, redact=redact, admin=admin)
                    found[host.name] = await stack.enter_async_context(context)

            await self._each(hosts, connect)
            yield [found[host.name] for host in hosts]

    async def _switch(self, all_of_them: list[Connection], release: str, batch: int | None) -> None:
        """Switch to *release*, some hosts at a time; where it fails, all go back."""
        switched: list[Connection] = []

        async def switch(one: Connection) -> None:
            await self._do(one, *steps.switching_steps(one.host, release, one.python))

        for some in _batches(all_of_them, batch or self.parallel):
            switched += some
            try:
                await self._each(some, switch)
            except FailedError as error:
                note = await asyncio.shield(self._go_back(switched, release))
                raise FailedError(error.failures, note) from error

    async def _go_back(self, switched: list[Connection], release: str) -> str:
        """Serve what was served before *release*, and say which hosts do."""

        async def back(one: Connection) -> str:
            name = one.host.name
            try:
                with self._observed(name, "roll back"):
                    command = steps.tool(one.host, one.python, "previous", release)
                    before = await one.run("roll back", command)
                    for step in steps.switching_steps(one.host, before, one.python):
                        await one.do(step)
            except (StepFailedError, asyncssh.Error, OSError) as error:
                problem = (
                    error.problem
                    if isinstance(error, StepFailedError)
                    else f"the connection is gone: {GONE}"
                )
                return f"{name} is not rolled back: {problem}"
            return f"{name} serves {before} again"

        return "; ".join(await asyncio.gather(*map(back, switched)))

    async def _do(self, connection: Connection, *todo: Step) -> None:
        for step in todo:
            with self._observed(connection.host.name, step.name) as told:
                if not await connection.do(step):
                    told.append("was done")

    async def _each(self, items: Sequence[T], function: Callable[[T], Awaitable[None]]) -> None:
        """Await *function* of each, a few at a time; raise what failed when all have ended."""
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
    def _observed(self, host: str, step: str) -> Generator[list[Any]]:
        begun = time.monotonic()
        told: list[Any] = []
        self.observe(Event(host, step, "runs"))
        try:
            yield told
        except StepFailedError as error:
            self.observe(Event(host, step, "failed", time.monotonic() - begun, error.problem))
            raise
        self.observe(Event(host, step, (told or ["done"])[0], time.monotonic() - begun))


GONE = "the connection is gone: run deploy status, and then the same command again"


def _batches(items: list[Connection], size: int) -> Iterable[list[Connection]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _outcome(release: str, hosts: Sequence[Host], begun: float) -> Outcome:
    return Outcome(release, tuple(host.name for host in hosts), time.monotonic() - begun)
