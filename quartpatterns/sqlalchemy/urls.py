"""From the URL that people write to the one that an asynchronous engine needs."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

__all__ = ["DRIVERS", "async_url", "sqlite_file"]

DRIVERS = {
    "mariadb": "aiomysql",
    "mssql": "aioodbc",
    "mysql": "aiomysql",
    "oracle": "oracledb",
    "postgresql": "asyncpg",
    "sqlite": "aiosqlite",
}
"""The driver that a URL without one gets, by database."""


def async_url(given: str | URL, folder: str | Path = "") -> URL:
    """The URL of the same database for :func:`~sqlalchemy.ext.asyncio.create_async_engine`.

    A URL that names no driver gets the asynchronous one, so that one setting serves a Flask
    application and its port. Heroku's ``postgres://`` and libpq's ``sslmode`` are understood. The
    path of an SQLite file is relative to *folder*, as in Flask-SQLAlchemy.

    Arguments:
        given: ``postgresql://user:password@host/name``, ``sqlite:///name.db``, or one that names
            an asynchronous driver.
        folder: Where relative SQLite files are, such as an application's ``instance_path``; the
            working directory where none is given.

    Raises:
        ValueError: It is no URL of a database, or names a driver that only works synchronously;
            the message names the URL to write. No password is in it.
    """
    try:
        url = make_url(given)
        if url.drivername == "postgres":
            url = url.set(drivername="postgresql")
        if driver := DRIVERS.get(url.drivername):
            url = url.set(drivername=f"{url.drivername}+{driver}")
        is_async = url.get_dialect().get_async_dialect_cls(url).is_async
    except (ArgumentError, NoSuchModuleError) as error:
        raise ValueError(
            f"SQLALCHEMY_DATABASE_URI is not the URL of a database ({error}); write"
            " sqlite:///name.db or postgresql://user:password@host/name"
        ) from error
    if not is_async:
        database, driver = url.get_backend_name(), url.get_driver_name()
        raise ValueError(
            f"SQLALCHEMY_DATABASE_URI names {driver}, which blocks the event loop; write"
            f" {database}:// without a driver"
            + (f", or {database}+{DRIVERS[database]}://" if database in DRIVERS else "")
        )
    if url.drivername == "postgresql+asyncpg" and "sslmode" in url.query:
        mode = url.query["sslmode"]
        url = url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})
    if (file := sqlite_file(url)) and not file.is_absolute():
        scheme = "file:" if (url.database or "").startswith("file:") else ""
        url = url.set(database=f"{scheme}{Path(folder, file)}")
    return url


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite database; ``None`` where it is in memory, or *url* is no SQLite."""
    name = url.database or ""
    if url.get_backend_name() != "sqlite" or name in {"", ":memory:", "file::memory:"}:
        return None
    if not name.startswith("file:"):
        return Path(name)
    return None if url.query.get("mode") == "memory" else Path(name.removeprefix("file:"))
