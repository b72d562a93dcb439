"""``quartpatterns worker``: run the background tasks of an application."""

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
  quartpatterns worker 'shop:create_app()'       the result of a factory
  quartpatterns worker 'shop:create_app("dev")'  with literal arguments
  quartpatterns worker shop:app --burst          run the queued jobs, then end
\b
The application reads its configuration as it does in its server. REDIS_URL and
TASKS_QUEUE_NAME must be the same in both. Its start-up and shutdown functions run in the
worker too.
\b
Ctrl-C or SIGTERM: the worker starts no more jobs. Running jobs have TASKS_SHUTDOWN_TIMEOUT
seconds to end, and are then queued again. A second signal ends the worker at once. Another
worker then starts its jobs after TASKS_LEASE seconds, as after a crash.
\b
Exit code: 0 after a signal or a burst, 1 if the application or Redis failed, 2 for a
wrong call.
"""


@click.command(epilog=EPILOG)
@click.argument("name", metavar="MODULE:APP")
@click.option("--burst", is_flag=True, help="End when the queue is empty.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def command(name: str, burst: bool, verbose: bool) -> None:
    """Run the background tasks of the application MODULE:APP.

    Start as many workers as you need, on any machine that reaches the same Redis. They wait
    for Redis if it is not available.
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
        raise UsageProblem(f"{name} is a {type(app).__name__} and not a Quart application")
    tasks = app.extensions.get("tasks")
    if tasks is None:
        raise UsageProblem(f"{name} has no tasks: call Tasks(app), or tasks.init_app(app)")
    if not tasks.tasks:
        raise UsageProblem(
            f"{name} has no tasks: decorate a function with @tasks.task, and import its module"
            " where the application is made"
        )
    return app
