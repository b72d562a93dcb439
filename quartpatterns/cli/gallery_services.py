"""The services of the gallery: a data folder, a database, a Redis and a MongoDB."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from quartpatterns._shared.urls import display_address, display_url
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.processes import StartError, free_port
from quartpatterns.compare.services import ServiceMissingError, mongod, start_valkey

__all__ = [
    "MINIMUM_LIFETIME",
    "TASKS_APP",
    "create_data_folder",
    "prepare_database",
    "prepare_mongodb",
    "prepare_redis",
    "print_service",
]

TASKS_APP = "quartpatterns.gallery.worker"
"""The application whose tasks the worker runs."""
MINIMUM_LIFETIME = 5.0
"""Seconds. A worker that exits sooner is not restarted. A server or a Valkey is restarted later."""


def print_service(name: str, text: str) -> None:
    """Print the name of a service and what is used for it, in two columns."""
    click.echo(f"  {name:9} {text}")


def create_data_folder(folder: Path) -> Path:
    """Create *folder* if it is missing, and return its absolute path.

    Raises:
        UsageProblem: It cannot be created, or is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"--data {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageProblem(f"--data {folder}: the folder is not writable")
    return folder.resolve()


def prepare_database(data: Path, env: dict[str, str], *, migrate: bool) -> None:
    """Set ``DATABASE_URL`` in *env* if it is missing, and migrate the database.

    Raises:
        UsageProblem: The migration failed.
    """
    from alembic.util import CommandError
    from sqlalchemy.exc import SQLAlchemyError

    from quartpatterns.sqlalchemy.migrations import upgrade

    given = env.get("DATABASE_URL")
    url = env["DATABASE_URL"] = given or _own_database(data)
    print_service("database", display_url(given) if given else url)
    try:
        if migrate:
            upgrade(url)
    except (CommandError, OSError, SQLAlchemyError, ValueError) as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        own = url.removeprefix("sqlite:///")
        remedy = "correct DATABASE_URL" if given else f"move {own} away"
        raise UsageProblem(f"the database cannot be migrated ({cause}): {remedy}") from error


def _own_database(data: Path) -> str:
    return f"sqlite:///{data / 'gallery.sqlite'}"


def prepare_redis(
    stack: contextlib.ExitStack, data: Path, env: dict[str, str]
) -> Callable[[], None] | None:
    """Start a Valkey if *env* has no ``REDIS_URL``.

    Returns:
        A function that starts it again if it has exited, or None if there is no Valkey.

    Raises:
        UsageProblem: REDIS_URL is not a URL of Redis.
    """
    if env.get("REDIS_URL"):
        own = env["DATABASE_URL"] == _own_database(data)
        database = env["DATABASE_URL"] if own else "$DATABASE_URL"
        print_service("redis", _check_redis(env["REDIS_URL"], database))
        return None
    folder = data / "valkey"
    folder.mkdir(exist_ok=True)
    try:
        url, restart = stack.enter_context(_restartable_valkey(folder))
        env["REDIS_URL"] = env["QUART_REDIS_URL"] = url
    except StartError as error:
        print_service("redis", f"not running, so tasks respond with 503: {error}")
        return None
    print_service("redis", f"{env['REDIS_URL']}, stops with this command; data in {folder}")
    return restart


@contextlib.contextmanager
def _restartable_valkey(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a Valkey with its data in *folder*.

    Yields:
        Its URL, and a function that starts it again if it has exited.
    """
    port = free_port()
    process = start_valkey(folder, port, persistent=True)

    def restart() -> None:
        nonlocal process
        code = process.returncode
        # A server that fails at its start would otherwise start again all the time.
        if code is None or time.monotonic() - process.started < MINIMUM_LIFETIME:
            return
        click.echo(f"The Valkey exited with code {code} and is restarted.", err=True)
        process.stop()
        process = start_valkey(folder, port, persistent=True)

    try:
        yield f"redis://127.0.0.1:{port}/0", restart
    finally:
        process.stop()


def _check_redis(url: str, database: str) -> str:
    """Connect to the Redis at *url*, and return a description.

    Arguments:
        url: The URL of the Redis.
        database: The URL of the database, as it is written in the command of a worker.
    """
    import redis

    address = display_address(url, default_port=6379)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except ValueError as error:
        raise UsageProblem(f"REDIS_URL is not like redis://host:6379/0: {error}") from error
    except (redis.RedisError, OSError) as error:
        return f"{address} does not respond ({error}): until it does, tasks respond with 503"
    settings = f"REDIS_URL=$REDIS_URL DATABASE_URL={database}"
    worker = f"{settings} quartpatterns worker {TASKS_APP}"
    return f"{address}; start a worker with: {worker}"


def prepare_mongodb(stack: contextlib.ExitStack, data: Path, env: dict[str, str]) -> None:
    """Start a MongoDB if *env* has no ``MONGODB_URL``."""
    if env.get("MONGODB_URL"):
        print_service("mongodb", display_url(env["MONGODB_URL"]))
        return
    folder = data / "mongodb"
    folder.mkdir(exist_ok=True)
    try:
        env["MONGODB_URL"] = stack.enter_context(mongod(folder))
    except ServiceMissingError as error:
        print_service("mongodb", f"not running, so mongodb responds with 503: {error}")
    except StartError:
        log = folder / "mongod.log"
        print_service("mongodb", f"not running, so mongodb responds with 503: see {log}")
    else:
        print_service("mongodb", f"{env['MONGODB_URL']}, stops with this command")
