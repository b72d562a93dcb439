"""What one application has of a SQLAlchemy object: its configuration and its engines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, cast

from quart import Quart
from quart.ctx import AppContext
from quart.globals import _cv_app  # pyright: ignore[reportPrivateUsage]
from sqlalchemy import URL, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from quartpatterns.sqlalchemy.binds import Database, databases
from quartpatterns.sqlalchemy.engines import make_engine
from quartpatterns.sqlalchemy.loops import LoopEngines
from quartpatterns.sqlalchemy.recording import record
from quartpatterns.sqlalchemy.urls import sqlite_file

__all__ = ["DEFAULTS", "NoLoopError", "Registration", "configured", "current_context"]

_Made = tuple[Mapping[str | None, AsyncEngine], Mapping[str | None, AsyncEngine]]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PRAGMAS: Mapping[str, str | int] = MappingProxyType({"foreign_keys": "ON", "journal_mode": "WAL"})

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "SQLALCHEMY_DATABASE_URI": None,
        "SQLALCHEMY_REPLICA_URI": None,
        "SQLALCHEMY_BINDS": _NOTHING,
        "SQLALCHEMY_ENGINE_OPTIONS": _NOTHING,
        "SQLALCHEMY_ECHO": False,
        "SQLALCHEMY_RECORD_QUERIES": False,
        "SQLALCHEMY_SLOW_QUERY_SECONDS": None,
        "SQLALCHEMY_SQLITE_PRAGMAS": _PRAGMAS,
    }
)
"""The configuration keys, and what they are where an application doesn't set them."""


class NoLoopError(RuntimeError):
    """There is no running event loop: the code is synchronous."""


@dataclass(frozen=True, eq=False)
class Registration:
    """The value of ``app.extensions["sqlalchemy"]``.

    Arguments:
        db: The object that the application is initialised with.
        databases: What is configured, by bind key.
        pragmas: For connections to SQLite.
        watch: Told of each engine that is made.
        spare: Engines that were made to try the configuration, for the first event loop.
        engines: Those of each event loop that has used a database, and is still there.
    """

    db: object
    databases: Mapping[str | None, Database]
    pragmas: Mapping[str, str | int]
    watch: Callable[[Engine], None]
    spare: list[_Made]
    engines: dict[asyncio.AbstractEventLoop, LoopEngines] = field(
        default_factory=dict[asyncio.AbstractEventLoop, LoopEngines]
    )

    @property
    def url(self) -> URL:
        """That of the database without a bind key, with its driver."""
        return self.databases[None].url

    def engine(self) -> LoopEngines:
        """The engines of the running event loop, made when they are first asked for.

        Raises:
            NoLoopError: None is running.
        """
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError as error:
            raise NoLoopError from error
        if (found := self.engines.get(loop)) is not None:
            return found
        for closed in [known for known in self.engines if known.is_closed()]:
            del self.engines[closed]
        made = self.spare.pop() if self.spare else self.make()
        self.engines[loop] = LoopEngines(*made)
        self.engines[loop].close_with(self)
        return self.engines[loop]

    def make(self) -> _Made:
        """Engines for all databases, and those for copies of them that are read."""
        engines = {key: self._engine(one.url, one) for key, one in self.databases.items()}
        replicas = {
            key: self._engine(one.replica, one)
            for key, one in self.databases.items()
            if one.replica
        }
        return engines, replicas

    def _engine(self, url: URL, database: Database) -> AsyncEngine:
        engine = make_engine(url, options=database.options, pragmas=self.pragmas)
        self.watch(engine.sync_engine)
        return engine

    async def discard_session(self, error: BaseException | None = None) -> None:
        """Discard the session of the current context, if it has one."""
        context, engines = current_context(), self.engines.get(asyncio.get_running_loop())
        if engines is not None and context is not None:
            await engines.discard(context)

    async def close(self) -> None:
        """Close the engines of the running event loop, if it has any."""
        if engines := self.engines.pop(asyncio.get_running_loop(), None):
            await engines.close()


def configured(db: object, app: Quart, engine_options: Mapping[str, Any]) -> Registration:
    """What the configuration of *app* says; folders of relative SQLite files are made.

    Raises:
        RuntimeError: No database is configured.
        ValueError: A configured URL can't be used.
        ImportError: Its driver is not installed.
        TypeError: An engine option is none.
    """
    config = cast("dict[str, Any]", app.config)
    for key, value in DEFAULTS.items():
        config.setdefault(key, value)
    echo = {"echo": config["SQLALCHEMY_ECHO"], "echo_pool": config["SQLALCHEMY_ECHO"]}
    options = {**echo, **engine_options, **config["SQLALCHEMY_ENGINE_OPTIONS"]}
    found = databases(config, app.instance_path, options)
    for database in found.values():
        file = sqlite_file(database.url)
        if file and file.is_relative_to(app.instance_path):
            file.parent.mkdir(parents=True, exist_ok=True)
    keep, slow = config["SQLALCHEMY_RECORD_QUERIES"], config["SQLALCHEMY_SLOW_QUERY_SECONDS"]
    watched = keep or slow is not None
    watch = partial(record, keep=keep, slow=slow) if watched else _leave_alone
    registration = Registration(db, found, config["SQLALCHEMY_SQLITE_PRAGMAS"], watch, [])
    registration.spare.append(registration.make())
    return registration


def _leave_alone(engine: Engine) -> None:
    pass


def current_context() -> AppContext | None:
    """The application context that the code runs in; ``None`` where there is none."""
    return _cv_app.get(None)
