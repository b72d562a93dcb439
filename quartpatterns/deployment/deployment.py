"""A deployment: its steps run on all hosts concurrently, and the hosts serve all the time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.suggestions import did_you_mean
from quartpatterns._shared.threads import to_thread
from quartpatterns.deployment import steps
from quartpatterns.deployment.archives import Archive, newest_archive, pack
from quartpatterns.deployment.bootstrap import bootstrap_steps
from quartpatterns.deployment.errors import DeploymentError, FailedError, PackError, StepFailedError
from quartpatterns.deployment.host_group import (
    HostGroup,
    Observer,
    connect_hosts,
    ignore_events,
    observed,
)
from quartpatterns.deployment.sessions import HostSession
from quartpatterns.deployment.settings import Host, Settings
from quartpatterns.deployment.status import Line, Status, fetch_status, read_logs

__all__ = ["Deployment", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a command that succeeded.

    Arguments:
        release: The release that the hosts serve now; empty after a bootstrap.
        hosts: The names of the hosts.
        seconds: How long the command took.

    .. versionadded:: 0.1
    """

    release: str
    hosts: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Deployment:
    """The commands of a deployment, as coroutines.

    .. code-block:: python

        deployment = Deployment(read_settings(Path()))
        archive = await deployment.pack()
        await deployment.bootstrap()
        await deployment.deploy(archive)

    Every command that takes ``names`` takes names of hosts or groups, and without names works on
    all hosts. It raises :exc:`SettingsError` if a name is unknown. A command that failed or
    was interrupted can run again, and continues where it stopped.

    Arguments:
        settings: The settings of the deployment.
        observe: Called with an :class:`Event` whenever a step on a host starts or ends.
        parallel: The number of hosts to work on at the same time.

    .. versionadded:: 0.1
    """

    settings: Settings
    observe: Observer = ignore_events
    parallel: int = 10

    async def pack(self, folder: Path | None = None) -> Archive:
        """Build the archive of a release.

        Arguments:
            folder: The folder for the archive; by default ``dist`` in the project.

        Raises:
            PackError: The archive cannot be built.
        """
        return await pack(self.settings, folder)

    async def bootstrap(self, names: Sequence[str] = ()) -> Outcome:
        """Prepare new hosts, or hosts whose settings have changed.

        Raises:
            FailedError: A host cannot be prepared.
        """
        started = time.monotonic()
        hosts = self.settings.select(names)
        admin = self.settings.supervisor == "systemd"
        async with self._connect(hosts, "bootstrapping the host", admin=admin) as group:
            await group.run_steps(bootstrap_steps)
        return _outcome("", hosts, started)

    async def deploy(
        self, archive: Archive | None = None, names: Sequence[str] = (), *, batch: int | None = None
    ) -> Outcome:
        """Serve a release.

        First the release is installed on all hosts and tried on a private socket. Then the hosts
        switch to it, *batch* hosts at a time. If the release is unhealthy on one of them, all
        hosts that have switched go back to their previous release.

        Arguments:
            archive: The release; by default the one that was packed last.
            names: Names of hosts or groups.
            batch: The number of hosts that switch at the same time; by default ``parallel``.

        Raises:
            PackError: There is no archive, or it belongs to another application.
            FailedError: A step failed on a host.
        """
        started = time.monotonic()
        hosts = self.settings.select(names)
        if archive is None:
            archive = await to_thread(newest_archive, self.settings)
        packed, release = archive, archive.release
        if packed.name != self.settings.name:
            difference = f"{packed.name}, but the settings are of {self.settings.name}"
            raise PackError(f"{packed.path} is an archive of {difference}")
        async with self._connect(hosts, f"deploying {release}") as group:
            await group.run_steps(lambda target: steps.preparation_steps(target, packed))
            if self.settings.migrate:
                await _migrate(group, release)
            await group.run_steps(lambda target: [steps.trial_step(target, release)])
            await _switch(group, release, batch or self.parallel)
            await group.run_steps(lambda target: [steps.pruning_step(target)])
        return _outcome(release, hosts, started)

    async def rollback(
        self, names: Sequence[str] = (), *, to: str | None = None, batch: int | None = None
    ) -> Outcome:
        """Serve the previous release again.

        A second rollback goes to the same release, whether or not the first one was interrupted.
        To go back further, name the release.

        Arguments:
            names: Names of hosts or groups.
            to: The release; by default the one that was served before the current one.
            batch: The number of hosts that switch at the same time; by default ``parallel``.

        Raises:
            FailedError: A step failed on a host.
            DeploymentError: The hosts have different previous releases.
        """
        started = time.monotonic()
        hosts = self.settings.select(names)
        releases: dict[str, str] = {}

        async def find_release(session: HostSession) -> None:
            command = session.target.program("rollback-target", *([to] if to else []))
            releases[session.host.name] = await session.run("rollback-target", command)

        async with self._connect(hosts, "rolling it back") as group:
            await group.for_each(find_release)
            if len(set(releases.values())) > 1:
                listed = ", ".join(f"{host} to {release}" for host, release in releases.items())
                raise DeploymentError(
                    f"the hosts would go back to different releases ({listed}). Name a release"
                )
            for some in group.batches(batch or self.parallel):
                await some.run_steps(
                    lambda target: steps.rollback_steps(target, releases[target.host.name])
                )
        return _outcome(releases[hosts[0].name], hosts, started)

    async def status(self, names: Sequence[str] = ()) -> list[Status]:
        """Return the status of hosts. If it is unknown, the status contains the problem."""
        semaphore = asyncio.Semaphore(self.parallel)

        async def fetch(host: Host) -> Status:
            async with semaphore:
                return await fetch_status(self.settings, host)

        return list(await asyncio.gather(*map(fetch, self.settings.select(names))))

    async def logs(
        self,
        names: Sequence[str] = (),
        *,
        service: str = "web",
        lines: int = 20,
        follow: bool = False,
    ) -> AsyncIterator[Line]:
        """Yield the last lines of a log, without the secrets in the environment of the hosts.

        Arguments:
            names: Names of hosts or groups.
            service: ``web``, the name of a worker, or ``supervisor``.
            lines: The number of lines from each host.
            follow: Whether to yield new lines as they are written.

        Raises:
            DeploymentError: The service is unknown.
            StepFailedError: A connection failed.
        """
        services = ["web", "supervisor", *self.settings.workers]
        if service not in services:
            known = ", ".join(services) + did_you_mean(service, services, before="; ")
            raise DeploymentError(f"the service {service!r} is unknown. The services are {known}")
        hosts = self.settings.select(names)
        read = read_logs(self.settings, hosts, service, lines, follow)
        async with contextlib.aclosing(read) as found:
            async for line in found:
                yield line

    def plan(
        self, command: str, names: Sequence[str] = (), archive: Archive | None = None
    ) -> list[tuple[str, str, str]]:
        """Return what a command does on new hosts, without connecting to them.

        This method reads files. Call it in a thread if an event loop runs.

        Arguments:
            command: ``bootstrap``, ``deploy`` or ``rollback``.
            names: Names of hosts or groups.
            archive: The release for ``deploy``; by default the one that was packed last.

        Returns:
            A list of host, step, and command or upload.

        Raises:
            PackError: There is no archive.
            ValueError: There is no such command, or it does not change hosts.
        """
        if command not in ("bootstrap", "deploy", "rollback"):
            raise ValueError(f"{command!r} is not a command: write bootstrap, deploy or rollback")
        hosts = self.settings.select(names)
        if command == "deploy" and archive is None:
            archive = newest_archive(self.settings)
        return [
            (host.name, step.name, str(action))
            for host in hosts
            for step in _planned_steps(steps.local_target(self.settings, host), command, archive)
            for action in step.actions
        ]

    def _connect(
        self, hosts: Sequence[Host], purpose: str, *, admin: bool = False
    ) -> AbstractAsyncContextManager[HostGroup]:
        return connect_hosts(
            self.settings, hosts, purpose, observe=self.observe, parallel=self.parallel, admin=admin
        )


async def _migrate(group: HostGroup, release: str) -> None:
    """Migrate each database once, on the first host that uses it.

    A host whose databases are unknown, or are its own, such as a SQLite file, migrates them. The
    hosts migrate one after the other, because databases that look different may be the same.
    """
    databases: dict[str, str] = {}

    async def find_database(session: HostSession) -> None:
        path = session.target.release(release) / "database"
        found = await session.run("migrate", f"cat {steps.quoted(path)}")
        databases[session.host.name] = found or session.host.name

    await group.for_each(find_database)
    migrated: set[str] = set()
    for one in group.batches(1):
        database = databases[one.sessions[0].host.name]
        if database not in migrated:
            await one.run_steps(lambda target: [steps.migration_step(target, release)])
            migrated.add(database)


async def _switch(group: HostGroup, release: str, batch: int) -> None:
    """Switch all hosts to *release*. If it is unhealthy on one, switch all back."""
    switched: list[HostSession] = []

    async def switch_all_back() -> list[str]:
        return await asyncio.gather(*(_switch_back(group, one, release) for one in switched))

    for some in group.batches(batch):
        switched += some.sessions
        try:
            await some.run_steps(lambda target: steps.switching_steps(target, release))
        except FailedError as error:
            # Even if the deployment is cancelled now, all hosts go back to one release.
            results = await finish(switch_all_back)
            raise FailedError(error.failures, "; ".join(results)) from error


async def _switch_back(group: HostGroup, session: HostSession, release: str) -> str:
    """Serve the release before *release*, and return what the host serves now."""
    name, target = session.host.name, session.target

    async def switch() -> str:
        previous = await session.run("roll back", target.program("previous", release))
        for step in steps.switching_steps(target, previous):
            await session.run_step(step)
        return previous

    try:
        previous = await observed(group.observe, session.host, "roll back", switch())
    except StepFailedError as error:
        return f"{name} was not rolled back: {error.problem}. Run quartpatterns deploy status"
    return f"{name} serves {previous} again"


def _planned_steps(
    target: steps.Target, command: str, archive: Archive | None
) -> list[steps.DeployStep]:
    if command == "bootstrap":
        return bootstrap_steps(target)
    if command == "rollback" or archive is None:
        return steps.rollback_steps(target, "RELEASE")
    release = archive.release
    planned = steps.preparation_steps(target, archive)
    if target.settings.migrate:
        planned.append(steps.migration_step(target, release))
    planned += [steps.trial_step(target, release), *steps.switching_steps(target, release)]
    return [*planned, steps.pruning_step(target)]


def _outcome(release: str, hosts: Sequence[Host], started: float) -> Outcome:
    return Outcome(release, tuple(host.name for host in hosts), time.monotonic() - started)
