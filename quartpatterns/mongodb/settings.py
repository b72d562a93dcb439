"""The settings: which server and database an application uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from quart import Quart

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    invalid_setting,
    refuse_unknown,
)

__all__ = ["DEFAULTS", "Settings", "read_settings"]

DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "MONGODB_URL": None,
        "MONGODB_SETTINGS": MappingProxyType[str, Any]({}),
        "MONGODB_HOST": "localhost",
        "MONGODB_PORT": 27017,
        "MONGODB_CREATE_INDEXES": True,
    }
)
"""The settings and their defaults; README.md explains each."""

DEFAULT_DATABASE = "test"
"""The database if none is named, as in MongoEngine."""

DEFAULT_OPTIONS: Mapping[str, Any] = MappingProxyType(
    {
        # PyMongo's defaults are 30 s, 20 s, and no limit.
        "serverSelectionTimeoutMS": 3000,
        "connectTimeoutMS": 3000,
        "waitQueueTimeoutMS": 5000,
        # By default PyMongo refuses to store UUIDs.
        "uuidRepresentation": "standard",
    }
)
"""Options of the client that neither the URL nor ``MONGODB_SETTINGS`` sets."""

# Settings of Flask-MongoEngine.
_INSTEAD = {
    f"MONGODB_{name.upper()}": f"set {name!r} in MONGODB_SETTINGS"
    for name in ("db", "username", "password", "connect", "tz_aware", "alias")
}
# MongoEngine's names for options of PyMongo.
_RENAMED = {
    "authentication_source": "authSource",
    "authentication_mechanism": "authMechanism",
    "authmechanismproperties": "authMechanismProperties",
}
# Options of MongoEngine's connections that mean nothing to a client of one application.
_IGNORED = ("alias", "connect", "mongo_client_class")
_ADDRESS = ("host", "port", "username", "password")


@dataclass(slots=True)
class Settings:
    """The validated settings.

    Arguments:
        hosts: A URL, or host names.
        port: The port of host names without one.
        options: The options of the client.
        database: The database if the URL names none.
        create_indexes: Whether to create the indexes of documents at start-up.
    """

    hosts: str | list[str]
    port: int
    options: dict[str, Any]
    database: str
    create_indexes: bool

    def set_default_options(self, defaults: Mapping[str, Any]) -> bool:
        """Set options that are not set, and return whether there were any.

        Arguments of the client override the URL, so an option of the URL must not be among them.
        Names are compared without case.
        """
        urls = [self.hosts] if isinstance(self.hosts, str) else self.hosts
        in_urls = {name.lower() for url in urls for name in parse_qs(url.partition("?")[2])}
        options = {k: v for k, v in self.options.items() if k.lower() not in in_urls}
        names = in_urls.union(map(str.lower, options))
        new = {name: value for name, value in defaults.items() if name.lower() not in names}
        self.options = new | options
        return bool(new)

    def client(self) -> AsyncMongoClient[dict[str, Any]]:
        """Return a new client. It connects when it is first used."""
        return AsyncMongoClient(self.hosts, self.port, **self.options)

    def database_of(
        self, client: AsyncMongoClient[dict[str, Any]]
    ) -> AsyncDatabase[dict[str, Any]]:
        """Return the database of the application."""
        return client.get_default_database(self.database)


def read_settings(app: Quart) -> Settings:
    """Return the settings of *app*, whose configuration gets the missing defaults.

    Raises:
        SettingError: A setting is invalid or unknown; the message names its key.
    """
    apply_defaults(app, DEFAULTS)
    refuse_unknown(app.config, "MONGODB_", DEFAULTS, _INSTEAD)
    settings = _read(SettingsReader(app.config))
    settings.set_default_options(DEFAULT_OPTIONS)
    try:
        settings.database_of(settings.client())
    except (PyMongoError, TypeError, ValueError) as error:
        key = "MONGODB_URL" if app.config["MONGODB_URL"] else "MONGODB_SETTINGS"
        raise SettingError(key, f"{key} is invalid: {error}") from error
    return settings


def _read(read: SettingsReader) -> Settings:
    given = read.mapping("MONGODB_SETTINGS", secret=True)
    options = {_RENAMED.get(k, k): v for k, v in given.items() if v is not None}
    for name in _IGNORED:
        options.pop(name, None)
    # MongoEngine accepts both names.
    names = [options.pop(name, None) for name in ("name", "db")]
    address = {name: options.pop(name) for name in _ADDRESS if name in options}
    host: Any = address.pop("host", None) or read.text("MONGODB_HOST")
    port: Any = address.pop("port", None)
    if read.value("MONGODB_URL"):
        url = read.url("MONGODB_URL", ("mongodb", "mongodb+srv"))
        address, host, port = {}, url, None
    if not isinstance(host, str) and not issubclass(type(host), list | tuple):
        requirement = "a mapping whose 'host' is a name, a URL or a list of names"
        raise invalid_setting("MONGODB_SETTINGS", requirement, given, secret=True)
    ports = read if port is None else SettingsReader({"MONGODB_PORT": port})
    return Settings(
        hosts=host if isinstance(host, str) else list(host),
        port=ports.count("MONGODB_PORT", maximum=65535),
        options={**options, **address},
        database=names[0] or names[1] or DEFAULT_DATABASE,
        create_indexes=read.boolean("MONGODB_CREATE_INDEXES"),
    )
