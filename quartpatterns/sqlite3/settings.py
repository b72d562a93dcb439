"""The configuration keys, and what they say."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import quote, unquote

from quart import Quart

__all__ = ["DEFAULTS", "Settings", "read_settings"]

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_PRAGMAS: Mapping[str, str | int] = MappingProxyType({"journal_mode": "WAL", "foreign_keys": "ON"})
_WORD = re.compile(r"[-+]?\w+")

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "DATABASE": None,
        "SQLITE_POOL_SIZE": 10,
        "SQLITE_POOL_TIMEOUT": 5.0,
        "SQLITE_BUSY_TIMEOUT": 5.0,
        "SQLITE_PRAGMAS": _PRAGMAS,
        "SQLITE_CONNECT_OPTIONS": _NOTHING,
    }
)
"""The configuration keys, and what they are where an application doesn't set them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration of an application says.

    Arguments:
        database: A path or a URI, for :func:`sqlite3.connect`.
        folder: A folder to make where it is missing: the application's instance folder.
        in_memory: Whether the database lasts as long as a connection to it.
        pool_size: Connections that one event loop opens at most.
        pool_timeout: Seconds to wait for one of them.
        busy_timeout: Seconds to wait for somebody else's transaction.
        pragmas: Set on each new connection.
        options: For :func:`sqlite3.connect`.
    """

    database: str
    folder: Path | None
    in_memory: bool
    pool_size: int
    pool_timeout: float
    busy_timeout: float
    pragmas: Mapping[str, str | int]
    options: Mapping[str, Any]


def read_settings(app: Quart) -> Settings:
    """What the configuration of *app* says.

    Raises:
        RuntimeError: No database is configured.
        ValueError: A value can't be used; the message names its key.
    """
    config = cast("dict[str, Any]", app.config)
    for key, value in DEFAULTS.items():
        config.setdefault(key, value)
    if not config["DATABASE"]:
        raise RuntimeError(
            "DATABASE is not set: set it before init_app(), for example to app.db (a file in the"
            " application's instance folder), /path/to/app.db or :memory:"
        )
    database, folder = _locate(_name(config["DATABASE"]), Path(app.instance_path))
    return Settings(
        database,
        folder,
        in_memory="vfs=memdb" in database or "mode=memory" in database,
        pool_size=int(_number(config, "SQLITE_POOL_SIZE", 1)),
        pool_timeout=_number(config, "SQLITE_POOL_TIMEOUT", 0),
        busy_timeout=_number(config, "SQLITE_BUSY_TIMEOUT", 0),
        pragmas=_pragmas(config["SQLITE_PRAGMAS"]),
        options=dict(config["SQLITE_CONNECT_OPTIONS"]),
    )


def _locate(given: str, instance: Path) -> tuple[str, Path | None]:
    """The database for all connections, and the folder to make."""
    if given == ":memory:" or ("mode=memory" in given and "cache=shared" not in given):
        # One for all connections of the application: https://www.sqlite.org/inmemorydb.html
        return f"file:/{secrets.token_hex(8)}?vfs=memdb", None
    if "://" in given:
        raise ValueError(
            "DATABASE is a path, not a URL: write app.db for a file in the instance folder, or"
            " /path/to/app.db"
        )
    if not given.startswith("file:"):
        path = instance / given
        return str(path), path.parent if path.is_relative_to(instance) else None
    name, _, query = given.removeprefix("file:").partition("?")
    if name.startswith("/") or "mode=memory" in query:
        return given, None
    return f"file:{quote(str(instance))}/{name}?{query}", (instance / unquote(name)).parent


def _name(given: str | os.PathLike[str]) -> str:
    return os.fspath(given)


def _number(config: Mapping[str, Any], key: str, least: int) -> float:
    try:
        number = float(config[key])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key} is a number, not {config[key]!r}") from error
    if not number >= least:
        raise ValueError(f"{key} is {least} or more, not {config[key]!r}")
    return number


def _pragmas(given: Mapping[str, str | int]) -> dict[str, str | int]:
    # They become part of a statement, where a value can't be bound.
    for name, value in given.items():
        if not (name.isidentifier() and _WORD.fullmatch(str(value))):
            raise ValueError(
                f"SQLITE_PRAGMAS: {name} = {value!r} is none; write a name and a word or a"
                " number, such as {'journal_mode': 'WAL'}"
            )
    return dict(given)
