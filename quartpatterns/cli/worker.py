"""``quartpatterns worker``: run the jobs of an application."""

from __future__ import annotations

import asyncio
import logging

import click
from quart import Quart
from redis.exceptions import RedisError

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.loading import load
from quartpatterns.tasks import TasksUnavailableError, run_worker

__all__ = ["command"]

EPILOG = """
\b
  quartpatterns worker shop:app                  an application
  quartpatterns worker 'shop:create_app()'       what a factory makes
  quartpatterns worker 'shop:create_app("dev")'  with literal arguments
  quartpatterns worker shop:app --burst          run what is queued, then end
\b
The application reads its configuration as it does under its server: REDIS_URL and
TASKS_QUEUE_NAME must be the same in both. Its start-up and shutdown functions run in the
worker too.
\b
Ctrl-C or SIGTERM: no job is begun any more, running ones have TASKS_SHUTDOWN_TIMEOUT seconds
to end and are queued again after that. A second one ends the worker at once; its jobs are
begun again by another worker, as after a crash, when TASKS_LEASE seconds have passed.
\b
Exit code: 0 after a signal or a burst, 1 where the application or Redis failed, 2 for a
wrong call.
"""


@click.command(epilog=EPILOG)
@click.argument("name", metavar="MODULE:APP")
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(name: str, burst: bool, verbose: bool) -> None:
    """Run the jobs that the application MODULE:APP has put into its queue.

    Start as many workers as there is work for, on any machine that reaches the same Redis. They
    wait for Redis while it isn't there.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
    app = _application(name)
    try:
        asyncio.run(run_worker(app, burst=burst))
    except TasksUnavailableError as error:
        raise click.ClickException(f"{error.description} ({error.__cause__})") from error
    except RedisError as error:
        raise click.ClickException(f"Redis: {error}") from error


def _application(name: str) -> Quart:
    app = load(name)
    if not isinstance(app, Quart):
        raise UsageProblem(f"{name} is no Quart application but {type(app).__name__}")
    tasks = app.extensions.get("tasks")
    if tasks is None:
        raise UsageProblem(f"{name} has no tasks: call Tasks(app), or tasks.init_app(app)")
    if not tasks.tasks:
        raise UsageProblem(
            f"{name} has no task: decorate a function with @tasks.task, and import its module"
            " where the application is made"
        )
    return app
