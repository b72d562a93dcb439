"""What one application has of a SQLAlchemy object: its configuration and its engines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import partial
from types import MappingProxyType
from typing import Any
from typing import cast

from quart import Quart
from quart.ctx import AppContext
from quart.globals import app_ctx
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine

from quartpatterns.sqlalchemy.engines import make_engine
from quartpatterns.sqlalchemy.loops import LoopEngine
from quartpatterns.sqlalchemy.urls import async_url
from quartpatterns.sqlalchemy.urls import sqlite_file

__all__ = ["DEFAULTS", "Registration", "configured", "current_context"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PRAGMAS: Mapping[str, str | int] = MappingProxyType({"foreign_keys": "ON", "journal_mode": "WAL"})

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "SQLALCHEMY_DATABASE_URI": None,
        "SQLALCHEMY_ENGINE_OPTIONS": _NOTHING,
        "SQLALCHEMY_ECHO": False,
        "SQLALCHEMY_SQLITE_PRAGMAS": _PRAGMAS,
    }
)
"""The configuration keys, and what they are where an application doesn't set them."""


@dataclass(frozen=True, eq=False)
class Registration:
    """The value of ``app.extensions["sqlalchemy"]``.

    Arguments:
        db: The object that the application is initialised with.
        url: The database, with an asynchronous driver.
        make: Makes an engine.
        spare: An engine that was made to try the configuration, for the first event loop.
        engines: One for each event loop that has used the database, and is still there.
    """

    db: object
    url: URL
    make: Callable[[], AsyncEngine]
    spare: list[AsyncEngine]
    engines: dict[asyncio.AbstractEventLoop, LoopEngine] = field(
        default_factory=dict[asyncio.AbstractEventLoop, LoopEngine]
    )

    def engine(self) -> LoopEngine:
        """The engine of the running event loop, made when it is first asked for."""
        loop = asyncio.get_running_loop()
        if loop not in self.engines:
            for closed in [known for known in self.engines if known.is_closed()]:
                del self.engines[closed]
            self.engines[loop] = LoopEngine(self.spare.pop() if self.spare else self.make())
            self.engines[loop].close_with(self)
        return self.engines[loop]

    async def discard_session(self, error: BaseException | None = None) -> None:
        """Discard the session of the current context, if it has one."""
        if engine := self.engines.get(asyncio.get_running_loop()):
            await engine.discard(current_context())

    async def close(self) -> None:
        """Close the engine of the running event loop, if it has one."""
        if engine := self.engines.pop(asyncio.get_running_loop(), None):
            await engine.close()


def configured(db: object, app: Quart, engine_options: Mapping[str, Any]) -> Registration:
    """What the configuration of *app* says; the folder of a relative SQLite file is made.

    Raises:
        RuntimeError: No database is configured.
        ValueError: The configured URL can't be used.
        ImportError: Its driver is not installed.
        TypeError: An engine option is none.
    """
    config = cast("dict[str, Any]", app.config)
    for key, value in DEFAULTS.items():
        config.setdefault(key, value)
    if not config["SQLALCHEMY_DATABASE_URI"]:
        raise RuntimeError(
            "SQLALCHEMY_DATABASE_URI is not set: set it before init_app(), for example to"
            " sqlite:///app.db or postgresql://user:password@host/name"
        )
    url = async_url(config["SQLALCHEMY_DATABASE_URI"], app.instance_path)
    if (file := sqlite_file(url)) and file.is_relative_to(app.instance_path):
        file.parent.mkdir(parents=True, exist_ok=True)
    echo = {"echo": config["SQLALCHEMY_ECHO"], "echo_pool": config["SQLALCHEMY_ECHO"]}
    options = {**echo, **engine_options, **config["SQLALCHEMY_ENGINE_OPTIONS"]}
    pragmas = config["SQLALCHEMY_SQLITE_PRAGMAS"]
    make = partial(make_engine, url, options=options, pragmas=pragmas)
    return Registration(db, url, make, [make()])


def current_context() -> AppContext:
    """The application context that the code runs in."""
    return cast("AppContext", cast("Any", app_ctx)._get_current_object())
