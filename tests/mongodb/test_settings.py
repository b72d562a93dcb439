"""Where the database is: every way to say it, and what is said of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import ReadPreference
from quart import Quart

from quartpatterns.mongodb import DEFAULTS, MongoDB
from quartpatterns.mongodb.settings import configured

MONGODB_HOST = "127.0.0.7"
MONGODB_PORT = 7777


def where(**config: Any) -> tuple[list[tuple[str, int | None]], str]:
    """The addresses and the database that *config* names."""
    app = Quart(__name__)
    app.config.from_mapping(config)
    settings = configured(app)
    client = settings.client()
    seeds: Any = client._topology_settings
    return list(seeds.seeds), settings.database_of(client).name


@pytest.mark.checks("MK-1")
def test_host_and_port() -> None:
    """The keys of the 0.10 page, from the constants of a module."""
    app = Quart(__name__)
    app.config.from_object(__name__)
    settings = configured(app)
    assert (settings.hosts, settings.port, settings.database) == ("127.0.0.7", 7777, "test")


@pytest.mark.checks("ME-1")
@pytest.mark.parametrize(
    ("config", "address", "database"),
    [
        pytest.param({}, ("localhost", 27017), "test", id="nothing"),
        pytest.param({"MONGODB_PORT": "7"}, ("localhost", 7), "test", id="port in text"),
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
        pytest.param({"MONGODB_SETTINGS": {"host": ["h:7"]}}, ("h", 7), "test", id="list"),
        pytest.param({"MONGODB_SETTINGS": {"host": None}}, ("localhost", 27017), "test", id="None"),
    ],
)
def test_address(config: dict[str, Any], address: tuple[str, int], database: str) -> None:
    assert where(**config) == ([address], database)


def test_credentials() -> None:
    """MongoEngine's names for a user; the URL's user is the URL's."""
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
    client = configured(app).client()
    credentials: Any = client.options._options
    assert (credentials["username"], credentials["authsource"]) == ("u", "admin")
    assert client.read_preference == ReadPreference.SECONDARY_PREFERRED
    assert client.codec_options.uuid_representation == 3
    app.config["MONGODB_URL"] = "mongodb://localhost/"
    assert "username" not in configured(app).client().options._options


def test_timeouts() -> None:
    """Three seconds for a server that is gone, unless the URL or the settings say otherwise."""

    def timeout(**config: Any) -> float:
        app = Quart(__name__)
        app.config.from_mapping(config)
        return configured(app).client().options.server_selection_timeout

    assert timeout() == 3
    pool_options = configured(Quart(__name__)).client().options.pool_options
    assert (pool_options.wait_queue_timeout, pool_options.connect_timeout) == (5, 3)
    assert timeout(MONGODB_URL="mongodb://h/?serverselectiontimeoutms=7000") == 7
    assert timeout(MONGODB_SETTINGS={"serverSelectionTimeoutMS": 8000}) == 8
    both = {"serverSelectionTimeoutMS": 8000}
    url = "mongodb://h/?serverSelectionTimeoutMS=7000"
    assert timeout(MONGODB_URL=url, MONGODB_SETTINGS=both) == 7


@pytest.mark.parametrize(
    ("config", "said"),
    [
        pytest.param({"MONGODB_URL": "localhost:99999"}, "MONGODB_URL can't be used", id="port"),
        pytest.param({"MONGODB_URL": "http://localhost"}, "MONGODB_URL can't be used", id="scheme"),
        pytest.param({"MONGODB_URL": "mongodb://h/a b"}, "MONGODB_URL can't be used", id="name"),
        pytest.param({"MONGODB_SETTINGS": [{}]}, "MONGODB_SETTINGS is not like", id="list"),
        pytest.param({"MONGODB_SETTINGS": {"bd": "x"}}, "Unknown option.* bd", id="option"),
        pytest.param({"MONGODB_SETTINGS": {"db": "a b"}}, "MONGODB_SETTINGS can't", id="database"),
        pytest.param({"MONGODB_PORT": "http"}, "MONGODB_PORT is 'http'", id="no number"),
    ],
)
def test_wrong(config: dict[str, Any], said: str) -> None:
    app = Quart(__name__)
    app.config.from_mapping(config)
    with pytest.raises(ValueError, match=said):
        MongoDB(app)


def test_defaults() -> None:
    """The defaults are to be seen in the configuration afterwards."""
    app = Quart(__name__)
    MongoDB(app)
    assert all(app.config[key] == value for key, value in DEFAULTS.items())


def test_twice() -> None:
    app = Quart(__name__)
    MongoDB(app)
    with pytest.raises(RuntimeError, match="import that one"):
        MongoDB(app)
