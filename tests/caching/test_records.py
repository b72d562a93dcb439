"""Data that somebody else has written into a shared store is neither trusted nor run."""

from __future__ import annotations

import pickle
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from quartpatterns.caching import Cache
from quartpatterns.caching.records import (
    Record,
    RecordSerializer,
    StoredResponse,
    StoredValue,
    encode_value,
)

ran: list[str] = []


def explode() -> None:
    ran.append("boom")


class Bomb:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return explode, ()


def test_bomb() -> None:
    """It does run code if it is unpickled."""
    pickle.loads(pickle.dumps(Bomb()))
    assert ran.pop() == "boom"


RECORDS = [
    Record(StoredResponse(200, (("A", "b"), ("A", "ü")), b"\x00\n\xff"), ("t", ""), 1.5),
    Record(encode_value({"a": (1,)}), (), 0.0),
    Record(None, ("x",), 7.0),
]


@pytest.mark.checks("CA-15")
@pytest.mark.parametrize("secret", [None, "", "key", b"key", "ü" * 500])
@pytest.mark.parametrize("record", RECORDS)
def test_round_trip(record: Record, secret: Any) -> None:
    serializer = RecordSerializer(lambda: secret)
    assert serializer.loads("k", serializer.dumps("k", record)) == record


@pytest.mark.checks("CA-15")
@pytest.mark.parametrize("record", RECORDS)
def test_tampered(record: Record) -> None:
    """A changed bit, another key, and another or no secret make the record invalid."""
    serializer = RecordSerializer(lambda: "key")
    data = serializer.dumps("k", record)
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert serializer.loads("k", changed) is None
    assert serializer.loads("k2", data) is None
    assert RecordSerializer(lambda: "other").loads("k", data) is None
    assert RecordSerializer(lambda: None).loads("k", data) is None
    assert serializer.loads("k", RecordSerializer(lambda: None).dumps("k", record)) is None


@pytest.mark.checks("CA-15")
@given(st.binary() | st.text() | st.integers() | st.none())
def test_garbage(data: Any) -> None:
    for serializer in (RecordSerializer(lambda: None), RecordSerializer(lambda: "key")):
        assert serializer.loads("k", data) is None
        if isinstance(data, bytes):
            assert serializer.loads("k", bytes(16) + data) is None


@pytest.mark.checks("CA-15")
def test_pickles_need_a_signature() -> None:
    """Without a secret key a pickle is neither written nor read."""
    record = Record(StoredValue(pickle.dumps(Bomb()), pickled=True))
    unsigned = RecordSerializer(lambda: None, pickles=True)
    with pytest.raises(RuntimeError, match="needs a SECRET_KEY"):
        unsigned.dumps("k", record)
    forged = bytes(16) + b'[0, [], "pickle"]\n' + pickle.dumps(Bomb())
    assert unsigned.loads("k", forged) is None
    signed = RecordSerializer(lambda: "key", pickles=True)
    assert signed.loads("k", forged) is None
    assert signed.loads("k", signed.dumps("k", record)) == record
    assert RecordSerializer(lambda: "key").loads("k", signed.dumps("k", record)) is None
    assert not ran


@pytest.mark.checks("CA-15")
@pytest.mark.parametrize("secret", [None, "key"])
@pytest.mark.parametrize("serializer", ["json", "pickle"])
async def test_pickle_in_redis(
    redis_url: str, app_class: type[Quart], secret: str | None, serializer: str
) -> None:
    """A pickle that somebody else has written is a cache miss, and not loaded."""
    app = app_class(__name__)
    app.secret_key = secret
    cache = Cache(
        app,
        config={
            "CACHE_TYPE": "RedisCache",
            "CACHE_REDIS_URL": redis_url,
            "CACHE_KEY_PREFIX": "bomb:",
            "CACHE_SERIALIZER": serializer,
        },
    )
    calls: list[int] = []

    @cache.cached(timeout=60, key_prefix="a")
    async def function() -> int:
        calls.append(1)
        return 1

    with redis.Redis.from_url(redis_url) as client:
        for bomb in (
            pickle.dumps(Bomb()),
            b"sum:0_" + pickle.dumps(Bomb()),
            bytes(16) + b'[0, [], "pickle"]\n' + pickle.dumps(Bomb()),
            b"42",
            b"",
        ):
            client.set("bomb:a", bomb)
            assert await cache.get("a") is None
        client.lpush("bomb:list", "of another type")
    assert await cache.get("list") is None
    if secret or serializer == "json":
        assert await function() == await function() == 1
        assert len(calls) == 1
    await cache.clear()
    await cache.app_cache().store.close()
    assert not ran


@pytest.mark.checks("CA-15")
async def test_pickle_on_disk(tmp_path: Path, app_class: type[Quart]) -> None:
    """The same in the database of diskcache, as a value or as the name of a file."""
    app = app_class(__name__)
    cache = Cache(app, config={"CACHE_TYPE": "FileSystemCache", "CACHE_DIR": str(tmp_path)})
    await cache.set_many({"a": 1, "b": 2, "c": 3})
    await cache.app_cache().store.close()
    (tmp_path / "bomb").write_bytes(pickle.dumps(Bomb()))
    with sqlite3.connect(tmp_path / "cache.db") as database:
        names = [row[0] for row in database.execute("SELECT key FROM Cache ORDER BY rowid")]
        record = RecordSerializer(lambda: None).dumps(names[2], Record(encode_value(3)))
        (tmp_path / "record").write_bytes(record)
        change = "UPDATE Cache SET mode = ?, filename = ?, value = ? WHERE key = ?"
        database.execute(change, (4, None, pickle.dumps(Bomb()), names[0]))
        database.execute(change, (4, "bomb", None, names[1]))
        # A valid record, in a file that is not one of diskcache.
        database.execute(change, (2, "record", None, names[2]))
    database.close()
    assert await cache.get_many("a", "b", "c") == [None] * 3
    assert await cache.set("a", 5) and await cache.get("a") == 5
    assert await cache.clear()
    await cache.app_cache().store.close()
    assert not ran


@pytest.mark.checks("CA-15")
async def test_new_secret(config: dict[str, Any], make_app: type[Quart]) -> None:
    """After a change of the secret key everything in a shared store is a cache miss."""
    for secret, expected in (("key", None), ("key", 1), ("other", None)):
        app = make_app(__name__)
        app.config.from_mapping(config)
        app.secret_key = secret
        cache = Cache(app)
        assert await cache.get("a") == (None if config["CACHE_TYPE"] == "SimpleCache" else expected)
        await cache.set("a", 1)
        await cache.app_cache().store.close()
