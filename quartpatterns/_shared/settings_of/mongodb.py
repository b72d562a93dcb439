"""The settings of :mod:`quartpatterns.mongodb`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from quartpatterns._shared.declarations import Declarations, Setting, SettingFamily

__all__ = ["ADDRESS", "MONGODB_INSTEAD", "MONGO_INSTEAD", "NAMES", "REFUSED", "RENAMED", "SETTINGS"]

# MongoEngine's names for options of PyMongo.
RENAMED = {
    "authentication_source": "authSource",
    "authentication_mechanism": "authMechanism",
}
ADDRESS = ("host", "port", "username", "password")
# Options of MongoEngine's connections that are not options of PyMongo's client.
NAMES = ("db", "name", "alias", *ADDRESS, *RENAMED)
REFUSED = {
    "is_mock": "use a database of a real server in tests, and set MONGODB_URL",
    "mongo_client_class": "the client is PyMongo's AsyncMongoClient",
}
MONGODB_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "MONGODB_DATABASE": "set MONGODB_DB",
        "MONGODB_URI": "set MONGODB_URL",
        **{f"MONGODB_{name.upper()}": remedy for name, remedy in REFUSED.items()},
    }
)
"""Settings that Flask-MongoEngine passes to MongoEngine, and what to write instead."""

# Settings of Flask-PyMongo before version 2, which version 2 ignores.
_OLD_NAMES = (
    *("HOST", "PORT", "DBNAME", "USERNAME", "PASSWORD", "AUTH_SOURCE", "AUTH_MECHANISM"),
    *("REPLICA_SET", "READ_PREFERENCE", "SOCKET_TIMEOUT_MS", "CONNECT_TIMEOUT_MS", "CONNECT"),
    *("SERVER_SELECTION_TIMEOUT_MS", "MAX_POOL_SIZE", "DOCUMENT_CLASS", "AUTO_START_REQUEST"),
    *("URL", "DB", "DATABASE", "OPTIONS"),
)
MONGO_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        f"MONGO_{name}": (
            'set MONGO_URI = "mongodb://user:password@host:27017/database?option=value", or pass'
            " options of the client to PyMongo()"
        )
        for name in _OLD_NAMES
    }
)
"""Settings of old versions of Flask-PyMongo, and what to write instead."""

_TEXTS = tuple(name for name in NAMES if name not in ("host", "port"))


@cache
def _options() -> Mapping[str, Setting]:
    """Return the options of connections, which PyMongo knows, as settings."""
    names = dict.fromkeys(_TEXTS)
    try:
        from pymongo.common import VALIDATORS
    except ImportError:
        pass
    else:
        names |= dict.fromkeys(VALIDATORS)
    return {name.upper(): Setting(str | None if name in _TEXTS else Any, None) for name in names}


SETTINGS = Declarations(
    {
        "MONGODB_URL": Setting(
            str | None,
            None,
            "`mongodb://user:password@host:27017/database?option=value`, or `mongodb+srv://`.",
        ),
        "MONGODB_SETTINGS": Setting(
            Mapping | list | tuple,
            MappingProxyType[str, Any]({}),
            "As in Flask-MongoEngine: `db`, `alias`, `host` (a name, a URL or a list), `port`,"
            " `username`, `password`, `authentication_source`, and any option of PyMongo's client."
            " `db` is the name of the database, which is used if the URL names none. The default is"
            " `test`. A list of such dictionaries sets several databases.",
        ),
        "MONGODB_HOST": Setting(
            str | list[str] | tuple[str, ...], "localhost", "As in Flask's 0.10 page."
        ),
        "MONGODB_PORT": Setting(int, 27017, "As in Flask's 0.10 page."),
        "MONGODB_CREATE_INDEXES": Setting(
            bool, True, "Whether to create the indexes of all documents at start-up."
        ),
        "MONGO_URI": Setting(str | None, None, "The URI of `PyMongo`, as in Flask-PyMongo."),
    },
    families=[
        SettingFamily(
            "MONGODB_",
            False,
            _options,
            "Each option of `MONGODB_SETTINGS` can be a setting of its own, as in"
            " Flask-MongoEngine.",
        )
    ],
    prefixes=("MONGODB_",),
    instead={**MONGODB_INSTEAD, **MONGO_INSTEAD},
)
