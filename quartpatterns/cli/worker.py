"""``quartpatterns worker``: run the background tasks of an application."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
from quart import Quart
from redis.exceptions import RedisError

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.applications import load_application
from quartpatterns.tasks import TasksUnavailableError, run_worker
from quartpatterns.tasks.processes import serve_process
from quartpatterns.tasks.settings import Settings
from quartpatterns.tasks.supervisor import Supervisor, silent_queues, stop_with_parent
from quartpatterns.tasks.worker import run_supervised_worker

__all__ = ["command", "load_with_tasks"]

EXIT_TIMEOUT = 1.0
"""Seconds that threads which tasks have started have to end, after the worker has."""

EPILOG = """
\b
  quartpatterns worker shop:app                   an application
  quartpatterns worker 'shop:create_app()'        a factory
  quartpatterns worker 'shop:create_app("dev")'   a factory with literal arguments
  quartpatterns worker shop:app --burst           run the queued jobs, then exit
  quartpatterns worker shop:app --queues high,low two queues, high first
  quartpatterns worker shop:app --workers 4       four processes
  quartpatterns worker shop:app --reload          for development
  quartpatterns worker shop:app --check           for health checks

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
With --workers or --reload, a process starts the workers. It replaces one that dies, and its jobs
start again at once. It forwards signals.

\b
Exit code: 0 after a signal or a burst, or if --check finds a worker for each queue; 1 if the
application or Redis failed, a worker failed when it was stopped, or --check finds none; 2 for a
usage error.
"""


@click.command(epilog=EPILOG)
@click.argument("name", metavar="MODULE:APP")
@click.option(
    "--queues",
    metavar="NAMES",
    help="The queues, separated by commas, the most important first.  [default: TASKS_QUEUES]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="NUMBER",
    help="Number of processes.",
)
@click.option("--reload", is_flag=True, help="Restart when a Python file in this folder changes.")
@click.option("--burst", is_flag=True, help="Exit when the queues are empty.")
@click.option("--check", is_flag=True, help="Tell whether a worker runs, and exit with 0 or 1.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.option("--supervised", metavar="ID", hidden=True)
@click.option("--process", type=int, metavar="FD", hidden=True)
def command(
    name: str,
    queues: str | None,
    workers: int,
    reload: bool,
    burst: bool,
    check: bool,
    verbose: bool,
    supervised: str | None,
    process: int | None,
) -> None:
    """Run the jobs that the application MODULE:APP has queued.

    You can start several workers, on any machine that reaches the same Redis. If Redis is not
    available, they wait for it.
    """
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
    if check and (workers > 1 or reload or burst):
        raise UsageProblem("--check starts no worker: leave out --workers, --reload and --burst")
    app = load_with_tasks(name)
    if process is not None:
        serve_process(app, process)
    settings: Settings = app.extensions["tasks"].settings
    names = None if queues is None else [one.strip() for one in queues.split(",")]
    try:
        settings.queue_keys(names)
    except ValueError as error:
        raise UsageProblem(str(error)) from error
    try:
        if check:
            _check(settings, names)
        elif supervised:
            stop_with_parent()
            worker = run_supervised_worker(
                app, supervised, queues=names, application=name, burst=burst
            )
            asyncio.run(_run(worker))
        elif workers > 1 or reload:
            arguments = [sys.executable, "-m", "quartpatterns", "worker", name]
            arguments += ["--queues", queues] if queues else []
            arguments += ["--burst"] if burst else []
            arguments += ["--verbose"] if verbose else []
            folder = Path.cwd() if reload else None
            asyncio.run(_supervise(settings, arguments, workers, burst, folder))
        else:
            asyncio.run(_run(run_worker(app, queues=names, application=name, burst=burst)))
    except TasksUnavailableError as error:
        raise click.ClickException(f"{error.description} ({error.__cause__})") from error
    except RedisError as error:
        raise click.ClickException(f"Redis: {error}") from error


def _check(settings: Settings, queues: list[str] | None) -> None:
    silent = silent_queues(settings, queues)
    if silent:
        raise click.ClickException(f"no worker runs for {', '.join(silent)}")
    click.echo(f"a worker runs for {', '.join(settings.queue_keys(queues))}")


async def _supervise(
    settings: Settings, arguments: list[str], workers: int, burst: bool, folder: Path | None
) -> None:
    supervisor = Supervisor(settings, arguments, workers=workers, burst=burst, reload=folder)
    if code := await supervisor.run():
        sys.exit(code)


async def _run(worker: Coroutine[Any, Any, None]) -> None:
    await worker
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
