"""A connection that breaks, at every step in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from quartpatterns.deployment import Deployment, Event, FailedError
from tests.deployment.project import Project, answer

pytestmark = [pytest.mark.wire, pytest.mark.checks("FA-7")]

BEFORE = ["connect", "space", "program", "environment", "upload", "unpack", "venv", "install"]
BEFORE += ["load", "migrate", "trial"]


@dataclass
class Cutter:
    """Breaks all connections when a step begins, once."""

    project: Project
    step: str
    cut: bool = False

    def __call__(self, event: Event) -> None:
        self.project.events.append(event)
        if event.step == self.step and event.state == "runs" and not self.cut:
            self.cut = True
            # The command is on its way, or runs.
            pause = 0.05 if self.step == "connect" else 0.005
            asyncio.get_running_loop().call_later(pause, self.project.hosts[0].cut)


async def cut(
    project: Project, step: str, run: Callable[[Deployment], Awaitable[object]]
) -> tuple[str | None, bool]:
    """What is served after *run* was cut at *step*, and whether it failed."""
    cutter = Cutter(project, step)
    try:
        await run(Deployment(project.settings(migrate="true"), cutter))
    except FailedError as error:
        (failure,) = error.failures
        assert "run the same command again" in failure.problem or "hangs up" in failure.problem
        return await answer(project.hosts[0]), True
    return await answer(project.hosts[0]), False


async def test_deploy(project: Project) -> None:
    """The old release serves on, and each further run goes on where the last one was cut."""
    deployment = project.deployment(migrate="true")
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    archive = await project.release("1.1")
    for step in BEFORE:
        served, failed = await cut(project, step, lambda one: one.deploy(archive))
        assert (step, served, failed) == (step, "1.0", True)
    for step in ("switch", "verify", "prune"):
        served, failed = await cut(project, step, lambda one: one.deploy(archive))
        # The supervisor goes on with a switch that it was asked for.
        assert served in ({"1.0", "1.1"} if step == "switch" else {"1.1"})
    await deployment.deploy(archive)
    assert await answer(project.hosts[0]) == "1.1"
    (status,) = await deployment.status()
    assert (status.locked, status.current) == (None, archive.release)


async def test_rollback(project: Project) -> None:
    """A rollback that was cut goes on to the same release, not to the one before."""
    deployment = project.deployment()
    await deployment.bootstrap()
    for version in ("1.0", "1.1"):
        await deployment.deploy(await project.release(version))
    for step in ("connect", "program", "environment", "switch", "verify"):
        await cut(project, step, lambda one: one.rollback())
    await deployment.rollback()
    assert await answer(project.hosts[0]) == "1.0"
    (status,) = await deployment.status()
    assert (status.locked, (status.current or "")[:4]) == (None, "1.0-")


async def test_bootstrap(project: Project) -> None:
    """A host that is half prepared is prepared."""
    for step in ("connect", "folders", "program", "environment", "start"):
        await cut(project, step, lambda one: one.bootstrap())
    deployment = project.deployment()
    await deployment.bootstrap()
    await deployment.deploy(await project.release("1.0"))
    assert await answer(project.hosts[0]) == "1.0"


async def test_command_ends(project: Project) -> None:
    """A command whose connection broke is ended, and the lock is free at once."""
    marker = project.hosts[0].folder / "migrated"
    slow = project.deployment(migrate=f"sleep 3 && touch {marker}")
    await slow.bootstrap()
    archive = await project.release("1.0")
    cutter = Cutter(project, "migrate")
    with pytest.raises(FailedError, match="migrate: the connection broke"):
        await Deployment(slow.settings, cutter).deploy(archive)
    await project.deployment().deploy(archive)
    await asyncio.sleep(3)
    assert not marker.exists()
