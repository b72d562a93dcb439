"""The settings: which server and database an application uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import parse_qs

from pymongo.common import VALIDATORS
from pymongo.errors import ConfigurationError, PyMongoError
from quart import Quart

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    invalid_setting,
    refuse_unknown,
)
from quartpatterns._shared.settings_of.mongodb import (
    ADDRESS,
    MONGO_INSTEAD,
    MONGODB_INSTEAD,
    NAMES,
    REFUSED,
    RENAMED,
    SETTINGS,
)
from quartpatterns.mongodb.wrappers import Database, MongoClient

__all__ = ["DEFAULTS", "MONGODB_INSTEAD", "MONGO_INSTEAD", "SETTINGS", "Settings"]
__all__ += ["read_settings", "read_uri"]

# PyMongo(app) reads MONGO_URI, and MongoDB(app) the others.
DEFAULTS = {key: value for key, value in SETTINGS.defaults.items() if key != "MONGO_URI"}
"""The default of each setting."""

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

DEFAULT_ALIAS = "default"
"""The alias of the database of document classes that have no ``db_alias``, as in MongoEngine."""


@dataclass(slots=True)
class Settings:
    """The validated settings.

    Arguments:
        hosts: A URL, or host names.
        port: The port of host names without one.
        options: The options of the client.
        database: The database if the URL names none. If neither does, there is none.
        create_indexes: Whether to create the indexes of documents at start-up.
        alias: The name that document classes use for this database.
    """

    hosts: str | list[str]
    port: int
    options: dict[str, Any]
    database: str | None
    create_indexes: bool = False
    alias: str = DEFAULT_ALIAS

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

    def client(self) -> MongoClient:
        """Return a new client. It connects when it is first used."""
        return MongoClient(self.hosts, self.port, **self.options)

    def database_of(self, client: MongoClient) -> Database | None:
        """Return the database of the application, or None if no setting names one.

        Raises:
            PyMongoError: The name is not valid.
        """
        try:
            return client.get_default_database(self.database)
        except ConfigurationError:
            if self.database is None:
                return None
            raise


def read_settings(app: Quart) -> dict[str, Settings]:
    """Return the settings of the databases of *app*, the default one first, by alias.

    The configuration of *app* gets the missing defaults.

    Raises:
        SettingError: A setting is invalid or unknown; the message names its key.
    """
    refuse_unknown(app.config, (), (), MONGO_INSTEAD)
    apply_defaults(app, DEFAULTS)
    config = cast("dict[str, Any]", app.config)
    flat = {
        key: name
        for key in config
        if key.startswith("MONGODB_")
        and (name := key.removeprefix("MONGODB_").lower()) in {*NAMES, *VALIDATORS}
    }
    refuse_unknown(config, "MONGODB_", {*DEFAULTS, *flat, "MONGODB_DB"}, MONGODB_INSTEAD)
    read = SettingsReader(config)
    if issubclass(type(config["MONGODB_SETTINGS"]), list | tuple):
        found = _read_list(read, flat)
    else:
        for key in ("MONGODB_USERNAME", "MONGODB_PASSWORD"):
            if config["MONGODB_URL"] and config.get(key) is not None:
                raise SettingError(
                    key, f"{key} can't be set beside MONGODB_URL: add it to the URL."
                )
        given = read.mapping("MONGODB_SETTINGS", secret=True)
        options: dict[str, Any] = {name: read.value(key) for key, name in flat.items()}
        if options["host"] == DEFAULTS["MONGODB_HOST"]:
            del options["host"]
        # The default of the port applies to host names, and not to a URL.
        del options["port"]
        found = [_read(read, options | _normalized(given), use_url=True)]
    connections = {one.alias: one for one in found}
    if len(connections) < len(found):
        raise SettingError(
            "MONGODB_SETTINGS", "MONGODB_SETTINGS: each database needs its own 'alias'."
        )
    if DEFAULT_ALIAS in connections:
        connections = {DEFAULT_ALIAS: connections[DEFAULT_ALIAS]} | connections
    for settings in found:
        settings.set_default_options(DEFAULT_OPTIONS)
        key = "MONGODB_URL" if config["MONGODB_URL"] else "MONGODB_SETTINGS"
        if not config[key] and (own := sorted(flat.keys() - DEFAULTS.keys())):
            key = own[0]
        _validate(settings, key)
    return connections


def read_uri(
    app: Quart, uri: str | None, args: Sequence[Any] = (), options: Mapping[str, Any] | None = None
) -> Settings:
    """Return the settings of a :class:`~quartpatterns.mongodb.PyMongo` object.

    Arguments:
        app: The application, whose ``MONGO_URI`` is used if *uri* is None.
        uri: The URI, or None.
        args: Arguments of PyMongo's client that follow the URI.
        options: Options of PyMongo's client.

    Raises:
        SettingError: There is no URI, or it or an option is invalid.
    """
    config = cast("dict[str, Any]", app.config)
    refuse_unknown(config, (), (), MONGO_INSTEAD)
    read = SettingsReader({"MONGO_URI": config.get("MONGO_URI") if uri is None else uri})
    if read.value("MONGO_URI") is None:
        raise SettingError(
            "MONGO_URI",
            'MONGO_URI must be set, for example to "mongodb://localhost:27017/myapp", or the URI'
            " must be an argument: PyMongo(app, uri).",
        )
    text = read.text("MONGO_URI", secret=True)
    if "://" in text:
        text = read.url("MONGO_URI", ("mongodb", "mongodb+srv"))
    if len(args) > len(_POSITIONAL):
        raise TypeError(f"PyMongo() takes at most {len(_POSITIONAL)} arguments after the URI")
    given: dict[str, Any] = dict(zip(_POSITIONAL, args, strict=False))
    if both := given.keys() & (options or {}).keys():
        raise TypeError(f"PyMongo() got several values for {', '.join(sorted(both))}")
    given.update(options or {})
    port = given.pop("port", None)
    ports = SettingsReader({"port": DEFAULTS["MONGODB_PORT"] if port is None else port})
    settings = Settings(text, ports.count("port", maximum=65535), given, database=None)
    # As in Flask-PyMongo, PyMongo's own default applies to UUIDs.
    settings.set_default_options(
        {name: DEFAULT_OPTIONS[name] for name in DEFAULT_OPTIONS if name != "uuidRepresentation"}
    )
    _validate(settings, "MONGO_URI")
    return settings


# The positional arguments of PyMongo's client after the URI.
_POSITIONAL = ("port", "document_class", "tz_aware", "connect", "type_registry")


def _validate(settings: Settings, key: str) -> None:
    try:
        settings.database_of(settings.client())
    except (PyMongoError, TypeError, ValueError) as error:
        raise SettingError(key, f"{key} is invalid: {error}") from error


def _read_list(read: SettingsReader, flat: Mapping[str, str]) -> list[Settings]:
    """Return the settings of several databases."""
    given: Any = read.value("MONGODB_SETTINGS")
    set_too = [key for key in (*flat, "MONGODB_URL") if read.value(key) != DEFAULTS.get(key)]
    if set_too:
        raise SettingError(
            set_too[0],
            f"{set_too[0]} can't be set beside a list in MONGODB_SETTINGS: set it in each item of"
            " the list.",
        )
    if not given:
        raise invalid_setting("MONGODB_SETTINGS", "a mapping, or a list of mappings", given)
    readers = (SettingsReader({**read.config, "MONGODB_SETTINGS": one}) for one in given)
    return [
        _read(one, _normalized(one.mapping("MONGODB_SETTINGS", secret=True)), use_url=False)
        for one in readers
    ]


def _normalized(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings by their names in lower case; Flask-MongoEngine accepts a prefix."""
    return {name.lower().removeprefix("mongodb_"): value for name, value in given.items()}


def _read(read: SettingsReader, given: Mapping[str, Any], *, use_url: bool) -> Settings:
    options = {RENAMED.get(k, k): v for k, v in given.items() if v is not None}
    for name, remedy in REFUSED.items():
        if options.pop(name, None):
            raise SettingError(
                "MONGODB_SETTINGS", f"{name!r} in MONGODB_SETTINGS is not supported: {remedy}."
            )
    # The client connects when the server starts, whatever this option says.
    options.pop("connect", None)
    alias = options.pop("alias", DEFAULT_ALIAS)
    # MongoEngine accepts both names.
    names = [options.pop(name, None) for name in ("name", "db")]
    address = {name: options.pop(name) for name in ADDRESS if name in options}
    url_key = "MONGODB_URL" if read.value("MONGODB_URL") else "MONGO_URI"
    anything = any(names) or "host" in address or read.value("MONGODB_PORT") != 27017
    host: Any = address.pop("host", None) or read.text("MONGODB_HOST")
    port: Any = address.pop("port", None)
    if use_url and read.config.get(url_key) and (url_key == "MONGODB_URL" or not anything):
        url = read.url(url_key, ("mongodb", "mongodb+srv"))
        address, host, port = {}, url, None
    if not isinstance(host, str) and not issubclass(type(host), list | tuple):
        requirement = "a mapping whose 'host' is a name, a URL or a list of names"
        raise invalid_setting("MONGODB_SETTINGS", requirement, given, secret=True)
    hosts = host if isinstance(host, str) else list(host)
    if isinstance(hosts, str) and "://" in hosts:
        SettingsReader({"host": hosts}).url("host", ("mongodb", "mongodb+srv"))
    ports = read if port is None else SettingsReader({"MONGODB_PORT": port})
    return Settings(
        hosts=hosts,
        port=ports.count("MONGODB_PORT", maximum=65535),
        options={**options, **address},
        database=names[0] or names[1] or DEFAULT_DATABASE,
        create_indexes=read.boolean("MONGODB_CREATE_INDEXES"),
        alias=SettingsReader({"alias": alias}).text("alias"),
    )
