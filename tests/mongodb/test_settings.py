"""Every way to set the server and the database, and the errors of invalid settings."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from pymongo import ReadPreference
from quart import Quart

from quartpatterns.mongodb import MongoDB
from quartpatterns.mongodb.settings import DEFAULTS, Settings, read_settings

MONGODB_HOST = "127.0.0.7"
MONGODB_PORT = 7777


def address_of(**config: Any) -> tuple[list[tuple[str, int | None]], str]:
    """Return the addresses and the database that *config* sets."""
    app = Quart(__name__)
    app.config.from_mapping(config)
    settings = read_default(app)
    client = settings.client()
    seeds: Any = client._topology_settings
    database = settings.database_of(client)
    assert database is not None
    return list(seeds.seeds), database.name


def read_default(app: Quart) -> Settings:
    """Return the settings of the default database."""
    return next(iter(read_settings(app).values()))


@pytest.mark.checks("MK-1")
def test_host_and_port() -> None:
    """The settings of Flask's 0.10 page, from the constants of a module."""
    app = Quart(__name__)
    app.config.from_object(__name__)
    settings = read_default(app)
    assert (settings.hosts, settings.port, settings.database) == ("127.0.0.7", 7777, "test")


@pytest.mark.checks("ME-1")
@pytest.mark.parametrize(
    ("config", "address", "database"),
    [
        pytest.param({}, ("localhost", 27017), "test", id="nothing"),
        pytest.param({"MONGODB_PORT": 7}, ("localhost", 7), "test", id="port"),
        pytest.param(
            {"MONGODB_SETTINGS": {"db": "myapp"}}, ("localhost", 27017), "myapp", id="page"
        ),
        pytest.param(
            {"MONGODB_SETTINGS": {"name": "n", "host": "h", "port": 7}}, ("h", 7), "n", id="name"
        ),
        pytest.param(
            {"MONGODB_SETTINGS": {"db": "n", "host": "h"}, "MONGODB_HOST": "x", "MONGODB_PORT": 7},
            ("h", 7),
            "n",
            id="settings before host",
        ),
        pytest.param(
            {"MONGODB_SETTINGS": {"db": "n", "host": "mongodb://h:7/u"}}, ("h", 7), "u", id="uri"
        ),
        pytest.param({"MONGODB_URL": "mongodb://h:7/u"}, ("h", 7), "u", id="url"),
        pytest.param(
            {"MONGODB_URL": "mongodb://h:7", "MONGODB_SETTINGS": {"db": "n", "host": "x"}},
            ("h", 7),
            "n",
            id="url before settings, without a database",
        ),
        pytest.param({"MONGO_URI": "mongodb://h:7/u"}, ("h", 7), "u", id="Flask-PyMongo"),
        pytest.param(
            {"MONGO_URI": "mongodb://h:7/u", "MONGODB_URL": "mongodb://i:8/v"},
            ("i", 8),
            "v",
            id="url before Flask-PyMongo",
        ),
        pytest.param(
            {"MONGO_URI": "mongodb://h:7/u", "MONGODB_SETTINGS": {"db": "n"}},
            ("localhost", 27017),
            "n",
            id="settings before Flask-PyMongo",
        ),
        pytest.param(
            {"MONGO_URI": "mongodb://h:7/u", "MONGODB_DB": "n"},
            ("localhost", 27017),
            "n",
            id="db before Flask-PyMongo",
        ),
        pytest.param(
            {"MONGODB_DB": "n", "MONGODB_HOST": "h", "MONGODB_PORT": 7}, ("h", 7), "n", id="flat"
        ),
        pytest.param({"MONGODB_HOST": "mongodb://h:7/u"}, ("h", 7), "u", id="flat uri"),
        pytest.param(
            {"MONGODB_DB": "m", "MONGODB_SETTINGS": {"MONGODB_DB": "n"}, "MONGODB_PORT": 7},
            ("localhost", 7),
            "n",
            id="prefix",
        ),
        pytest.param({"MONGODB_SETTINGS": [{"DB": "n"}]}, ("localhost", 27017), "n", id="one"),
        pytest.param(
            {"MONGODB_SETTINGS": [{"db": "m", "alias": "b"}, {"db": "n", "port": 7}]},
            ("localhost", 7),
            "n",
            id="default of several",
        ),
        pytest.param({"MONGODB_SETTINGS": {"host": ["h:7"]}}, ("h", 7), "test", id="list"),
        pytest.param({"MONGODB_SETTINGS": {"host": None}}, ("localhost", 27017), "test", id="None"),
        pytest.param(
            {"MONGODB_SETTINGS": {"tls": None}}, ("localhost", 27017), "test", id="None option"
        ),
    ],
)
def test_address(config: dict[str, Any], address: tuple[str, int], database: str) -> None:
    """MONGODB_URL comes before MONGODB_SETTINGS, and that before MONGODB_HOST."""
    assert address_of(**config) == ([address], database)


def test_credentials() -> None:
    """MongoEngine's names of options are understood; a URL replaces the user of the settings."""
    app = Quart(__name__)
    app.config["MONGODB_SETTINGS"] = {
        "db": "myapp",
        "username": "u",
        "password": "p",
        "authentication_source": "admin",
        "alias": "default",
        "read_preference": ReadPreference.SECONDARY_PREFERRED,
        "uuidrepresentation": "pythonLegacy",
    }
    client = read_default(app).client()
    credentials: Any = client.options._options
    assert (credentials["username"], credentials["authsource"]) == ("u", "admin")
    assert client.read_preference == ReadPreference.SECONDARY_PREFERRED
    assert client.codec_options.uuid_representation == 3
    app.config["MONGODB_URL"] = "mongodb://localhost/"
    assert "username" not in read_default(app).client().options._options


def test_flat_settings() -> None:
    """The settings of Flask-MongoEngine without a dictionary, with any option of the client."""
    app = Quart(__name__)
    app.config.from_mapping(
        MONGODB_USERNAME="u",
        MONGODB_PASSWORD="p",
        MONGODB_AUTHENTICATION_SOURCE="admin",
        MONGODB_AUTHENTICATION_MECHANISM="SCRAM-SHA-1",
        MONGODB_TZ_AWARE=True,
        MONGODB_CONNECT=False,
        MONGODB_ALIAS="main",
        MONGODB_REPLICASET="rs0",
        MONGODB_READ_PREFERENCE=ReadPreference.SECONDARY_PREFERRED,
        MONGODB_UUIDREPRESENTATION="pythonLegacy",
        MONGODB_DOCUMENT_CLASS=OrderedDict,
    )
    (alias,) = settings = read_settings(app)
    client = settings[alias].client()
    given: Any = client.options._options
    assert (alias, given["username"], given["password"]) == ("main", "u", "p")
    assert (given["authsource"], given["authmechanism"]) == ("admin", "SCRAM-SHA-1")
    assert (given["replicaset"], client.codec_options.tz_aware) == ("rs0", True)
    assert client.read_preference == ReadPreference.SECONDARY_PREFERRED
    assert client.codec_options.uuid_representation == 3
    assert client.codec_options.document_class is OrderedDict


def test_several_databases() -> None:
    app = Quart(__name__)
    app.config["MONGODB_SETTINGS"] = [
        {"db": "logs", "alias": "logs", "host": "h", "username": "u", "password": "p"},
        {"db": "main", "alias": "default", "tz_aware": True},
    ]
    settings = read_settings(app)
    assert [(alias, one.database) for alias, one in settings.items()] == [
        ("default", "main"),
        ("logs", "logs"),
    ]
    assert settings["default"].client().codec_options.tz_aware
    assert not settings["logs"].client().codec_options.tz_aware


def test_timeouts() -> None:
    """The defaults are 3 s and 5 s; the settings override them, and the URL both."""

    def timeout(**config: Any) -> float:
        app = Quart(__name__)
        app.config.from_mapping(config)
        return read_default(app).client().options.server_selection_timeout

    assert timeout() == 3
    pool_options = read_default(Quart(__name__)).client().options.pool_options
    assert (pool_options.wait_queue_timeout, pool_options.connect_timeout) == (5, 3)
    assert timeout(MONGODB_URL="mongodb://h/?serverselectiontimeoutms=7000") == 7
    assert timeout(MONGODB_SETTINGS={"serverSelectionTimeoutMS": 8000}) == 8
    both = {"serverSelectionTimeoutMS": 8000}
    url = "mongodb://h/?serverSelectionTimeoutMS=7000"
    assert timeout(MONGODB_URL=url, MONGODB_SETTINGS=both) == 7


@pytest.mark.parametrize(
    ("config", "message"),
    [
        pytest.param({"MONGODB_URL": "localhost:99999"}, "starts with mongodb://", id="no scheme"),
        pytest.param({"MONGODB_URL": "http://localhost"}, "starts with mongodb://", id="scheme"),
        pytest.param({"MONGODB_URL": "mongodb://h:99999"}, "MONGODB_URL must be a URL", id="port"),
        pytest.param({"MONGODB_URL": "mongodb://h/a b"}, "MONGODB_URL is invalid", id="name"),
        pytest.param({"MONGODB_SETTINGS": ["x"]}, "MONGODB_SETTINGS must be a mapping", id="list"),
        pytest.param({"MONGODB_SETTINGS": {"bd": "x"}}, "Unknown option.* bd", id="option"),
        pytest.param({"MONGODB_SETTINGS": {"db": "a b"}}, "MONGODB_SETTINGS is invalid", id="db"),
        pytest.param({"MONGODB_SETTINGS": {"host": 7}}, "'host' is a name", id="host"),
        pytest.param({"MONGODB_SETTINGS": {"port": 0}}, "MONGODB_PORT must be", id="port 0"),
        pytest.param({"MONGODB_PORT": "7"}, "MONGODB_PORT must be a whole number", id="text"),
        pytest.param({"MONGODB_PORT": 65536}, "MONGODB_PORT must be", id="port 65536"),
        pytest.param({"MONGODB_CREATE_INDEXES": "no"}, "must be True or False", id="boolean"),
        pytest.param({"MONGODB_DATABASE": "x"}, "set MONGODB_DB", id="unsupported"),
        pytest.param({"MONGODB_USERNAME": "x"}, "MONGODB_USERNAME is invalid: A pass", id="user"),
        pytest.param({"MONGODB_URI": "x"}, "set MONGODB_URL", id="URI"),
        pytest.param({"MONGODB_IS_MOCK": True}, "a real server in tests", id="mock"),
        pytest.param({"MONGODB_SETTINGS": {"is_mock": 1}}, "a real server in tests", id="is_mock"),
        pytest.param(
            {"MONGODB_SETTINGS": {"mongo_client_class": dict}}, "AsyncMongoClient", id="client"
        ),
        pytest.param({"MONGODB_HOST": "mongomock://h"}, "starts with mongodb://", id="mongomock"),
        pytest.param({"MONGODB_SETTINGS": []}, "or a list of mappings", id="empty list"),
        pytest.param({"MONGODB_SETTINGS": [{}, {}]}, "its own 'alias'", id="alias"),
        pytest.param({"MONGODB_SETTINGS": [{"alias": 7}]}, "alias must be a string", id="alias 7"),
        pytest.param(
            {"MONGODB_SETTINGS": [{}], "MONGODB_DB": "x"},
            "MONGODB_DB can't be set beside a list",
            id="db and list",
        ),
        pytest.param(
            {"MONGODB_SETTINGS": [{}], "MONGODB_URL": "mongodb://h"},
            "MONGODB_URL can't be set beside a list",
            id="url and list",
        ),
        pytest.param(
            {"MONGODB_USERNAME": "x", "MONGODB_URL": "mongodb://h"},
            "MONGODB_USERNAME can't be set beside MONGODB_URL: add it",
            id="url and user",
        ),
        pytest.param({"MONGO_DBNAME": "x"}, "set MONGO_URI", id="old Flask-PyMongo"),
        pytest.param({"MONGODB_HOTS": "x"}, "did you mean MONGODB_HOST", id="misspelt"),
    ],
)
def test_invalid(config: dict[str, Any], message: str) -> None:
    """An invalid setting is an error in init_app that names its key."""
    app = Quart(__name__)
    app.config.from_mapping(config)
    with pytest.raises(ValueError, match=message):
        MongoDB(app)


def test_defaults() -> None:
    """The configuration gets the defaults."""
    app = Quart(__name__)
    MongoDB(app)
    assert all(app.config[key] == value for key, value in DEFAULTS.items())


def test_init_app_twice() -> None:
    """Initializing an application twice is an error."""
    app = Quart(__name__)
    MongoDB(app)
    with pytest.raises(RuntimeError, match="call init_app.. only once"):
        MongoDB(app)
