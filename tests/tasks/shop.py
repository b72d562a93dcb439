"""An application for tests that kill and stop workers, and take Redis away from them."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from quart import Quart

from quartpatterns.tasks import Tasks, current_job

tasks = Tasks()


@tasks.task
async def process_id() -> int:
    """Return the process that runs this."""
    return os.getpid()


@tasks.task
async def wait(seconds: float, started: str) -> list[int]:
    """Write the process id and the number of the start to *started*, wait, and return both.

    A second start does not wait.
    """
    result = _write(started)
    await asyncio.sleep(seconds if current_job.deliveries == 1 else 0)
    Path(f"{started}.ended").touch()  # noqa: ASYNC240 - one system call
    return result


@tasks.task
async def block(seconds: float, started: str) -> list[int]:
    """Do the same, but block the event loop."""
    result = _write(started)
    time.sleep(seconds)  # noqa: ASYNC251 - this is what the test needs
    return result


@tasks.task
def work_in_a_thread(seconds: float, started: str) -> list[int]:
    """Do the same in a thread."""
    result = _write(started)
    time.sleep(seconds if current_job.deliveries == 1 else 0)
    return result


@tasks.task
async def leave_a_thread(seconds: float, started: str) -> None:
    """Wait for one of asyncio's threads, which cannot be cancelled."""
    _write(started)
    await asyncio.to_thread(time.sleep, seconds)


@tasks.task
async def seventh(started: str) -> list[int]:
    """Return the tries and the number of starts in the seventh run; wait in the others."""
    _write(started)
    await asyncio.sleep(600 if current_job.deliveries < 7 else 0)
    return [current_job.tries, current_job.deliveries]


@tasks.task
async def ready() -> None:
    """Do nothing."""


@tasks.task
async def slow_double(number: int) -> int:
    """Return the double after a while."""
    await asyncio.sleep(0.3)
    return 2 * number


@tasks.task
async def note_body(values: list[int], file: str) -> list[int]:
    """Write a line to *file*, and return the values."""
    with Path(file).open("a") as bodies:  # noqa: ASYNC230 - short
        print(values, file=bodies)
    return values


@tasks.task
async def note(number: int, file: str) -> int:
    """Write the number to *file*, and return it."""
    await asyncio.sleep(0.15)
    with Path(file).open("a") as lines:  # noqa: ASYNC230 - short
        print(number, file=lines)
    return number


@tasks.task
async def same(values: list[int]) -> list[int]:
    """Return the values."""
    return values


@tasks.task
async def exit_process() -> None:
    """End the process of the worker."""
    await asyncio.sleep(0.1)
    os._exit(7)


def _write(started: str) -> list[int]:
    result = [os.getpid(), current_job.deliveries]
    with Path(started).open("a") as file:
        print(*result, file=file)
    return result


def create_app() -> Quart:
    """Return the application, configured by environment variables."""
    app = Quart(__name__)
    app.config.from_prefixed_env()
    tasks.init_app(app)

    @app.after_serving
    async def log_shutdown() -> None:
        app.logger.warning("the application has shut down")

    return app
