"""The settings of an application, and the URLs of its databases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from quart import Quart
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    refuse_unknown,
)
from quartpatterns._shared.settings_of.sqlalchemy import SETTINGS
from quartpatterns.sqlalchemy.libpq import asyncpg_arguments, check_certificates, separate_hosts

__all__ = [
    "DEFAULTS",
    "SETTINGS",
    "Database",
    "Settings",
    "async_url",
    "read_settings",
    "sqlite_file",
    "without_driver",
]

DEFAULTS = SETTINGS.defaults
"""The default of each setting."""

_DRIVERS = {
    "mariadb": "aiomysql",
    "mssql": "aioodbc",
    "mysql": "aiomysql",
    "oracle": "oracledb",
    "postgresql": "asyncpg",
    "sqlite": "aiosqlite",
}


@dataclass(frozen=True, slots=True)
class Database:
    """A database that the configuration names, with URLs that name an asynchronous driver."""

    url: URL
    replica_url: URL | None
    engine_options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated settings of an application."""

    databases: Mapping[str | None, Database]
    """The databases by bind key; that of ``SQLALCHEMY_DATABASE_URI`` has the key ``None``."""
    pragmas: Mapping[str, str | int]
    read_on_loop: bool
    record_queries: bool
    slow_query_seconds: float | None
    track_modifications: bool
    pooler: Literal["transaction"] | None
    connect_timeout: float | None
    statement_timeout: float | None


def read_settings(app: Quart, engine_options: Mapping[str, Any]) -> Settings:
    """Return the settings of *app*, and create the folders of SQLite files in its instance path.

    Raises:
        RuntimeError: No database is configured.
        ValueError: A setting or a URL is invalid.
    """
    refuse_unknown(app.config, SETTINGS.prefixes, SETTINGS, SETTINGS.instead)
    apply_defaults(app, DEFAULTS)
    # None is a frequent value of older applications.
    app.config["SQLALCHEMY_TRACK_MODIFICATIONS"] = bool(
        cast("Any", app.config["SQLALCHEMY_TRACK_MODIFICATIONS"])
    )
    settings = SettingsReader(app.config)
    echo = settings.choice("SQLALCHEMY_ECHO", (False, True, "debug"))
    options = {"echo": echo, "echo_pool": echo, **engine_options}
    databases = _read_databases(settings, app.instance_path, options)
    for database in databases.values():
        file = sqlite_file(database.url)
        if file and file.is_relative_to(app.instance_path):
            file.parent.mkdir(parents=True, exist_ok=True)
    return Settings(
        databases,
        settings.mapping("SQLALCHEMY_SQLITE_PRAGMAS"),
        settings.boolean("SQLALCHEMY_SQLITE_READ_ON_LOOP"),
        settings.boolean("SQLALCHEMY_RECORD_QUERIES"),
        settings.optional(settings.seconds, "SQLALCHEMY_SLOW_QUERY_SECONDS", zero=True),
        settings.boolean("SQLALCHEMY_TRACK_MODIFICATIONS"),
        settings.choice("SQLALCHEMY_POOLER", (None, "transaction")),
        settings.optional(settings.seconds, "SQLALCHEMY_CONNECT_TIMEOUT"),
        settings.optional(settings.seconds, "SQLALCHEMY_STATEMENT_TIMEOUT"),
    )


def _read_databases(
    settings: SettingsReader, folder: str, options: Mapping[str, Any]
) -> dict[str | None, Database]:
    binds: dict[str | None, Mapping[str, Any]] = {}
    # They are those of the default database only, as in Flask-SQLAlchemy.
    own = {**settings.mapping("SQLALCHEMY_ENGINE_OPTIONS", secret=True)}
    url = own.pop("url", options.get("url"))
    if uri := settings.value("SQLALCHEMY_DATABASE_URI") or url:
        own["replica"] = settings.value("SQLALCHEMY_REPLICA_URI")
        binds[None] = {**own, "url": uri}
    for key, value in settings.mapping("SQLALCHEMY_BINDS", secret=True).items():
        bind: Any = {"url": value} if isinstance(value, str | URL) else value
        if not isinstance(bind, Mapping) or "url" not in bind:
            raise SettingError(
                "SQLALCHEMY_BINDS",
                f"SQLALCHEMY_BINDS[{key!r}] must be a URL, or a mapping with one, for example"
                ' {"url": "sqlite:///name.db", "pool_size": 2}, not a value of type'
                f" {type(value).__name__}.",
            )
        binds[key] = cast("Mapping[str, Any]", bind)
    if not binds:
        raise RuntimeError(
            "SQLALCHEMY_DATABASE_URI is not set: set it before init_app(), for example to"
            " sqlite:///app.db or postgresql://user:password@host/name"
        )
    return {key: _database(folder, options, **bind) for key, bind in binds.items()}


def _database(
    folder: str, options: Mapping[str, Any], *, url: Any, replica: Any = None, **own: Any
) -> Database:
    replica_url = async_url(replica, folder) if replica else None
    return Database(async_url(url, folder), replica_url, {**options, **own})


def async_url(url: str | URL, folder: str | Path = "") -> URL:
    """Return the URL of the same database for ``create_async_engine()``.

    A URL without a driver gets an asynchronous one, so that a Flask application and its port can
    share a setting. Heroku's ``postgres://`` and libpq's ``sslmode`` are supported. The path of a
    SQLite file is relative to *folder*, as in Flask-SQLAlchemy.

    Arguments:
        url: ``postgresql://user:password@host/name``, ``sqlite:///name.db``, or a URL with an
            asynchronous driver.
        folder: The folder of relative SQLite files, such as an application's ``instance_path``.
            By default it is the working directory.

    Raises:
        ValueError: The URL is invalid, or its driver blocks the event loop. The message names the
            URL to write, and contains no password.

    .. versionadded:: 0.1
    """
    try:
        result = make_url(separate_hosts(url) if isinstance(url, str) else url)
        if result.drivername == "postgres":
            result = result.set(drivername="postgresql")
        if driver := _DRIVERS.get(result.drivername):
            result = result.set(drivername=f"{result.drivername}+{driver}")
        is_async = result.get_dialect().get_async_dialect_cls(result).is_async
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        # The error of an invalid port, which a password with a slash seems to be, quotes it.
        quoted = error if isinstance(error, ArgumentError | NoSuchModuleError) else "its port"
        raise ValueError(
            f"SQLALCHEMY_DATABASE_URI is not the URL of a database ({quoted}); write"
            " sqlite:///name.db or postgresql://user:password@host/name"
        ) from error
    if not is_async:
        backend, driver = result.get_backend_name(), result.get_driver_name()
        named = f", or {backend}+{_DRIVERS[backend]}://" if backend in _DRIVERS else ""
        raise ValueError(
            f"SQLALCHEMY_DATABASE_URI names {driver}, which blocks the event loop; write"
            f" {backend}:// without a driver{named}"
        )
    if result.port is not None and not 0 < result.port < 2**16:
        raise ValueError("SQLALCHEMY_DATABASE_URI has a port that is not between 1 and 65535")
    if result.drivername == "postgresql+asyncpg":
        asyncpg_arguments(result)  # It raises the error; make_engine() needs the arguments.
        check_certificates(result)
        if "sslmode" in result.query and not {"sslrootcert", "sslcert"} & {*result.query}:
            mode = result.query["sslmode"]
            result = result.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    if (file := sqlite_file(result)) and not file.is_absolute():
        scheme = "file:" if (result.database or "").startswith("file:") else ""
        result = result.set(database=f"{scheme}{Path(folder, file)}")
    return result


def without_driver(url: URL) -> URL:
    """Return *url* without the driver that :func:`async_url` has added."""
    backend = url.get_backend_name()
    default = _DRIVERS.get(backend) == url.get_driver_name()
    return url.set(drivername=backend) if default else url


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database, or None for databases in memory and others."""
    name = url.database or ""
    if url.get_backend_name() != "sqlite" or name in {"", ":memory:", "file::memory:"}:
        return None
    if not name.startswith("file:"):
        return Path(name)
    return None if url.query.get("mode") == "memory" else Path(name.removeprefix("file:"))
