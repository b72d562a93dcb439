"""``quartpatterns serve``: the gallery under Hypercorn, with all that it needs.

This process only watches. Valkey, the worker and Hypercorn are processes of their own, each with
a keeper that ends it when this one is gone, in whatever way.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
from hypercorn.config import Config

from quartpatterns import __version__
from quartpatterns.cli.errors import UsageProblem, explained
from quartpatterns.cli.needs import (
    TASKS,
    data_folder,
    prepare_database,
    prepare_mongodb,
    prepare_redis,
    tell,
)
from quartpatterns.cli.server_config import answers, configuration, default_file, url
from quartpatterns.compare.loading import load
from quartpatterns.compare.processes import Process

__all__ = ["command", "served"]

Start = Callable[..., Process]

GALLERY = "quartpatterns.gallery:create_app()"
APP = "QUARTPATTERNS_APP"  # names the application to the processes of Hypercorn
PAUSE = 0.2  # seconds between two looks at the processes
SHORT_LIFE = 5.0  # seconds; a worker that ends sooner would end again
EPILOG = """
\b
  quartpatterns serve                            on http://127.0.0.1:5000, data in ./instance
  quartpatterns serve --bind 0.0.0.0:8080 --workers 4
  REDIS_URL=redis://host/0 quartpatterns serve   with a Redis of yours
\b
In the environment:
  REDIS_URL      Where tasks are queued. Without it a Valkey and a worker are started, and end
                 with this command. With it, start a worker yourself:
                 QUART_REDIS_URL=$REDIS_URL quartpatterns worker quartpatterns.tasks.example.port
  MONGODB_URL    Where documents are. Without it a mongod is started, where the machine has one.
  DATABASE_URL   The database, in place of an SQLite file in the data folder.
  SQLITE_FILE    The file of the pattern sqlite3, in place of one in the data folder.
  UPLOAD_FOLDER  Where uploaded files go, in place of a folder in the data folder.
  SECRET_KEY     Signs sessions; by default it is new at every start.
\b
Ctrl-C or SIGTERM lets requests under way end; a second one ends everything at once.
Exit code: 0 after a signal, 1 where the server ended by itself, 2 where it could not start.
"""
FILE = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(epilog=EPILOG)
@click.option("--bind", multiple=True, metavar="HOST:PORT", help="Where to listen; more than once.")
@click.option("--workers", type=click.IntRange(min=1), help="How many processes serve.")
@click.option("--config", "file", type=FILE, help="Hypercorn's settings, in place of ours.")
@click.option(
    "--data", type=FOLDER, default="instance", show_default=True, help="For the database."
)
@click.option("--migrate/--no-migrate", default=True, help="Bring the database up to date first.")
@click.option("--app", "name", default=GALLERY, metavar="MODULE:APP", help="Serve that instead.")
def command(
    bind: tuple[str, ...],
    workers: int | None,
    file: Path | None,
    data: Path,
    migrate: bool,
    name: str,
) -> None:
    """Run the gallery of all patterns under Hypercorn, and what it needs.

    An SQLite database is migrated, a Valkey and a worker are started where REDIS_URL is not set,
    and a mongod where MONGODB_URL is not.
    """
    file = (file or default_file()).absolute()
    config = configuration(file, bind=bind, workers=workers)
    data = data_folder(data)
    key = os.environ.get("SECRET_KEY") or secrets.token_hex()
    env = {**os.environ, APP: name, "SECRET_KEY": key}
    env.setdefault("SQLITE_FILE", str(data / "sqlite3.db"))
    env.setdefault("UPLOAD_FOLDER", str(data / "uploads"))
    with _until_asked() as processes, contextlib.ExitStack() as stack:

        def start(command: list[str], log: Path | None = None) -> Process:
            processes.append(process := stack.enter_context(Process(command, log=log, env=env)))
            return process

        click.echo(f"quartpatterns {__version__}")
        prepare_database(data, env, migrate=migrate)
        start_worker = partial(_worker, start, data) if prepare_redis(stack, data, env) else None
        worker = start_worker() if start_worker else None
        prepare_mongodb(stack, data, env)
        web = start(_hypercorn(file, config))
        stack.callback(_end_gently, web, config)
        _wait_for(web, config)
        for address in config.bind:
            tell("gallery", url(config, address))
        click.echo("Ctrl-C ends all of it.")
        _watch(web, worker, start_worker)


def served() -> Any:
    """The application that this command serves: Hypercorn's processes load it by this name."""
    if multiprocessing.parent_process() is not None:
        # When one process has ended Hypercorn sends this to the others, which are about to let
        # their requests end, too; it has told them by other means.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with explained():
            return load(os.environ[APP])
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)


class _Asked(BaseException):
    """A signal asks this command to end."""


@contextlib.contextmanager
def _until_asked() -> Iterator[list[Process]]:
    """Leave the block at the first signal; at the second end the processes in it by force."""
    processes: list[Process] = []
    asked: list[int] = []

    def ask(sign: int, _: object) -> None:
        asked.append(sign)
        if len(asked) == 1:
            raise _Asked
        for process in processes:
            _kill(process)

    before = {sign: signal.signal(sign, ask) for sign in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield processes
    except _Asked:
        click.echo("All has ended.")
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _worker(start: Start, data: Path) -> Process:
    log = data / "worker.log"
    log.write_bytes(b"")
    tell("worker", f"its log is {log}")
    return start([sys.executable, "-m", "quartpatterns", "worker", TASKS], log)


def _hypercorn(file: Path, config: Config) -> list[str]:
    # Without a process to look after it, a single one serves by itself.
    alone = config.workers == 1 and not (config.max_requests or config.use_reloader)
    command = [sys.executable, "-m", "hypercorn", "--config", str(file)]
    command += ["--workers", "0" if alone else str(config.workers)]
    for address in config.bind:
        command += ["--bind", address]
    return [*command, f"{__name__}:served()"]


def _wait_for(web: Process, config: Config) -> None:
    """Wait until the server answers at each of its addresses."""
    deadline = time.monotonic() + config.startup_timeout + 10
    while not all(map(answers, config.bind)):
        if web.returncode is not None:
            sys.exit(2)  # It has told why.
        if time.monotonic() > deadline:
            raise UsageProblem("the server doesn't answer: see what it says above")
        time.sleep(PAUSE / 4)


def _watch(
    web: Process, worker: Process | None, start_worker: Callable[[], Process] | None
) -> None:
    """Wait until the server ends; where the worker does, start it again."""
    begun = time.monotonic()
    while web.returncode is None:
        time.sleep(PAUSE)
        if start_worker and worker and worker.returncode is not None:
            again = time.monotonic() - begun > SHORT_LIFE
            what = "here is another" if again else "tasks wait until you start this command again"
            click.echo(f"The worker ended with exit code {worker.returncode}; {what}.", err=True)
            worker, begun = start_worker() if again else None, time.monotonic()
    raise click.ClickException(f"the server ended with exit code {web.returncode}")


def _end_gently(web: Process, config: Config) -> None:
    """Let requests under way end: only Hypercorn is told, its workers would end at once."""
    deadline = time.monotonic() + config.graceful_timeout + config.shutdown_timeout + 1
    with contextlib.suppress(ProcessLookupError):
        os.kill(web.pid, signal.SIGTERM)
    while web.returncode is None and time.monotonic() < deadline:
        time.sleep(PAUSE / 4)
    _kill(web)
