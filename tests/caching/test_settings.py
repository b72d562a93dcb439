"""An invalid setting is an error that names it, when the cache is initialized."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

import quartpatterns.caching
from quartpatterns.caching import Cache
from quartpatterns.caching.settings import DEFAULTS, read_settings


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("CACHE_TYPE", "UWSGICache", "uWSGI serves no ASGI; use CACHE_TYPE = 'RedisCache'"),
        ("CACHE_TYPE", "SASLMemcachedCache", "CACHE_MEMCACHED_USERNAME"),
        ("CACHE_TYPE", "Simple", "CACHE_TYPE must be one of SimpleCache"),
        ("CACHE_TYPE", "json.Nothing", "CACHE_TYPE = 'json.Nothing' can't be imported"),
        ("CACHE_TYPE", "json.JSONDecoder", "CACHE_TYPE"),
        ("CACHE_TYPE", None, "CACHE_TYPE must be one of SimpleCache"),
        ("CACHE_DEFAULT_TIMEOUT", -1, "CACHE_DEFAULT_TIMEOUT must be a number of seconds"),
        ("CACHE_KEY_PREFIX", 7, "CACHE_KEY_PREFIX must be a string"),
        ("CACHE_THRESHOLD", 0, "CACHE_THRESHOLD must be a whole number of 1 or more, not 0"),
        ("CACHE_THRESHOLD", True, "CACHE_THRESHOLD must be a whole number"),
        ("CACHE_STORE_TIMEOUT", 0, "CACHE_STORE_TIMEOUT must be a number of seconds"),
        ("CACHE_RETRY_AFTER", "1", "CACHE_RETRY_AFTER must be a number of seconds"),
        ("CACHE_LOCK_TIMEOUT", float("nan"), "CACHE_LOCK_TIMEOUT must be a number of seconds"),
        ("CACHE_MAX_CONNECTIONS", 1.5, "CACHE_MAX_CONNECTIONS must be a whole number"),
        ("CACHE_OPTIONS", "a=b", "CACHE_OPTIONS must be a mapping"),
        ("CACHE_SERIALIZER", "yaml", "CACHE_SERIALIZER must be 'json', 'pickle', or an object"),
        ("CACHE_SERIALIZER", object(), "dumps() and loads()"),
        ("CACHE_HASH_METHOD", "md5", "CACHE_HASH_METHOD must be a hash constructor"),
        ("CACHE_OPTIONS", {"size": 3}, "CACHE_OPTIONS has 'size', which this CACHE_TYPE does not"),
        ("CACHE_GCS_BUCKET", "x", "CACHE_GCS_BUCKET is not supported: use CACHE_TYPE"),
        ("CACHE_FILE_HASH_METHOD", max, "diskcache names the files"),
        ("CACHE_IGNORE_ERRORS", "false", "CACHE_IGNORE_ERRORS must be True or False"),
        ("CACHE_SOURCE_CHECK", 1, "CACHE_SOURCE_CHECK must be True or False"),
        ("CACHE_TIMEOUT", 5, "CACHE_TIMEOUT is unknown"),
        ("CACHE_ARGS", [1], "for 'SimpleCache' use CACHE_OPTIONS"),
    ],
)
def test_refused(key: str, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Cache(Quart(__name__), config={key: value})


@pytest.mark.parametrize("url", ["localhost:6379", "http://:pass123@x", "", 7])
def test_refused_url(url: Any) -> None:
    """The message does not show the URL, because it may contain a password."""
    with pytest.raises(
        ValueError, match="CACHE_REDIS_URL must be a URL that starts with redis://"
    ) as caught:
        Cache(Quart(__name__), config={"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": url})
    assert "pass123" not in str(caught.value)


def test_no_folder() -> None:
    with pytest.raises(ValueError, match="CACHE_DIR must be a path"):
        Cache(Quart(__name__), config={"CACHE_TYPE": "FileSystemCache"})


def test_number_of_files() -> None:
    """diskcache counts bytes, so a number of files is refused; the default may be repeated."""
    config: dict[str, Any] = {"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": "cache"}
    with pytest.raises(ValueError, match="size_limit"):
        Cache(Quart(__name__), config={**config, "CACHE_THRESHOLD": 20})
    Cache(Quart(__name__), config={**config, "CACHE_THRESHOLD": 500})


def test_order() -> None:
    """Settings of ``init_app`` override those of the Cache, and these those of the application."""
    app = Quart(__name__)
    app.config.from_mapping(CACHE_THRESHOLD=1, CACHE_DEFAULT_TIMEOUT=1, CACHE_LOCK_TIMEOUT=1)
    cache = Cache(config={"CACHE_DEFAULT_TIMEOUT": 2, "CACHE_LOCK_TIMEOUT": 2})
    cache.init_app(app, {"CACHE_LOCK_TIMEOUT": 3})
    settings = cache.app_cache().settings
    assert (settings.threshold, settings.default_timeout, settings.lock_timeout) == (1, 2, 3)


@pytest.mark.parametrize(
    "name",
    [
        "RedisCache",
        "flask_caching.backends.RedisCache",
        "flask_caching.backends.rediscache.RedisCache",
    ],
)
def test_names_of_flask_caching(name: str) -> None:
    """The host, port, password and database make a URL, as in Flask-Caching."""
    config = {
        "CACHE_TYPE": name,
        "CACHE_REDIS_HOST": "example.org",
        "CACHE_REDIS_PORT": 7,
        "CACHE_REDIS_PASSWORD": "a/b@c",
        "CACHE_REDIS_DB": 2,
    }
    settings = read_settings(config, "name")
    assert settings.redis_url == "redis://:a%2Fb%40c@example.org:7/2"
    assert settings.prefix == "cache:name:"


def test_default_timeout_without_limit() -> None:
    for no_limit in (0, None):
        settings = read_settings({"CACHE_DEFAULT_TIMEOUT": no_limit}, "")
        assert settings.default_timeout > 10**8


def test_documented() -> None:
    """README.md lists exactly these settings, with their defaults."""
    readme = Path(quartpatterns.caching.__file__).with_name("README.md").read_text()
    rows = dict(re.findall(r"^\| `(CACHE_\w+)` \| `(.*?)` \|", readme, re.MULTILINE))
    assert rows == {key: repr(value).replace("'", '"') for key, value in DEFAULTS.items()}
