"""The versions of stores, on which the validity of records depends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from quartpatterns.caching import Cache
from quartpatterns.caching.keys import VERSION_TTL, tag_versions
from quartpatterns.caching.records import Record, encode_value
from quartpatterns.caching.stores import MemoryStore

RECORD = Record(encode_value("value"))


@pytest.mark.checks("CA-5")
async def test_versions_last_as_long_as_records(cache: Cache) -> None:
    """Storing a record extends its versions, which would otherwise expire before it."""
    store = cache.app_cache().store
    tokens = await store.get_or_create_tokens({"version": 1.0})
    assert await store.set("a", RECORD, 60, {"version": 60})
    await asyncio.sleep(1.2)
    assert await store.get("a", ["version"]) == (RECORD, tokens)
    assert await store.get_or_create_tokens({"version": 60}) == tokens


@pytest.mark.checks("CA-5")
async def test_deleted_version(cache: Cache) -> None:
    """A deleted version has no token, and then gets a new one."""
    store = cache.app_cache().store
    tokens = await store.get_or_create_tokens({"version": 60})
    assert await store.delete("version", "missing") == (True, False)
    assert await store.get("a", ["version"]) == (None, (None,))
    assert await store.get_or_create_tokens({"version": 60}) != tokens


async def test_versions_in_memory() -> None:
    """The memory has room for several versions of each record."""
    store = MemoryStore(10)
    versions = {f"version {number}": 60.0 for number in range(40)}
    tokens = await store.get_or_create_tokens(versions)
    assert (await store.get("a", versions))[1] == tokens


@pytest.mark.checks("CA-5", "CA-6")
async def test_versions_of_several_records(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of several records lasts longer than the record that was stored last."""
    store = cache.app_cache().store
    stored: dict[str, float] = {}
    original = store.set

    async def record_versions(
        key: str, record: Record, ttl: float, versions: Mapping[str, float] | None = None
    ) -> bool:
        stored.update(versions or {})
        return await original(key, record, ttl, versions)

    monkeypatch.setattr(store, "set", record_versions)

    @cache.memoize(timeout=1, tags=["tag"])
    async def function(number: int) -> int:
        return number

    assert await function(7) == 7
    ttls: dict[str, Any] = {name.partition(":")[0]: ttl for name, ttl in stored.items()}
    assert ttls == {"call": 1, "memoize": VERSION_TTL, "tag": VERSION_TTL}
    assert tag_versions(["a"], 2 * VERSION_TTL, (), {}) == {"tag:a": 2 * VERSION_TTL}
