"""Several databases: what the configuration names, and which one a statement goes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine, event
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors

from quartpatterns.sqlalchemy.pools import HandoffPool
from quartpatterns.sqlalchemy.urls import async_url

__all__ = ["Database", "ReadingError", "RoutedSession", "bound_metadata", "databases", "unbound"]

BIND_KEY = "bind_key"
AUTOCOMMIT = {"asyncpg"}
"""The drivers that begin a transaction by a trip of its own, and may be told not to by none."""


class ReadingError(RuntimeError):
    """Something was to be written under ``db.reading()``; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database that the configuration names.

    Arguments:
        url: With an asynchronous driver.
        replica: A copy of it that is read; ``None`` where it is read itself.
        options: For its engines.
    """

    url: URL
    replica: URL | None
    options: Mapping[str, Any]


def databases(
    config: Mapping[str, Any], folder: str, options: Mapping[str, Any]
) -> dict[str | None, Database]:
    """The databases of *config* by bind key; that of ``SQLALCHEMY_DATABASE_URI`` has ``None``.

    Arguments:
        config: ``SQLALCHEMY_DATABASE_URI``, ``_REPLICA_URI`` and ``_BINDS``.
        folder: Where relative SQLite files are.
        options: For the engines of all.

    Raises:
        RuntimeError: No database is named.
        ValueError: A URL can't be used.
        TypeError: A bind is neither a URL nor a mapping.
    """
    given: dict[str | None, Mapping[str, Any]] = {}
    if uri := config["SQLALCHEMY_DATABASE_URI"]:
        given[None] = {"url": uri, "replica": config["SQLALCHEMY_REPLICA_URI"]}
    for key, value in config["SQLALCHEMY_BINDS"].items():
        given[key] = _bind(key, value)
    if not given:
        raise RuntimeError(
            "SQLALCHEMY_DATABASE_URI is not set: set it before init_app(), for example to"
            " sqlite:///app.db or postgresql://user:password@host/name"
        )
    return {key: _database(folder, options, **value) for key, value in given.items()}


def _bind(key: object, value: object) -> Mapping[str, Any]:
    if isinstance(value, str | URL):
        return {"url": value}
    if isinstance(value, Mapping) and "url" in value:
        return value  # pyright: ignore[reportUnknownVariableType]
    raise TypeError(
        f"SQLALCHEMY_BINDS[{key!r}] is {value!r}: write a URL, or a mapping with one,"
        ' {"url": "sqlite:///name.db", "echo": True}'
    )


def _database(
    folder: str, options: Mapping[str, Any], *, url: Any, replica: Any = None, **own: Any
) -> Database:
    copy = async_url(replica, folder) if replica else None
    return Database(async_url(url, folder), copy, {**options, **own})


def bound_metadata(metadata: sa.MetaData, key: str | None) -> sa.MetaData:
    """The tables of the bind *key* that belong to the same models as *metadata*.

    Arguments:
        metadata: Any of the family.
        key: The bind; ``None`` is the database without one.
    """
    family: dict[str | None, sa.MetaData]
    family = metadata.info.setdefault("binds", {metadata.info.get(BIND_KEY): metadata})
    if key not in family:
        info = {BIND_KEY: key, "binds": family}
        family[key] = sa.MetaData(naming_convention=metadata.naming_convention, info=info)
    return family[key]


class RoutedSession(Session):
    """The synchronous half of a session, which finds the database of each statement.

    Arguments:
        engines: By bind key.
        alone: The engine for all statements, where no model and no table has a bind key.
        reading: Refuse what writes or locks.
    """

    def __init__(
        self,
        *,
        engines: Mapping[str | None, Engine],
        alone: Engine | None = None,
        reading: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._engines = engines
        self._alone = alone
        self._reading = reading
        self._begun: list[Connection] = []

    @property
    def at_rest(self) -> bool:
        """Whether closing has nothing to wait for: no transaction has begun in a database."""
        return all(map(_at_rest, self._begun))

    def began(self, connection: Connection) -> None:
        """Take note of a *connection* that this session has begun to use."""
        self._begun = [other for other in self._begun if not other.closed]
        self._begun.append(connection)
        if self._reading and connection.dialect.driver in AUTOCOMMIT:
            adapter: Any = connection.connection.dbapi_connection
            adapter.autocommit = True

    def transact(self, clause: Any) -> None:
        """Have a transaction around *clause*, also in a session that reads: a cursor needs one."""
        if self._reading:
            connection = self.connection(bind_arguments={"clause": clause})
            if connection.dialect.driver in AUTOCOMMIT:
                adapter: Any = connection.connection.dbapi_connection
                adapter.autocommit = False

    def get_bind(
        self, mapper: Any = None, *, clause: Any = None, bind: Any = None, **options: Any
    ) -> Any:
        """The engine for a statement: *bind* where it was named, else that of its first table.

        Raises:
            UnboundExecutionError: The configuration has no such database.
            ReadingError: It writes or locks, in a session that reads.
        """
        if self._reading and clause is not None:
            _ensure_reads(clause)
        if bind is not None:
            return bind
        if self._alone is not None:
            return self._alone
        key = _key(mapper, clause)
        if key not in self._engines:
            raise unbound(key)
        return self._engines[key]

    def flush(self, objects: Any = None) -> None:
        """Write what has changed.

        Raises:
            ReadingError: Something has, in a session that reads.
        """
        if self._reading and (self.new or self.dirty or self.deleted):
            raise ReadingError(
                "something was added, changed or deleted under db.reading(): write outside of it"
            )
        super().flush(objects)


def unbound(key: str | None) -> UnboundExecutionError:
    """The error where no database has the bind *key*."""
    setting = "SQLALCHEMY_DATABASE_URI" if key is None else f"SQLALCHEMY_BINDS[{key!r}]"
    return UnboundExecutionError(f"no database has the bind key {key!r}: set {setting}")


@event.listens_for(RoutedSession, "after_begin")
def _note(session: RoutedSession, transaction: object, connection: Connection) -> None:
    session.began(connection)


def _at_rest(connection: Connection) -> bool:
    """Whether *connection* goes back to its pool by itself: without a trip, and without a wait."""
    if connection.closed:
        return True
    pool: Any = connection.engine.pool
    if connection.invalidated or not isinstance(pool, HandoffPool) or not pool.takes_back:
        return False
    adapter: Any = connection.connection.dbapi_connection
    if connection.dialect.driver == "asyncpg":
        return adapter._transaction is None and not adapter.driver_connection.is_closed()
    return connection.dialect.driver == "aiosqlite" and not adapter.driver_connection.in_transaction


def _ensure_reads(clause: Any) -> None:
    if getattr(clause, "is_dml", False) or getattr(clause, "_for_update_arg", None) is not None:
        raise ReadingError(
            "this statement writes or locks, and db.reading() has no transaction: execute it"
            " outside of it"
        )


def _key(mapper: Any, clause: Any) -> str | None:
    source = sa.inspect(mapper).local_table if mapper is not None else clause
    if source is None:
        return None
    found: Any
    for found in visitors.iterate(source):
        if isinstance(found, sa.Table):
            return cast("str | None", found.metadata.info.get(BIND_KEY))
    return None
