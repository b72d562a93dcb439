"""A deployment: its steps on all hosts at once, in the order that leaves nobody unserved."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from quartpatterns.deployment import steps
from quartpatterns.deployment.actions import tool
from quartpatterns.deployment.archives import Archive, newest_archive, pack
from quartpatterns.deployment.bootstrap import bootstrap_steps
from quartpatterns.deployment.connections import Connection
from quartpatterns.deployment.crew import Crew, batches
from quartpatterns.deployment.errors import DeploymentError, PackError, StepFailedError
from quartpatterns.deployment.events import Observer, Outcome, unobserved
from quartpatterns.deployment.inspection import Line, Status, ask_status, read_logs
from quartpatterns.deployment.settings import Host, Settings
from quartpatterns.deployment.steps import planned_steps
from quartpatterns.deployment.switching import switch

__all__ = ["Deployment"]


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
    observe: Observer = unobserved
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
        crew = Crew(self.settings, self.observe, self.parallel)
        hosts = self.settings.select(names)
        admin = self.settings.supervisor == "systemd"
        async with crew.connected(hosts, "bootstrapping it", admin=admin) as all_of_them:
            await crew.all_do(
                all_of_them,
                lambda one: bootstrap_steps(self.settings, one.host, one.python),
            )
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
        crew = Crew(self.settings, self.observe, self.parallel)
        hosts = self.settings.select(names)
        settings = self.settings
        packed = archive if archive else await asyncio.to_thread(newest_archive, settings)
        release = packed.release
        if packed.name != settings.name:
            raise PackError(f"{packed.path} is of {packed.name}, and this is {settings.name}")
        async with crew.connected(hosts, f"deploying {release}") as all_of_them:
            await crew.all_do(
                all_of_them,
                lambda one: steps.preparation_steps(settings, one.host, packed, one.python),
            )
            if settings.migrate:
                await crew.all_do(
                    all_of_them[:1],
                    lambda one: [steps.migration_step(settings, one.host, release, one.python)],
                )
            await crew.all_do(
                all_of_them,
                lambda one: [steps.trial_step(settings, one.host, release, one.python)],
            )
            await switch(crew, all_of_them, release, batch)
            await crew.all_do(
                all_of_them,
                lambda one: [steps.pruning_step(settings, one.host, one.python)],
            )
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
        crew = Crew(self.settings, self.observe, self.parallel)
        hosts = self.settings.select(names)
        async with crew.connected(hosts, "rolling it back") as all_of_them:
            targets: dict[str, str] = {}

            async def choose(one: Connection) -> None:
                command = tool(one.host, one.python, "choose", *([to] if to else []))
                targets[one.host.name] = await one.run("choose", command)

            await crew.each(all_of_them, choose)
            if len(set(targets.values())) > 1:
                said = ", ".join(f"{host} to {target}" for host, target in targets.items())
                raise DeploymentError(
                    f"the hosts would go back to different releases ({said}): name one"
                )
            for some in batches(all_of_them, batch or self.parallel):
                await crew.all_do(
                    some,
                    lambda one: steps.rollback_steps(
                        self.settings, one.host, targets[one.host.name], one.python
                    ),
                )
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


def _outcome(release: str, hosts: Sequence[Host], begun: float) -> Outcome:
    return Outcome(release, tuple(host.name for host in hosts), time.monotonic() - begun)
