"""Connections that break at every step of a deployment."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil
import pytest

from quartpatterns.deployment import Deployment, Event, FailedError
from tests.deployment.project import Project, answer, wait_until

pytestmark = [pytest.mark.wire, pytest.mark.timeout(600), pytest.mark.checks("FA-7")]

BEFORE_SWITCH = ["connect", "space", "program", "environment", "upload", "unpack", "venv"]
BEFORE_SWITCH += ["install", "load", "migrate", "trial"]


@dataclass
class Interruption:
    """An observer that breaks all connections once, when a step starts."""

    project: Project
    step: str
    happened: bool = False

    def __call__(self, event: Event) -> None:
        self.project.events.append(event)
        if event.step == self.step and event.state == "running" and not self.happened:
            self.happened = True
            asyncio.get_running_loop().call_soon(self.break_connections)

    def break_connections(self) -> None:
        """Break the connections, or wait until there is one."""
        host = self.project.hosts[0]
        if host.connections:
            host.disconnect()
        else:
            asyncio.get_running_loop().call_later(0.001, self.break_connections)


async def interrupt(
    project: Project, step: str, run: Callable[[Deployment], Awaitable[object]]
) -> str | None:
    """Run a command that is interrupted at *step*, and return what is served afterwards."""
    observer = Interruption(project, step)
    try:
        await run(Deployment(project.settings(migrate="true"), observer))
    except FailedError as error:
        (failure,) = error.failures
        assert (
            "run the same command again" in failure.problem
            or "closed the connection" in failure.problem
        )
    assert observer.happened
    return await answer(project.hosts[0])


@pytest.mark.slow
async def test_deploy(project: Project) -> None:
    """The old release stays in service, and each further run continues the deployment."""
    deployment = project.deployment(migrate="true")
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    archive = await project.release("1.1")
    for step in BEFORE_SWITCH:
        served = await interrupt(project, step, lambda one: one.deploy(archive))
        assert (step, served) == (step, "1.0")
    # The supervisor completes a switch that was requested, in its own time.
    await interrupt(project, "switch", lambda one: one.deploy(archive))
    for step in ("verify", "prune"):
        served = await interrupt(project, step, lambda one: one.deploy(archive))
        assert (step, served) == (step, "1.1")
    await deployment.deploy(archive)
    assert await answer(project.hosts[0]) == "1.1"
    (status,) = await deployment.status()
    assert (status.locked, status.current) == (None, archive.release)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["upload", "install"])
async def test_deploy_once(project: Project, step: str) -> None:
    """A deployment that was interrupted once can run again."""
    await project.deployment().bootstrap()
    archive = await project.release("1.0")
    assert await interrupt(project, step, lambda one: one.deploy(archive)) is None
    await project.deployment().deploy(archive)
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.slow
async def test_rollback(project: Project) -> None:
    """A rollback that was interrupted continues to the same release."""
    deployment = project.deployment()
    await deployment.bootstrap()
    for version in ("0.9", "1.0", "1.1"):
        await deployment.deploy(await project.release(version))
    for step in ("connect", "program", "environment", "switch", "verify"):
        await interrupt(project, step, lambda one: one.rollback())
    await deployment.rollback()
    assert await answer(project.hosts[0]) == "1.0"
    (status,) = await deployment.status()
    assert (status.locked, (status.current or "")[:4]) == (None, "1.0-")


@pytest.mark.slow
async def test_bootstrap(project: Project) -> None:
    """A bootstrap that was interrupted can run again."""
    for step in ("connect", "folders", "program", "environment", "start"):
        await interrupt(project, step, lambda one: one.bootstrap())
    deployment = project.deployment()
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    assert await answer(project.hosts[0]) == "1.0"


@pytest.mark.slow
async def test_command_ends(project: Project) -> None:
    """When the connection breaks, the running command ends before the host is unlocked."""
    marker = project.hosts[0].folder / "pid"
    slow = project.deployment(migrate=f"echo $$ > {marker} && exec sleep 600")
    await slow.bootstrap()
    archive = await project.release("1.0")
    deploying = asyncio.create_task(slow.deploy(archive))
    await wait_until(lambda: marker.exists() and "\n" in marker.read_text(), deploying)
    project.hosts[0].disconnect()
    with pytest.raises(FailedError, match="migrate: the connection broke"):
        await deploying
    await project.deployment().deploy(archive)
    assert not await asyncio.to_thread(is_sleeping, marker.read_text().strip())


class Relay:
    """A network between the client and a host, which can lose everything from some moment on."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.loses = False
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host_reader, host_writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers += [writer, host_writer]
        await asyncio.gather(self.pass_on(reader, host_writer), self.pass_on(host_reader, writer))

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not self.loses:
                    writer.write(data)
                    await writer.drain()


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_silent_connection(project: Project) -> None:
    """If nothing arrives any more, the deployment fails, and the host is unlocked."""
    host = project.hosts[0]
    await project.deployment().bootstrap()
    await project.deployment().deploy(await project.release("1.0"))
    relay = Relay(host.port)
    server = await asyncio.start_server(relay.connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with project.hosts.known_hosts.open("a") as known:
        known.write(project.hosts.known_hosts.read_text().replace(str(host.port), str(port)))
    marker = host.folder / "pid"
    slow = project.deployment(
        migrate=f"echo $$ > {marker} && exec sleep 600",
        hosts={"web0": {**project.host_data(host), "port": port}},
    )
    archive = await project.release("1.1")
    deploying = asyncio.create_task(slow.deploy(archive))
    await wait_until(lambda: marker.exists() and "\n" in marker.read_text(), deploying)
    relay.loses = True
    with pytest.raises(FailedError, match="migrate: the connection broke.* run the same command"):
        await deploying
    assert await answer(host) == "1.0"
    async with asyncio.timeout(120):
        while await asyncio.to_thread(is_sleeping, marker.read_text().strip()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await project.deployment().deploy(archive)
    assert await answer(host) == "1.1"
    server.close()
    for writer in relay.writers:
        writer.close()


def is_sleeping(pid: str) -> bool:
    """Return whether the command of the migration still runs."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return "sleep" in psutil.Process(int(pid)).cmdline()
    return False
