"""``configure()`` with the settings of every helper, of Quart and of quart-schema."""

from __future__ import annotations

import ast
import asyncio
import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from quart import Quart
from quart_schema import QuartSchema
from sqlalchemy import URL

import quartpatterns
from quartpatterns._shared.declarations import Declarations
from quartpatterns._shared.settings import SettingError
from quartpatterns._shared.settings_of import DECLARED_BY, all_declarations
from quartpatterns.appfactories import ConfigError, Setting, configure, sources
from quartpatterns.caching import Cache
from quartpatterns.errorpages import ErrorPages
from quartpatterns.fileuploads import UploadSet, configure_uploads
from quartpatterns.flashing import Flashing
from quartpatterns.mongodb import MongoDB
from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.sqlite3 import SQLite
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import Tasks
from quartpatterns.viewdecorators import LoginManager
from quartpatterns.wtforms import CSRFProtect
from tests import settings_tables

pytestmark = pytest.mark.checks("AF-11")

HELPERS = [name for name in DECLARED_BY if name not in ("quart", "quart_schema")]


@dataclass(frozen=True)
class Row:
    """A setting, a value as the environment, a file and Python code have it, and what is wrong."""

    key: str
    text: str
    toml: str
    value: Any
    misspelt: str
    wrong: Any = b"?"

    def __str__(self) -> str:
        return f"{self.key}={self.text}"


ROWS = {
    "quart": [
        Row("SECRET_KEY", "123", '"123"', "123", "SECRETKEY", 5),
        Row("MAX_CONTENT_LENGTH", "1000", "1000", 1000, "MAX_CONTENTS_LENGTH", "1000"),
        Row("PERMANENT_SESSION_LIFETIME", "60", "60", timedelta(minutes=1), "SESSION_LIFETIME"),
        Row("SESSION_COOKIE_SECURE", "yes", "true", True, "SESSION_COOKIES_SECURE", "yes"),
        Row("PREFERRED_URL_SCHEME", "https", '"https"', "https", "PREFERED_URL_SCHEME", 1),
    ],
    "quart_schema": [
        Row("QUART_SCHEMA_CONVERT_CASING", "1", "true", True, "QUART_SCHEMA_CONVERT_CASE", 1),
        Row(
            "QUART_SCHEMA_CONVERSION_PREFERENCE",
            "msgspec",
            '"msgspec"',
            "msgspec",
            "QUART_SCHEMA_CONVERSION_PREFERENCES",
            "attrs",
        ),
    ],
    "caching": [
        Row("CACHE_TYPE", "NullCache", '"NullCache"', "NullCache", "CACHE_TYP", 5),
        Row("CACHE_DEFAULT_TIMEOUT", "1.5", "1.5", 1.5, "CACHE_DEFAULTS_TIMEOUT", "300"),
        Row("CACHE_KEY_PREFIX", "5", '"5"', "5", "CACHE_KEYPREFIX", 5),
        Row("CACHE_ARGS", "[1]", "[1]", [1], "CACHE_ARG", "x"),
        Row("CACHE_MEMCACHED_SERVERS", "a:1,b:2", '"a:1,b:2"', "a:1,b:2", "CACHE_MEMCACHE_SERVERS"),
        Row("CACHE_OPTIONS", '{"a": 1}', "{a = 1}", {"a": 1}, "CACHE_OPTION", [1]),
        Row("CACHE_REDIS_DB", "2", "2", 2, "CACHE_REDIS_DBS", "2"),
    ],
    "errorpages": [
        Row("REQUEST_ID_HEADER", "X-Trace", '"X-Trace"', "X-Trace", "REQUEST_ID_HEADERS", 1)
    ],
    "fileuploads": [
        Row("UPLOADS_DEFAULT_DEST", "up", '"up"', "up", "UPLOADS_DEFAULT_DST", 1),
        Row("UPLOADS_AUTOSERVE", "on", "true", True, "UPLOADS_AUTO_SERVE", "on"),
        Row("UPLOADED_PHOTOS_DEST", "up", '"up"', "up", "UPLOADED_PHOTOS_DESTS", 1),
        Row("UPLOADED_PHOTOS_ALLOW", '["svg"]', '["svg"]', ["svg"], "UPLOADED_PHOTOS_ALOW", "svg"),
        Row("UPLOADED_MY_FILES_FSYNC", "1", "true", True, "UPLOADED_MY_FILES_FSNC", "1"),
    ],
    "flashing": [
        Row("FLASHING_COOKIE_NAME", "note", '"note"', "note", "FLASH_COOKIE_NAME", 1),
        Row("FLASHING_MAX_SIZE", "4096", "4096", 4096, "FLASHING_MAXSIZE", "4096"),
    ],
    "mongodb": [
        Row("MONGODB_URL", "mongodb://h/d", '"mongodb://h/d"', "mongodb://h/d", "MONGODB_URLS", 1),
        Row("MONGODB_PORT", "1", "1", 1, "MONGODB_PRT", "1"),
        Row("MONGODB_DB", "shop", '"shop"', "shop", "MONGODB_DBS", 1),
        Row("MONGO_URI", "mongodb://h/d", '"mongodb://h/d"', "mongodb://h/d", "MONG_URI", 1),
        Row("MONGODB_SETTINGS", '{"db": "a"}', '{db = "a"}', {"db": "a"}, "MONGODB_SETTING", 1),
    ],
    "sqlalchemy": [
        Row(
            "SQLALCHEMY_DATABASE_URI",
            "sqlite://",
            '"sqlite://"',
            "sqlite://",
            "SQLALCHEMY_DATABASE_URL",
            1,
        ),
        Row("SQLALCHEMY_ECHO", "debug", '"debug"', "debug", "SQLALCHEMY_ECHOS", "Debug"),
        Row("SQLALCHEMY_ECHO", "true", "true", True, "SQLALCHEMY_ECO", 1),
        Row("SQLALCHEMY_STATEMENT_TIMEOUT", "", "5", None, "SQLALCHEMY_STATEMENTS_TIMEOUT", "5"),
    ],
    "sqlite3": [
        Row("DATABASE", "app.db", '"app.db"', "app.db", "DATABSE", 5),
        Row("SQLITE_POOL_SIZE", "3", "3", 3, "SQLITE_POOLSIZE", "3"),
    ],
    "streaming": [
        Row("STREAM_SEND_TIMEOUT", "1.5", "1.5", 1.5, "STREAM_SENDING_TIMEOUT", "60"),
    ],
    "subclassing": [
        Row("SYNC_THREADS", "4", "4", 4, "SYNC_THREAD", "4"),
        Row("GREENLET_VIEWS", "true", "true", True, "GREENLET_VIEW", "true"),
        Row("FILE_CACHE_SIZE", "0", "0", 0, "FILES_CACHE_SIZE", "0"),
    ],
    "tasks": [
        Row("REDIS_URL", "redis://h/1", '"redis://h/1"', "redis://h/1", "REDIS_URLS", 1),
        Row("TASKS_TIMEOUT", "0.5", "0.5", 0.5, "TASK_TIMEOUT", "5"),
        Row("TASKS_QUEUE_NAME", "1", '"1"', "1", "TASKS_QUEUENAME", 1),
    ],
    "viewdecorators": [
        Row("LOGIN_DISABLED", "1", "true", True, "LOGIN_DISABELD", "1"),
        Row("SESSION_PROTECTION", "strong", '"strong"', "strong", "SESSION_PROTECT", "weak"),
        Row("REMEMBER_COOKIE_DURATION", "60", "60", 60, "REMEMBER_COOKIE_DURATIONS", "60"),
    ],
    "wtforms": [
        Row("WTF_CSRF_ENABLED", "false", "false", False, "WTF_CSRF_ENABLE", "false"),
        Row("WTF_LOCALES", '["de"]', '["de"]', ["de"], "WTF_LOCALE", "de"),
        Row("WTF_CSRF_SECRET_KEY", "7", '"7"', "7", "WTF_CSRF_SECRETS_KEY", 7),
        Row("RECAPTCHA_TIMEOUT", "5", "5", 5, "RECAPTCHA_TIMEOUTS", "5"),
    ],
}
rows = pytest.mark.parametrize("row", [row for one in ROWS.values() for row in one], ids=str)


def create_app(
    app_class: type[Quart], config: Mapping[str, Any] | None = None, **layers: Any
) -> Quart:
    """Return an application with a setting of its own, as a user would write it."""
    app = app_class(__name__)
    configure(app, {"SITE": "Photos"}, overrides=config, **{"environ": {}, **layers})
    return app


def problem(app_class: type[Quart], config: Mapping[str, Any], **layers: Any) -> str:
    """Return the only problem of the settings."""
    with pytest.raises(ConfigError) as caught:
        create_app(app_class, config, **layers)
    (text,) = caught.value.problems
    return text


def test_every_helper_has_rows() -> None:
    assert ROWS.keys() == all_declarations().keys()


@rows
def test_override(app_class: type[Quart], row: Row) -> None:
    app = create_app(app_class, {row.key: row.value})
    assert app.config[row.key] == row.value
    assert type(app.config[row.key]) is type(row.value)
    assert str(sources(app)[row.key]) == "override"


@rows
def test_environment(app_class: type[Quart], row: Row) -> None:
    """The type of the setting decides how the text is parsed: ``CACHE_KEY_PREFIX=5`` is a text."""
    app = create_app(app_class, environ={f"QUART_{row.key}": row.text})
    assert app.config[row.key] == row.value
    assert type(app.config[row.key]) is type(row.value)
    assert str(sources(app)[row.key]) == f"environment QUART_{row.key}"


@rows
def test_file(app_class: type[Quart], row: Row, tmp_path: Path) -> None:
    file = tmp_path / "prod.toml"
    file.write_text(f"{row.key} = {row.toml}\n")
    app = create_app(app_class, file=file)
    # TOML has no None.
    expected = 5 if row.value is None else row.value
    assert app.config[row.key] == expected
    assert type(app.config[row.key]) is type(expected)


@rows
def test_misspelt(app_class: type[Quart], row: Row) -> None:
    """The nearest name is in the message, whatever the layer is."""
    message = f"{row.misspelt} is not a setting ({{}}): did you mean {row.key}?"
    assert problem(app_class, {row.misspelt: row.value}) == message.format("override")
    name = f"QUART_{row.misspelt}"
    found = problem(app_class, {}, environ={name: row.text})
    assert found == message.format(f"environment {name}")


@rows
def test_wrong_type(app_class: type[Quart], row: Row) -> None:
    assert problem(app_class, {row.key: row.wrong}).startswith(f"{row.key} must be ")


@pytest.mark.parametrize("helper", DECLARED_BY)
def test_defaults_are_valid(app_class: type[Quart], helper: str) -> None:
    """``SETTINGS`` of a helper are *defaults* of ``configure``, alone and in a dictionary."""
    declared = all_declarations()[helper]
    for defaults in (declared, {**declared}, {**declared.defaults}):
        app = app_class(__name__)
        configure(app, defaults, environ={}, overrides={**declared.defaults})
        for key, value in declared.defaults.items():
            assert app.config[key] == value
            assert type(app.config[key]) is type(value)


@pytest.mark.parametrize("helper", HELPERS)
def test_one_form(helper: str) -> None:
    """Each helper exports its declarations as ``SETTINGS``; every setting says what it means."""
    exported: Any = importlib.import_module(f"quartpatterns.{helper}").SETTINGS
    assert isinstance(exported, Declarations)
    assert exported is all_declarations()[helper]
    assert all(setting.doc for setting in exported.values())


@pytest.mark.parametrize("helper", HELPERS)
def test_tables(helper: str) -> None:
    """README.md has the table of the declared settings (``python -m tests.settings_tables``)."""
    assert settings_tables.current(helper) == settings_tables.table(helper)


def test_one_type_for_each_key() -> None:
    """A setting that two helpers read has the same type in both."""
    types: dict[str, Any] = {}
    for declared in all_declarations().values():
        for key, setting in declared.items():
            assert types.setdefault(key, setting.type) == setting.type, key


def test_objects(app_class: type[Quart]) -> None:
    """Values that only Python code can have."""
    url = URL.create("sqlite", database="x.db")
    client = redis.Redis()
    config: dict[str, Any] = {
        "SQLALCHEMY_DATABASE_URI": url,
        "DATABASE": Path("x.db"),
        "CACHE_REDIS_HOST": client,
        "CACHE_SERIALIZER": json,
        "CACHE_TYPE": dict,
        "CACHE_DEFAULT_TIMEOUT": timedelta(minutes=1),
        "WTF_CSRF_METHODS": {"POST"},
        "WTF_CSRF_SECRET_KEY": [b"old", "new"],
        "MONGODB_SETTINGS": [{"alias": "default"}],
    }
    app = create_app(app_class, config)
    assert {key: app.config[key] for key in config} == config
    client.close()


def test_defaults_of_the_application(app_class: type[Quart]) -> None:
    """An application gives a helper's setting another default; the type stays."""
    app = app_class(__name__)
    defaults = {"CACHE_REDIS_URL": None, "CACHE_TYPE": "RedisCache", "SECRET_KEY": "dev"}
    environ = {"QUART_CACHE_REDIS_URL": "redis://h/1", "QUART_SECRET_KEY": "1"}
    configure(app, defaults, environ=environ)
    assert app.config["CACHE_REDIS_URL"] == "redis://h/1"
    assert app.config["CACHE_TYPE"] == "RedisCache"
    assert app.config["SECRET_KEY"] == "1"
    required = {"SQLALCHEMY_DATABASE_URI": Setting(str)}
    with pytest.raises(ConfigError, match="SQLALCHEMY_DATABASE_URI must be set to a string"):
        configure(app_class(__name__), required, environ={})


def test_another_setting_of_this_name(app_class: type[Quart]) -> None:
    """An application may have a setting with the name of one of a helper that it does not use."""
    with pytest.raises(
        TypeError, match="DATABASE must be a path or None. It is a setting of the helper sqlite3"
    ):
        configure(app_class(__name__), {"DATABASE": {"HOST": "a"}}, environ={})
    app = app_class(__name__)
    defaults = {"DATABASE": Setting(dict, {"HOST": "a"})}
    configure(app, defaults, environ={"QUART_DATABASE__HOST": "b"})
    assert app.config["DATABASE"] == {"HOST": "b"}


def test_not_defaults(app_class: type[Quart]) -> None:
    """The extensions ``DEFAULTS`` of fileuploads are not taken for settings."""
    from quartpatterns.fileuploads import DEFAULTS

    defaults: Any = DEFAULTS
    with pytest.raises(TypeError, match="or the SETTINGS of a helper, not a tuple"):
        configure(app_class(__name__), defaults, environ={})


def test_entry_of_a_default(app_class: type[Quart]) -> None:
    """An entry of a mapping leaves the other entries of the helper's default as they are."""
    app = create_app(app_class, environ={"QUART_SQLITE_PRAGMAS__synchronous": "OFF"})
    expected = {"journal_mode": "WAL", "foreign_keys": "ON", "synchronous": "OFF"}
    assert app.config["SQLITE_PRAGMAS"] == expected
    name = "UPLOADED_PHOTOS_STORE"
    app = create_app(app_class, environ={f"QUART_{name}__endpoint": "https://s3.example"})
    assert app.config[name] == {"endpoint": "https://s3.example"}


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("CACHE_UWSGI_NAME", "use CACHE_TYPE = 'RedisCache' or 'MemcachedCache'"),
        ("SQLALCHEMY_POOL_SIZE", "pass it in SQLALCHEMY_ENGINE_OPTIONS"),
        ("MONGODB_DATABASE", "set MONGODB_DB"),
        ("MONGO_HOST", "set MONGO_URI"),
        ("RECAPTCHA_OPTIONS", "set RECAPTCHA_DATA_ATTRS"),
        ("AUTH_HEADER_NAME", "register a request_loader"),
        ("UPLOADS_URL", "set UPLOADS_DEFAULT_URL"),
        ("JSON_SORT_KEYS", "set app.json.sort_keys"),
    ],
)
def test_not_supported(app_class: type[Quart], key: str, remedy: str) -> None:
    """A setting of a Flask extension that is not supported: the message says what to do."""
    found = problem(app_class, {key: 1})
    assert found.startswith(f"{key} is not supported (override): ")
    assert remedy in found


def test_helpers_keep_their_defaults(app_class: type[Quart]) -> None:
    """A setting that no layer sets is not set, so that each helper knows it and sets its own."""
    app = create_app(app_class)
    assert not {"CACHE_TYPE", "REDIS_URL", "SESSION_PROTECTION"} & app.config.keys()
    declared = {key for helper in HELPERS for key in all_declarations()[helper]}
    assert not (declared - {"FILE_CACHE_SIZE"}) & app.config.keys()


def test_with_all_helpers(app_class: type[Quart], tmp_path: Path) -> None:
    """All helpers in one factory, whose settings come from the caller and the environment."""
    app = app_class(__name__, instance_path=str(tmp_path))
    environ = {
        "QUART_SECRET_KEY": "123",
        "QUART_SQLALCHEMY_DATABASE_URI": "sqlite:///app.db",
        "QUART_DATABASE": "other.db",
        "QUART_UPLOADED_PHOTOS_DEST": str(tmp_path),
        "QUART_UPLOADED_PHOTOS_ALLOW": '["svg"]',
        "QUART_CACHE_DEFAULT_TIMEOUT": "60",
        "QUART_REMEMBER_COOKIE_DURATION": "60",
        "QUART_TASKS_MAX_JOBS": "2",
        "QUART_FLASHING_MAX_SIZE": "4096",
        "QUART_MONGODB_maxPoolSize".upper(): "5",
    }
    configure(app, {}, environ=environ, overrides={"WTF_CSRF_ENABLED": False})
    photos = UploadSet("photos")
    Cache().init_app(app)
    Tasks().init_app(app)
    SQLAlchemy().init_app(app)
    SQLite().init_app(app)
    MongoDB().init_app(app)
    CSRFProtect().init_app(app)
    Flashing().init_app(app)
    LoginManager().init_app(app)
    ErrorPages(app)
    QuartSchema().init_app(app)
    configure_uploads(app, photos)

    @app.post("/")
    async def view() -> str:
        return "posted"

    async def post() -> None:
        # WTF_CSRF_ENABLED is False: the post needs no token.
        response = await app.test_client().post("/")
        assert await response.get_data(as_text=True) == "posted"
        async with app.app_context():
            assert photos.extension_allowed("svg")
            assert photos.config.allow == ("svg",)

    asyncio.run(post())
    assert app.config["MONGODB_MAXPOOLSIZE"] == 5


# Reading settings

METHODS = {
    *("value", "optional", "count", "size", "seconds", "boolean", "choice", "text", "path"),
    *("url", "strings", "mapping", "get", "setdefault", "pop", "_text", "_mapping", "_key"),
}


def keys_read(tree: ast.AST) -> Iterator[str]:
    """Return the keys that code reads from a configuration or with a ``SettingsReader``."""
    for node in ast.walk(tree):
        found: list[ast.expr] = []
        if isinstance(node, ast.Subscript) and "config" in ast.unparse(node.value).lower():
            found = [node.slice]
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            name = function.rpartition(".")[2]
            readers = (
                "config",
                "reader",
                "read.",
                "settings",
                "ports",
                "_text",
                "_mapping",
                "_key",
            )
            if name in METHODS and any(one in function for one in readers):
                found = node.args
        elif isinstance(node, ast.Compare) and any(
            "config" in ast.unparse(one) for one in node.comparators
        ):
            found = [node.left]
        for one in found:
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                if re.fullmatch(r"[A-Z][A-Z0-9_]*", one.value):
                    yield one.value


def test_every_key_is_declared() -> None:
    """Each setting that the code of a helper reads is one that ``configure`` accepts."""
    quart = Quart(__name__).config
    found: dict[str, str] = {}
    folder = Path(quartpatterns.__file__).parent
    for file in sorted(folder.rglob("*.py")):
        parts = file.relative_to(folder).parts
        if {"example", "skeleton", "gallery", "cli", "compare", "settings_of"} & set(parts):
            continue
        found |= dict.fromkeys(keys_read(ast.parse(file.read_text())), "/".join(parts))
    helpers = all_declarations().values()
    assert {"CACHE_TYPE", "SYNC_THREADS", "GREENLET_VIEWS", "SQLALCHEMY_ECHO"} < found.keys()
    assert {"REQUEST_ID_HEADER", "FORCE_HOST_FOR_REDIRECTS", "MONGO_URI"} < found.keys()
    undeclared = {
        key: file
        for key, file in found.items()
        if key not in quart and not any(one.find(key) for one in helpers)
    }
    assert not undeclared


def test_every_declared_key_is_read() -> None:
    """No declared setting is left over: the name of each is in the code of its helper."""
    folder = Path(quartpatterns.__file__).parent
    for helper in HELPERS:
        files = (*(folder / helper).glob("*.py"), *(folder / "_shared").glob("*.py"))
        code = "".join(file.read_text() for file in files)
        if helper == "wtforms":  # init_settings() reads all of them
            continue
        unread = [key for key in all_declarations()[helper] if f'"{key}"' not in code]
        if helper == "viewdecorators":  # _check_settings() reads all bools
            unread = [key for key in unread if key != "LOGIN_LAZY_LOADING"]
        assert not unread


def test_any_type(app_class: type[Quart]) -> None:
    """A setting of any type is JSON, or else a text, as ``from_prefixed_env`` reads it."""
    environ = {"QUART_ENV": "dev", "QUART_MONGODB_APPNAME": "shop", "QUART_MONGODB_TLS": "true"}
    app = create_app(app_class, environ=environ)
    found = [app.config[key] for key in ("ENV", "MONGODB_APPNAME", "MONGODB_TLS")]
    assert found == ["dev", "shop", True]


def test_helpers_refuse_too(app_class: type[Quart]) -> None:
    """Without ``configure`` a helper refuses a misspelt setting itself."""
    app = app_class(__name__)
    app.config.update(DATABASE=":memory:", SQLITE_POOLSIZE=5)
    with pytest.raises(SettingError, match="did you mean SQLITE_POOL_SIZE"):
        SQLite(app)


async def test_greenlet_views() -> None:
    """``"false"`` would be true."""
    app = FaithfulQuart(__name__)
    app.config["GREENLET_VIEWS"] = "false"
    with pytest.raises(SettingError, match="GREENLET_VIEWS must be True or False"):
        await app.startup()
