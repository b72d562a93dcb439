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
from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
from hypercorn.config import Config

from quartpatterns import __version__
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.errors import explained
from quartpatterns.cli.server_config import answers
from quartpatterns.cli.server_config import configuration
from quartpatterns.cli.server_config import default_file
from quartpatterns.cli.server_config import url
from quartpatterns.compare.loading import load
from quartpatterns.compare.processes import Process
from quartpatterns.compare.processes import StartError
from quartpatterns.compare.services import ServiceMissingError
from quartpatterns.compare.services import mongod
from quartpatterns.compare.services import valkey

__all__ = ["command", "served"]

Start = Callable[..., Process]

GALLERY = "quartpatterns.gallery:create_app()"
TASKS = "quartpatterns.tasks.port"
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
                 QUART_REDIS_URL=$REDIS_URL quartpatterns worker quartpatterns.tasks.port
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
    data = _folder(data)
    key = os.environ.get("SECRET_KEY") or secrets.token_hex()
    env = {**os.environ, APP: name, "SECRET_KEY": key}
    env.setdefault("SQLITE_FILE", str(data / "sqlite3.db"))
    env.setdefault("UPLOAD_FOLDER", str(data / "uploads"))
    with _until_asked() as processes, contextlib.ExitStack() as stack:

        def start(command: list[str], log: Path | None = None) -> Process:
            processes.append(process := stack.enter_context(Process(command, log=log, env=env)))
            return process

        click.echo(f"quartpatterns {__version__}")
        _database(data, env, migrate=migrate)
        start_worker = partial(_worker, start, data) if _redis(stack, data, env) else None
        worker = start_worker() if start_worker else None
        _mongodb(stack, data, env)
        web = start(_hypercorn(file, config))
        stack.callback(_end_gently, web, config)
        _wait_for(web, config)
        for address in config.bind:
            _tell("gallery", url(config, address))
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


def _tell(what: str, text: str) -> None:
    click.echo(f"  {what:9} {text}")


def _folder(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"--data {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageProblem(f"--data {folder}: this user may not write there")
    return folder.resolve()


def _database(data: Path, env: dict[str, str], *, migrate: bool) -> None:
    """Name the database in *env*, and migrate it."""
    from alembic.util import CommandError
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from quartpatterns.sqlalchemy.migrations import upgrade

    given = env.get("DATABASE_URL")
    address = given or f"sqlite:///{data / 'gallery.sqlite'}"
    env["DATABASE_URL"] = address
    try:
        _tell("database", make_url(address).render_as_string(hide_password=True))
        if migrate:
            upgrade(address)
    except (CommandError, OSError, SQLAlchemyError, ValueError) as error:
        what = str(getattr(error, "orig", None) or error).splitlines()[0]
        remedy = "correct DATABASE_URL" if given else f"move {data / 'gallery.sqlite'} away"
        raise UsageProblem(f"the database can't be migrated ({what}): {remedy}") from error


def _redis(stack: contextlib.ExitStack, data: Path, env: dict[str, str]) -> bool:
    """Name the Redis in *env*; whether it is ours, and so needs a worker of ours."""
    if env.get("REDIS_URL"):
        _tell("redis", _given_redis(env["REDIS_URL"]))
        return False
    try:
        env["REDIS_URL"] = env["QUART_REDIS_URL"] = stack.enter_context(valkey(data))
    except StartError as error:
        _tell("redis", f"none, so that tasks answer 503: {error}")
        return False
    _tell("redis", f"{env['REDIS_URL']}, ends with this command")
    return True


def _given_redis(url: str) -> str:
    """What to say of the Redis at *url*."""
    import redis

    from quartpatterns.tasks.settings import address

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except ValueError as error:
        raise UsageProblem(f"REDIS_URL is not like redis://host:6379/0: {error}") from error
    except (redis.RedisError, OSError) as error:
        return f"{address(url)} doesn't answer ({error}): tasks answer 503 until it does"
    return f"{address(url)}; its worker: QUART_REDIS_URL=$REDIS_URL quartpatterns worker {TASKS}"


def _mongodb(stack: contextlib.ExitStack, data: Path, env: dict[str, str]) -> None:
    """Name the MongoDB in *env*: the one that is given, or one that ends with this command."""
    if env.get("MONGODB_URL"):
        _tell("mongodb", _without_password(env["MONGODB_URL"]))
        return
    folder = data / "mongodb"
    folder.mkdir(exist_ok=True)
    try:
        env["MONGODB_URL"] = stack.enter_context(mongod(folder))
    except ServiceMissingError as error:
        _tell("mongodb", f"none, so that mongodb answers 503: {error}")
    except StartError:
        _tell("mongodb", f"none, so that mongodb answers 503: see {folder / 'mongod.log'}")
    else:
        _tell("mongodb", f"{env['MONGODB_URL']}, ends with this command")


def _without_password(address: str) -> str:
    scheme, found, rest = address.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"


def _worker(start: Start, data: Path) -> Process:
    log = data / "worker.log"
    log.write_bytes(b"")
    _tell("worker", f"its log is {log}")
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
