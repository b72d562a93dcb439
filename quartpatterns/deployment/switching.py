"""Switch hosts to a release, and back where it is not well."""

from __future__ import annotations

import asyncio

import asyncssh

from quartpatterns.deployment.actions import tool
from quartpatterns.deployment.connections import Connection
from quartpatterns.deployment.crew import Crew, batches
from quartpatterns.deployment.errors import FailedError, StepFailedError
from quartpatterns.deployment.steps import switching_steps

__all__ = ["switch"]

GONE = "the connection is gone: run deploy status, and then the same command again"


async def switch(
    crew: Crew, all_of_them: list[Connection], release: str, batch: int | None
) -> None:
    """Switch to *release*, some hosts at a time; where it fails, all go back.

    Arguments:
        crew: Who does it.
        all_of_them: The hosts.
        release: The release, which is on all of them.
        batch: How many hosts switch at a time; by default as many as the crew works on.

    Raises:
        FailedError: It is not well on a host; the note says what each serves now.
    """
    switched: list[Connection] = []

    for some in batches(all_of_them, batch or crew.parallel):
        switched += some
        try:
            await crew.all_do(some, lambda one: switching_steps(one.host, release, one.python))
        except FailedError as error:
            note = await asyncio.shield(_go_back(crew, switched, release))
            raise FailedError(error.failures, note) from error


async def _go_back(crew: Crew, switched: list[Connection], release: str) -> str:
    """Serve what was served before *release*, and say which hosts do."""

    async def back(one: Connection) -> str:
        name = one.host.name
        try:
            with crew.observed(name, "roll back"):
                command = tool(one.host, one.python, "previous", release)
                before = await one.run("roll back", command)
                for step in switching_steps(one.host, before, one.python):
                    await one.do(step)
        except (StepFailedError, asyncssh.Error, OSError) as error:
            problem = error.problem if isinstance(error, StepFailedError) else GONE
            return f"{name} is not rolled back: {problem}"
        return f"{name} serves {before} again"

    return "; ".join(await asyncio.gather(*map(back, switched)))
