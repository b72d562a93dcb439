"""An application whose workers are killed, stopped and cut off."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from quart import Quart

from quartpatterns.tasks import Tasks, current_job

tasks = Tasks()


@tasks.task
async def who() -> int:
    """The process that runs this."""
    return os.getpid()


@tasks.task
async def linger(seconds: float, started: str) -> list[int]:
    """Write the process id and the try into the file *started*, take time, return both."""
    return await _linger(seconds, started, asyncio.sleep)


@tasks.task
async def block(seconds: float, started: str) -> list[int]:
    """The same, but nothing else runs in the event loop meanwhile."""

    async def sleep(seconds: float) -> None:
        time.sleep(seconds)  # noqa: ASYNC251  that is the point

    return await _linger(seconds, started, sleep)


async def _linger(seconds: float, started: str, sleep: object) -> list[int]:
    assert callable(sleep)
    with Path(started).open("a") as file:  # noqa: ASYNC230  a few bytes
        print(os.getpid(), current_job.tries, file=file)
    await sleep(seconds)
    return [os.getpid(), current_job.tries]


def create_app() -> Quart:
    """Configured by ``QUART_...`` in the environment."""
    app = Quart(__name__)
    app.config.from_prefixed_env()
    tasks.init_app(app)

    @app.after_serving
    async def farewell() -> None:
        app.logger.warning("the application has shut down")

    return app
