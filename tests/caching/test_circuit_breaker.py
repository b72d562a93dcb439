"""A store that has failed is not called for a while, and is used again once it works."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import pytest

from quartpatterns.caching import CacheUnavailableError
from quartpatterns.caching.circuit_breaker import CircuitBreaker, timeout_of_a_busy_loop
from quartpatterns.caching.settings import read_settings

pytestmark = pytest.mark.checks("CA-14")
Clock = Callable[[float], None]


class RefusedError(OSError):
    """A store that is there refuses a command."""


class Store:
    """Fails with *error*, and counts calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return "answer"


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def breaker() -> CircuitBreaker:
    config = {"CACHE_STORE_TIMEOUT": 5.0, "CACHE_RETRY_AFTER": 10.0}
    return CircuitBreaker("the store", read_settings(config, ""), (OSError,), (RefusedError,))


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the clock of the circuit breaker."""

    def set_to(seconds: float) -> None:
        clock = SimpleNamespace(monotonic=lambda: seconds)
        monkeypatch.setattr("quartpatterns.caching.circuit_breaker.time", clock)

    set_to(1000.0)
    return set_to


async def fails(call: Awaitable[object]) -> bool:
    try:
        await call
    except CacheUnavailableError:
        return True
    return False


async def test_opens_and_closes(
    breaker: CircuitBreaker, store: Store, set_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """After a failure the store is called once every ten seconds, until it answers."""
    assert await breaker.call(store) == "answer"
    store.error = ConnectionError("gone")
    for seconds, calls in ((1000.0, 2), (1000.0, 2), (1009.9, 2), (1010.1, 3), (1020.0, 3)):
        set_clock(seconds)
        assert await fails(breaker.call(store))
        assert store.calls == calls
    store.error = None
    set_clock(1020.2)
    for _ in range(3):
        assert await breaker.call(store) == "answer"
    assert [record.message for record in caplog.records] == [
        "The cache the store is unavailable, so that everything is a cache miss: gone",
        "The cache the store is available again.",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


async def test_one_call_tries_again(
    breaker: CircuitBreaker, store: Store, set_clock: Clock
) -> None:
    """While one call finds out whether the store works, the others fail at once."""
    store.error = ConnectionError()
    assert await fails(breaker.call(store))
    set_clock(1011.0)
    answer = asyncio.Event()

    async def wait() -> str:
        await answer.wait()
        return "late answer"

    trial = asyncio.create_task(breaker.call(wait))
    await asyncio.sleep(0)
    assert await fails(breaker.call(store))
    assert store.calls == 1
    answer.set()
    assert await trial == "late answer"
    store.error = None
    assert await breaker.call(store) == "answer"


async def test_answer_from_before_the_failure(
    breaker: CircuitBreaker, store: Store, set_clock: Clock
) -> None:
    """A late answer to a call from before the failure doesn't close the circuit."""
    answer = asyncio.Event()

    async def wait() -> str:
        await answer.wait()
        return "late answer"

    early = asyncio.create_task(breaker.call(wait))
    await asyncio.sleep(0)
    set_clock(1001.0)
    store.error = ConnectionError()
    assert await fails(breaker.call(store))
    answer.set()
    assert await early == "late answer"
    store.error = None
    assert await fails(breaker.call(store))


async def test_refusals(
    breaker: CircuitBreaker, store: Store, set_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that refuses a command is called again, and logged once a minute."""
    store.error = RefusedError("full")
    for seconds in (1000.0, 1001.0, 1059.0, 1061.0, 1062.0):
        set_clock(seconds)
        assert await fails(breaker.call(store))
    assert store.calls == 5
    assert [record.message for record in caplog.records] == [
        "The cache the store refuses commands: full"
    ] * 2


async def test_other_errors_pass(breaker: CircuitBreaker, store: Store) -> None:
    store.error = LookupError()
    with pytest.raises(LookupError):
        await breaker.call(store)
    store.error = None
    assert await breaker.call(store) == "answer"


async def test_timeout(caplog: pytest.LogCaptureFixture) -> None:
    """A store that doesn't answer is unavailable; the log names the timeout."""
    settings = read_settings({"CACHE_STORE_TIMEOUT": 0.05}, "")
    breaker = CircuitBreaker("the store", settings, (OSError,))
    with pytest.raises(CacheUnavailableError) as caught:
        await breaker.call(asyncio.Event().wait)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert "no answer in 0.05 s" in caplog.text


async def test_timeout_while_the_loop_is_busy(caplog: pytest.LogCaptureFixture) -> None:
    """An answer that has arrived while other code blocked the loop is read."""
    loop = asyncio.get_running_loop()
    for _ in range(3):
        answer = loop.create_future()
        loop.call_later(0.01, answer.set_result, "answer")
        loop.call_soon(time.sleep, 0.3)
        async with timeout_of_a_busy_loop(0.2):
            assert await answer == "answer"
    # No timer is left that would fail now.
    await asyncio.sleep(0.3)
    assert not caplog.records
