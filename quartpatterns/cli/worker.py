"""``quartpatterns worker``: run the background tasks of an application."""

from __future__ import annotations

import asyncio
import logging
import os
import threading

import click
from quart import Quart
from redis.exceptions import RedisError

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.applications import load_application
from quartpatterns.tasks import TasksUnavailableError, run_worker

__all__ = ["command", "load_with_tasks"]

EXIT_TIMEOUT = 1.0
"""Seconds that threads which tasks have started have to end, after the worker has."""

EPILOG = """
\b
  quartpatterns worker shop:app                  an application
  quartpatterns worker 'shop:create_app()'       a factory
  quartpatterns worker 'shop:create_app("dev")'  a factory with literal arguments
  quartpatterns worker shop:app --burst          run the queued jobs, then exit
\b
The application reads its configuration as under a server. REDIS_URL and
TASKS_QUEUE_NAME must be the same in the worker and in the server. The worker also runs the
startup and shutdown functions of the application.
\b
After Ctrl-C or SIGTERM, the worker starts no more jobs. Running jobs have
TASKS_SHUTDOWN_TIMEOUT seconds to finish; then they are queued again. The worker does not wait for
threads: the job of a thread that still runs starts again after TASKS_LEASE seconds. A second
signal stops the worker immediately, as a crash does.
\b
Exit code: 0 after a signal or a burst, 1 if the application or Redis failed, 2 for a
usage error.
"""


@click.command(epilog=EPILOG)
@click.argument("name", metavar="MODULE:APP")
@click.option("--burst", is_flag=True, help="Exit when the queue is empty.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(name: str, burst: bool, verbose: bool) -> None:
    """Run the jobs that the application MODULE:APP has queued.

    You can start several workers, on any machine that reaches the same Redis. If Redis is not
    available, they wait for it.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
    app = load_with_tasks(name)
    try:
        asyncio.run(_run(app, burst=burst))
    except TasksUnavailableError as error:
        raise click.ClickException(f"{error.description} ({error.__cause__})") from error
    except RedisError as error:
        raise click.ClickException(f"Redis: {error}") from error


async def _run(app: Quart, *, burst: bool) -> None:
    await run_worker(app, burst=burst)
    # asyncio.run() waits for the threads of asyncio, which a task may have left at work.
    exit = threading.Timer(EXIT_TIMEOUT, _exit)
    exit.daemon = True
    exit.start()


def _exit() -> None:
    logging.getLogger("quartpatterns.tasks").warning("threads still run; the worker exits")
    logging.shutdown()
    os._exit(0)


def load_with_tasks(name: str) -> Quart:
    """Return the application MODULE:APP.

    Raises:
        UsageProblem: It is no Quart application with tasks in Redis.
    """
    app = load_application(name)
    if not isinstance(app, Quart):
        raise UsageProblem(f"{name} is not a Quart application but {type(app).__name__}")
    tasks = app.extensions.get("tasks")
    if tasks is None:
        raise UsageProblem(f"{name} has no tasks: call Tasks(app), or tasks.init_app(app)")
    if not tasks.tasks:
        raise UsageProblem(
            f"{name} has no task: decorate a function with @tasks.task, and import its module"
            " where the application is created"
        )
    if tasks.settings.eager:
        raise UsageProblem(f"{name} runs its jobs itself: remove TASKS_EAGER from its settings")
    return app
