"""The services of the gallery: a database, a Redis, a MongoDB and a worker."""

from __future__ import annotations

import functools
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from quartpatterns._shared.urls import display_address, display_url
from quartpatterns.cli.errors import UsageProblem
from quartpatterns.cli.progress import progress
from quartpatterns.cli.supervision import SupervisedProgram
from quartpatterns.compare.processes import Process, StartError, accepts, free_port
from quartpatterns.compare.services import (
    MISSING_SERVICES,
    ServiceMissingError,
    mongod_command,
    mongod_url,
    valkey_command,
    valkey_url,
)

__all__ = [
    "WORKERS",
    "Launcher",
    "Services",
    "plan_services",
    "METRICS_FOLDER",
    "prepare_database",
    "prepare_metrics",
    "print_service",
    "start_mongodb",
    "start_redis",
    "start_workers",
]

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the folder for the counts of several processes."""
WORKERS = {"worker": "quartpatterns.gallery.worker"}
"""The workers of the gallery, each with the application whose tasks it runs."""


def print_service(name: str, text: str) -> None:
    """Print the name of a service and what is used for it, in two columns."""
    click.echo(f"  {name:9} {text}")


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
            with progress("migrating the database"):
                upgrade(url)
    except (CommandError, OSError, SQLAlchemyError, ValueError) as error:
        cause = str(getattr(error, "orig", None) or error).splitlines()[0]
        own = url.removeprefix("sqlite:///")
        remedy = "correct DATABASE_URL" if given else f"move {own} away"
        raise UsageProblem(f"the database cannot be migrated ({cause}): {remedy}") from error


def prepare_metrics(data: Path) -> str:
    """Return the folder in which the server processes count their requests, and empty it."""
    folder = data / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return str(folder)


def _own_database(data: Path) -> str:
    return f"sqlite:///{data / 'gallery.sqlite'}"


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts the programs of one command.

    Arguments:
        data: The data folder.
        env: The environment of the application; a service adds its URL.
        lock: The file descriptor of the lock of the data folder.
        programs: What was started, in this order; the command supervises it.
    """

    data: Path
    env: dict[str, str]
    lock: int
    programs: list[SupervisedProgram] = field(default_factory=list[SupervisedProgram])

    def process(
        self, command: Sequence[str], log: Path | None = None, fds: Sequence[int] = ()
    ) -> Process:
        """Start a process, and return it without waiting."""
        return Process(command, log=log, env=self.env, pass_fds=fds, held_fds=[self.lock])

    def add(self, program: SupervisedProgram) -> SupervisedProgram:
        """Add *program*, start it, and wait until it is ready.

        Raises:
            StartError: It does not start.
        """
        self.programs.append(program)
        try:
            with progress(f"starting {program.name[0].lower()}{program.name[1:]}"):
                program.start()
        except StartError:
            self.programs.remove(program)
            raise
        return program

    def stop(self) -> None:
        """Stop what was started, the last program first."""
        for program in reversed(self.programs):
            program.stop()

    def kill(self) -> None:
        """Kill what was started, without waiting."""
        for program in self.programs:
            program.kill()


def plan_services(env: dict[str, str]) -> Services:
    """Choose the ports of the services that *env* has no URL for."""
    return Services(
        None if env.get("REDIS_URL") else free_port(),
        None if env.get("MONGODB_URL") else free_port(),
    )


@dataclass(frozen=True, slots=True)
class Services:
    """The ports of the services that the command starts; None if the user has one."""

    valkey: int | None
    mongodb: int | None

    @property
    def env(self) -> dict[str, str]:
        """The environment variables with their URLs."""
        env = {}
        if self.valkey:
            env["REDIS_URL"] = env["QUART_REDIS_URL"] = valkey_url(self.valkey)
        if self.mongodb:
            env["MONGODB_URL"] = mongod_url(self.mongodb)
        return env


def start_redis(launcher: Launcher, port: int | None) -> bool:
    """Start a Valkey on *port*, if there is one; return whether it was started.

    Raises:
        UsageProblem: REDIS_URL is not a URL of Redis.
    """
    if port is None:
        given = launcher.env["DATABASE_URL"] != _own_database(launcher.data)
        database = "$DATABASE_URL" if given else launcher.env["DATABASE_URL"]
        print_service("redis", _check_redis(launcher.env["REDIS_URL"], database))
        return False
    folder, url = launcher.data / "valkey", valkey_url(port)
    folder.mkdir(exist_ok=True)
    log = folder / "valkey.log"
    program = SupervisedProgram(
        "The Valkey",
        lambda: launcher.process(valkey_command(folder, port, persistent=True), log),
        ready=lambda: accepts(port),
        log=log,
        lost="Until you stop this command and start it again, tasks respond with 503",
    )
    try:
        launcher.add(program)
    except StartError as error:
        print_service("redis", f"not running, so tasks respond with 503: {error}")
        return False
    launcher.env["REDIS_URL"] = launcher.env["QUART_REDIS_URL"] = url
    print_service("redis", f"{url}, stops with this command; data in {folder}")
    return True


def start_workers(launcher: Launcher) -> None:
    """Start each worker in :data:`WORKERS`."""
    for name, application in WORKERS.items():
        log = launcher.data / f"{name}.log"
        log.write_bytes(b"")
        print_service(name, f"log file: {log}")
        command = [sys.executable, "-m", "quartpatterns", "worker", application]
        launcher.add(
            SupervisedProgram(
                f"The {name}",
                functools.partial(launcher.process, command, log),
                log=log,
                lost="Until you stop this command and start it again, tasks wait",
            )
        )


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
    worker = f"{settings} quartpatterns worker {WORKERS['worker']}"
    return f"{address}; start a worker with: {worker}"


def start_mongodb(launcher: Launcher, port: int | None) -> None:
    """Start a MongoDB on *port*, if there is one."""
    if port is None:
        print_service("mongodb", display_url(launcher.env["MONGODB_URL"]))
        return
    folder, url = launcher.data / "mongodb", mongod_url(port)
    folder.mkdir(exist_ok=True)
    log = folder / "mongod.log"
    program = SupervisedProgram(
        "The MongoDB",
        lambda: launcher.process(mongod_command(folder, port), log),
        ready=lambda: accepts(port),
        log=log,
        lost="Until you stop this command and start it again, mongodb responds with 503",
    )
    try:
        launcher.add(program)
    except StartError as error:
        cause = error if isinstance(error, ServiceMissingError) else f"see {log}"
        print_service("mongodb", f"not running, so mongodb responds with 503: {cause}")
        launcher.env[MISSING_SERVICES] = "mongodb"
    else:
        launcher.env["MONGODB_URL"] = url
        print_service("mongodb", f"{url}, stops with this command")
