"""What the gallery needs beside a server: a data folder, a database, a Redis, a MongoDB."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

from quartpatterns.cli.errors import UsageProblem
from quartpatterns.compare.processes import StartError
from quartpatterns.compare.services import ServiceMissingError, mongod, valkey

__all__ = [
    "TASKS",
    "data_folder",
    "prepare_database",
    "prepare_mongodb",
    "prepare_redis",
    "tell",
]

TASKS = "quartpatterns.tasks.example.port"
"""Whose tasks the worker does."""


def tell(what: str, text: str) -> None:
    """Say what is used, in a column."""
    click.echo(f"  {what:9} {text}")


def data_folder(folder: Path) -> Path:
    """*folder*, made where it is missing.

    Raises:
        UsageProblem: It can't be made, or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageProblem(f"--data {folder}: {error.strerror}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageProblem(f"--data {folder}: this user may not write there")
    return folder.resolve()


def prepare_database(data: Path, env: dict[str, str], *, migrate: bool) -> None:
    """Name the database in *env*, and migrate it.

    Raises:
        UsageProblem: It can't be migrated.
    """
    from alembic.util import CommandError
    from sqlalchemy import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from quartpatterns.sqlalchemy.migrations import upgrade

    given = env.get("DATABASE_URL")
    address = given or f"sqlite:///{data / 'gallery.sqlite'}"
    env["DATABASE_URL"] = address
    try:
        tell("database", make_url(address).render_as_string(hide_password=True))
        if migrate:
            upgrade(address)
    except (CommandError, OSError, SQLAlchemyError, ValueError) as error:
        what = str(getattr(error, "orig", None) or error).splitlines()[0]
        remedy = "correct DATABASE_URL" if given else f"move {data / 'gallery.sqlite'} away"
        raise UsageProblem(f"the database can't be migrated ({what}): {remedy}") from error


def prepare_redis(stack: contextlib.ExitStack, data: Path, env: dict[str, str]) -> bool:
    """Name the Redis in *env*; whether it is ours, and so needs a worker of ours.

    Raises:
        UsageProblem: REDIS_URL is not an address.
    """
    if env.get("REDIS_URL"):
        tell("redis", _given_redis(env["REDIS_URL"]))
        return False
    try:
        env["REDIS_URL"] = env["QUART_REDIS_URL"] = stack.enter_context(valkey(data))
    except StartError as error:
        tell("redis", f"none, so that tasks answer 503: {error}")
        return False
    tell("redis", f"{env['REDIS_URL']}, ends with this command")
    return True


def _given_redis(url: str) -> str:
    """What to say of the Redis at *url*."""
    import redis

    from quartpatterns._shared.urls import display_address

    address = display_address(url, default_port=6379)
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.ping()
    except ValueError as error:
        raise UsageProblem(f"REDIS_URL is not like redis://host:6379/0: {error}") from error
    except (redis.RedisError, OSError) as error:
        return f"{address} doesn't answer ({error}): tasks answer 503 until it does"
    return f"{address}; its worker: QUART_REDIS_URL=$REDIS_URL quartpatterns worker {TASKS}"


def prepare_mongodb(stack: contextlib.ExitStack, data: Path, env: dict[str, str]) -> None:
    """Name the MongoDB in *env*: the one that is given, or one that ends with this command."""
    if env.get("MONGODB_URL"):
        tell("mongodb", _without_password(env["MONGODB_URL"]))
        return
    folder = data / "mongodb"
    folder.mkdir(exist_ok=True)
    try:
        env["MONGODB_URL"] = stack.enter_context(mongod(folder))
    except ServiceMissingError as error:
        tell("mongodb", f"none, so that mongodb answers 503: {error}")
    except StartError:
        tell("mongodb", f"none, so that mongodb answers 503: see {folder / 'mongod.log'}")
    else:
        tell("mongodb", f"{env['MONGODB_URL']}, ends with this command")


def _without_password(address: str) -> str:
    scheme, found, rest = address.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"
