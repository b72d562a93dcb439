"""Every store, both classes of application, and a store of its own for each test."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from quartpatterns.caching import Cache, disk_store, redis_store
from quartpatterns.subclassing import FaithfulQuart

# Imported here, because an import in a test would block its event loop.
STORES = (disk_store, redis_store)
# Every store and every class of application, but not every pair of them.
PLACES = {
    "memory, Quart": ("SimpleCache", Quart),
    "memory, FaithfulQuart": ("SimpleCache", FaithfulQuart),
    "Redis": ("RedisCache", FaithfulQuart),
    "disk": ("FileSystemCache", Quart),
}


@pytest.fixture(params=list(PLACES.values()), ids=list(PLACES))
def place(request: pytest.FixtureRequest) -> tuple[str, type[Quart]]:
    """A store and a class of application."""
    found: tuple[str, type[Quart]] = request.param
    return found


@pytest.fixture
def kind(place: tuple[str, type[Quart]]) -> str:
    """The name of the store."""
    return place[0]


@pytest.fixture
def make_app(place: tuple[str, type[Quart]]) -> type[Quart]:
    """The class of the application."""
    return place[1]


@pytest.fixture
def config(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """The configuration of a store that only this test uses."""
    prefix = f"test:{secrets.token_hex(6)}:"
    found: dict[str, Any] = {"CACHE_TYPE": kind, "CACHE_KEY_PREFIX": prefix, "SECRET_KEY": "key"}
    # On a busy machine an answer may take longer than the default of one second.
    found["CACHE_STORE_TIMEOUT"] = 20.0
    if kind == "RedisCache":
        found["CACHE_REDIS_URL"] = request.getfixturevalue("redis_url")
    elif kind == "FileSystemCache":
        found["CACHE_DIR"] = str(tmp_path / "cache")
    return found


@pytest.fixture
async def app(make_app: type[Quart], config: dict[str, Any]) -> AsyncIterator[Quart]:
    """A configured application."""
    made = make_app(__name__)
    made.config.from_mapping(config)
    yield made


@pytest.fixture
async def cache(app: Quart) -> AsyncIterator[Cache]:
    """The cache of *app*, closed at the end."""
    made = Cache(app)
    yield made
    await made.app_cache().store.close()
