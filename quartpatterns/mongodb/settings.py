"""Where the database is, as the configuration says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import parse_qs

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from quart import Quart

__all__ = ["DEFAULTS", "Settings", "configured"]

DATABASE = "test"
"""The database where none is named, as with MongoEngine."""

OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        # PyMongo waits 30 s for a server that is gone, and for ever for a free connection.
        "serverSelectionTimeoutMS": 3000,
        "connectTimeoutMS": 3000,
        "waitQueueTimeoutMS": 5000,
        # PyMongo stores no UUID until it is told how.
        "uuidRepresentation": "standard",
    }
)
"""Options of the client, where neither the URL nor ``MONGODB_SETTINGS`` gives them."""

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "MONGODB_URL": None,
        "MONGODB_SETTINGS": MappingProxyType[str, Any]({}),
        "MONGODB_HOST": "localhost",
        "MONGODB_PORT": 27017,
        "MONGODB_CREATE_INDEXES": True,
    }
)
"""The configuration keys, and what they are where an application doesn't set them."""

# MongoEngine's names for options of PyMongo.
_RENAMED = {
    "authentication_source": "authSource",
    "authentication_mechanism": "authMechanism",
    "authmechanismproperties": "authMechanismProperties",
}
# What MongoEngine does with a connection, and a client has no option for.
_IGNORED = ("alias", "connect", "mongo_client_class")
_ADDRESS = ("host", "port", "username", "password")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says.

    Arguments:
        hosts: A URL, or host names.
        port: Where the names have none.
        options: For the client.
        database: Where the URL names none.
        create_indexes: Whether the indexes of documents are created at start-up.
    """

    hosts: str | list[str]
    port: int
    options: Mapping[str, Any]
    database: str
    create_indexes: bool

    def with_default(self, name: str, value: Any) -> Settings:
        """These settings, with *value* for the option *name* where nobody has given it."""
        options = _with_defaults(self.options, self.hosts, {name: value})
        return replace(self, options=options)

    def client(self) -> AsyncMongoClient[dict[str, Any]]:
        """A client that connects when it is first used; it belongs to one event loop."""
        return AsyncMongoClient(self.hosts, self.port, **self.options)

    def database_of(
        self, client: AsyncMongoClient[dict[str, Any]]
    ) -> AsyncDatabase[dict[str, Any]]:
        """The database of *client* that the configuration names."""
        return client.get_default_database(self.database)


def configured(app: Quart) -> Settings:
    """What the configuration of *app* says; nothing is connected.

    Raises:
        ValueError: It can't be used; the message names the key to correct.
    """
    config = cast("dict[str, Any]", app.config)
    for key, value in DEFAULTS.items():
        config.setdefault(key, value)
    settings = _checked(config)
    try:
        settings.database_of(settings.client())
    except (PyMongoError, TypeError, ValueError) as error:
        key = "MONGODB_URL" if config["MONGODB_URL"] else "MONGODB_SETTINGS"
        raise ValueError(f"{key} can't be used: {error}") from error
    return settings


def _checked(config: Mapping[str, Any]) -> Settings:
    given: Any = config["MONGODB_SETTINGS"]
    if not isinstance(given, Mapping):
        raise ValueError(
            'MONGODB_SETTINGS is not like {"db": "myapp", "host": "localhost"}: an application has'
            " one database"
        )
    options = {_RENAMED.get(name, name): value for name, value in _items(cast("Any", given))}
    for name in _IGNORED:
        options.pop(name, None)
    database: str = options.pop("name", None) or options.pop("db", None) or DATABASE
    options.pop("db", None)
    address = {name: options.pop(name) for name in _ADDRESS if name in options}
    if config["MONGODB_URL"]:
        address = {"host": config["MONGODB_URL"]}
    host: Any = address.pop("host", None) or config["MONGODB_HOST"]
    port: Any = address.pop("port", None) or config["MONGODB_PORT"]
    hosts: str | list[str] = host if isinstance(host, str) else list(host)
    return Settings(
        hosts=hosts,
        port=_number(port),
        options=_with_defaults({**options, **address}, hosts, OPTIONS),
        database=database,
        create_indexes=bool(config["MONGODB_CREATE_INDEXES"]),
    )


def _items(given: Mapping[Any, Any]) -> list[tuple[str, Any]]:
    return [(str(name), value) for name, value in given.items() if value is not None]


def _number(port: Any) -> int:
    convert: Callable[[Any], int] = int
    try:
        return convert(port)
    except (TypeError, ValueError) as error:
        raise ValueError(f"MONGODB_PORT is {port!r}, it should be a number like 27017") from error


def _with_defaults(
    options: Mapping[str, Any], hosts: str | list[str], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """*options*, and those of *defaults* that neither they nor the URL set.

    The client lets its arguments win over the URL, so that what the URL says must not be among
    them. Names are the same in any case.
    """
    urls = [hosts] if isinstance(hosts, str) else hosts
    in_urls = {name.lower() for url in urls for name in parse_qs(url.partition("?")[2])}
    kept = {name: value for name, value in options.items() if name.lower() not in in_urls}
    known = in_urls | {name.lower() for name in kept}
    return {name: value for name, value in defaults.items() if name.lower() not in known} | kept
