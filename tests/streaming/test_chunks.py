"""``coalesce`` keeps the content, the size and the delay."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from contextvars import ContextVar
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartpatterns.streaming import coalesce
from tests.examples import examples
from tests.serving import TIMEOUT, eventually

Chunks = list[str | bytes]

chunks_of_any_kind = st.lists(
    st.one_of(st.text(max_size=20), st.binary(max_size=20), st.binary(min_size=90, max_size=200)),
    max_size=60,
)


def as_bytes(chunks: Chunks) -> list[bytes]:
    return [chunk.encode() if isinstance(chunk, str) else chunk for chunk in chunks]


def source_of(kind: str, chunks: Chunks, pauses: list[float] | None = None) -> Any:
    waits = iter(pauses or [])

    async def steps() -> AsyncGenerator[str | bytes, None]:
        for chunk in chunks:
            if pause := next(waits, 0):
                await asyncio.sleep(pause)
            yield chunk

    def sync_steps() -> Generator[str | bytes, None, None]:
        for chunk in chunks:
            if pause := next(waits, 0):
                time.sleep(pause)
            yield chunk

    return steps() if kind == "async" else sync_steps()


async def collected(kind: str, chunks: Chunks, **options: Any) -> list[bytes]:
    return [chunk async for chunk in coalesce(source_of(kind, chunks), **options)]


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["async", "sync"])
@given(chunks=chunks_of_any_kind, size=st.integers(1, 100), delay=st.sampled_from([0, 0.001, 60.0]))
@settings(max_examples=examples(150))
def test_content(kind: str, chunks: Chunks, size: int, delay: float) -> None:
    """The content stays the same, and chunks are not longer than the size unless one was."""
    joined = asyncio.run(collected(kind, chunks, size=size, delay=delay))
    parts = as_bytes(chunks)
    assert b"".join(joined) == b"".join(parts)
    assert all(0 < len(chunk) <= size or chunk in parts for chunk in joined)
    if delay == 60.0:  # Two chunks that fit together are joined.
        assert all(len(one) + len(other) > size for one, other in pairwise(joined))


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["async", "sync"])
@given(
    groups=st.lists(st.integers(1, 4), min_size=1, max_size=6),
    size=st.sampled_from([12, 1000]),
    delay=st.sampled_from([0, 0.005]),
)
@settings(max_examples=examples(25))
def test_delay(kind: str, groups: list[int], size: int, delay: float) -> None:
    """No chunk is held back until the next one arrives.

    The source waits after each group of chunks until all of them have been consumed.
    """
    produced = consumed = 0

    async def steps() -> AsyncGenerator[bytes, None]:
        nonlocal produced
        for group in groups:
            for _ in range(group):
                produced += 4
                yield b"abcd"
            while consumed < produced:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def sync_steps() -> Generator[bytes, None, None]:
        nonlocal produced
        for group in groups:
            for _ in range(group):
                produced += 4
                yield b"abcd"
            give_up = time.monotonic() + TIMEOUT
            while consumed < produced and time.monotonic() < give_up:
                time.sleep(0.001)

    async def consume() -> None:
        nonlocal consumed
        source: Any = steps() if kind == "async" else sync_steps()
        async with asyncio.timeout(TIMEOUT):
            async for chunk in coalesce(source, size=size, delay=delay):
                consumed += len(chunk)

    asyncio.run(consume())
    assert consumed == 4 * sum(groups)


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_joined_within_the_delay(kind: str) -> None:
    """Chunks that arrive together are joined, and do not wait for one that never arrives."""
    go_on, go_on_in_thread = asyncio.Event(), threading.Event()

    async def steps() -> AsyncGenerator[str, None]:
        for chunk in ("one ", "two ", "three"):
            yield chunk
        await go_on.wait()
        yield "four"

    def sync_steps() -> Generator[str, None, None]:
        yield from ("one ", "two ", "three")
        go_on_in_thread.wait(TIMEOUT)
        yield "four"

    source: Any = steps() if kind == "async" else sync_steps()
    async with aclosing(coalesce(source, delay=0.1)) as joined:
        start = time.monotonic()
        assert await anext(joined) == b"one two three"
        assert 0.05 < time.monotonic() - start < TIMEOUT / 2
        go_on.set()
        go_on_in_thread.set()
        assert await anext(joined) == b"four"


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_full_size(kind: str) -> None:
    """A full size does not wait for the delay, nor does the end."""
    start = time.monotonic()
    assert await collected(kind, ["12", "34", "5"], size=4, delay=60) == [b"1234", b"5"]
    assert time.monotonic() - start < TIMEOUT


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_empty_chunks(kind: str) -> None:
    """Empty chunks are dropped."""
    assert await collected(kind, ["", b""], delay=0) == []
    assert await collected(kind, ["", b"one", ""], delay=0) == [b"one"]


@pytest.mark.parametrize("error", [LookupError, asyncio.CancelledError])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_error(kind: str, error: type[BaseException]) -> None:
    """An exception of the source is raised after all chunks that came before it."""

    async def steps() -> AsyncGenerator[str, None]:
        for chunk in sync_steps():
            yield chunk

    def sync_steps() -> Generator[str, None, None]:
        yield from ("one ", "two ", "three")
        raise error

    received = []
    with pytest.raises(error):
        async for chunk in coalesce(steps() if kind == "async" else sync_steps(), size=5):
            received.append(chunk)
    assert received == [b"one ", b"two ", b"three"]


@pytest.mark.parametrize("how", ["aclose", "cancel", "aclose at the end"])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_closing(kind: str, how: str) -> None:
    """The source is closed at once, and no task remains."""
    closed: list[str] = []
    go_on = threading.Event()
    before = asyncio.all_tasks()

    async def steps() -> AsyncGenerator[str, None]:
        try:
            yield "first"
            if how != "aclose at the end":
                await asyncio.sleep(TIMEOUT)
        finally:
            await asyncio.sleep(0)
            closed.append(kind)

    def sync_steps() -> Generator[str, None, None]:
        try:
            yield "first"
            if how != "aclose at the end":
                go_on.wait(TIMEOUT)
            yield "second"
        finally:
            closed.append(kind)

    stream = coalesce(steps() if kind == "async" else sync_steps(), size=5)
    assert await anext(stream) == b"first"
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    if how == "cancel":
        task = asyncio.create_task(stream.__anext__())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await stream.aclose()
    assert closed == [kind]
    assert asyncio.all_tasks() == before


async def test_closing_a_slow_source() -> None:
    """The thread stops at the next item, not when the size is full, after closing."""
    produced = 0

    def sync_steps() -> Generator[str, None, None]:
        nonlocal produced
        for _ in range(1000):
            produced += 1
            yield "."
            time.sleep(0.02)

    stream = coalesce(sync_steps(), delay=0.01)
    await anext(stream)
    await stream.aclose()
    assert produced < 100


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_error_while_closing(kind: str) -> None:
    """An exception while the source is closed is raised."""

    async def steps() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield bytes(100)
        finally:
            raise LookupError("closing")

    def sync_steps() -> Generator[bytes, None, None]:
        try:
            while True:
                yield bytes(100)
        finally:
            raise LookupError("closing")

    stream = coalesce(steps() if kind == "async" else sync_steps(), size=100)
    await anext(stream)
    with pytest.raises(LookupError, match="closing"):
        await stream.aclose()


@pytest.mark.checks("ST-1")
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_read_ahead(kind: str) -> None:
    """At most one size and one chunk are read ahead of a slow consumer."""
    produced = 0

    def sync_steps() -> Generator[bytes, None, None]:
        nonlocal produced
        while True:
            produced += 1
            yield bytes(30)

    async def steps() -> AsyncGenerator[bytes, None]:
        for chunk in sync_steps():
            yield chunk

    async with aclosing(coalesce(steps() if kind == "async" else sync_steps(), size=100)) as joined:
        for consumed in range(1, 6):
            assert len(await anext(joined)) == 90
            await asyncio.sleep(0.02)
            assert (produced - 3 * consumed) * 30 < 100 + 30


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_larger_read_ahead(kind: str) -> None:
    """With a larger bound, a source that fits is read to its end and closed; a longer one waits."""
    produced = 0
    closed = threading.Event()

    def sync_steps(count: int) -> Generator[bytes, None, None]:
        nonlocal produced
        produced = 0
        try:
            for _ in range(count):
                produced += 1
                yield bytes(30)
        finally:
            closed.set()

    async def steps(count: int) -> AsyncGenerator[bytes, None]:
        with closing(sync_steps(count)) as chunks:
            for chunk in chunks:
                yield chunk

    for count, fits in ((30, True), (1000, False)):
        closed.clear()
        source: Any = steps(count) if kind == "async" else sync_steps(count)
        async with aclosing(coalesce(source, size=90, read_ahead=900)) as joined:
            assert len(await anext(joined)) == 90
            if fits:
                await eventually(closed.is_set)
            await asyncio.sleep(0.02)
            assert (produced - 3) * 30 <= 900 + 30
            assert closed.is_set() is fits
            if fits:
                assert len(b"".join([chunk async for chunk in joined])) == 30 * 30 - 90
        assert closed.is_set()


async def test_nothing_is_read_early() -> None:
    """Nothing is read before the first chunk is requested."""
    before = asyncio.all_tasks()
    source = iter(["one"])
    stream = coalesce(source)
    await asyncio.sleep(0.02)
    await stream.aclose()
    assert list(source) == ["one"]
    assert asyncio.all_tasks() == before


async def test_sync_in_a_thread() -> None:
    """A synchronous source runs in a thread, in one context, which is the consumer's."""
    variable: ContextVar[str] = ContextVar("variable")

    def sync_steps() -> Generator[str, None, None]:
        for _ in range(100):
            variable.set(variable.get() + ".")
            yield f"{threading.current_thread() is threading.main_thread()} {len(variable.get())}\n"

    variable.set("")
    lines = b"".join([chunk async for chunk in coalesce(sync_steps(), size=50)]).splitlines()
    assert lines == [b"False %d" % number for number in range(1, 101)]


async def test_event_loop_is_not_blocked() -> None:
    """An asynchronous source that never waits does not block the event loop."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    chunks: Chunks = ["."] * 20_000
    assert len(b"".join(await collected("async", chunks, size=100))) == 20_000
    task.cancel()
    assert turns > 100


class Letters(AsyncIterator[str]):
    """An asynchronous iterator that can't be closed."""

    def __init__(self) -> None:
        self.letters: Iterator[str] = iter("abc")

    async def __anext__(self) -> str:
        try:
            return next(self.letters)
        except StopIteration:
            raise StopAsyncIteration from None


@pytest.mark.parametrize(
    "chunks", [pytest.param(Letters(), id="async"), pytest.param(["a", b"b", "c"], id="list")]
)
async def test_any_iterable(chunks: Any) -> None:
    assert [chunk async for chunk in coalesce(chunks)] == [b"abc"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"size": 0}, "size must be a number of bytes, 1 or more, not 0", id="size"),
        pytest.param(
            {"delay": -1}, "delay must be a number of seconds, 0 or more, not -1", id="delay"
        ),
        pytest.param({"delay": float("nan")}, "not nan", id="nan"),
        pytest.param(
            {"size": 100, "read_ahead": 99},
            "read_ahead must be a number of bytes, 100 or more, not 99",
            id="read_ahead",
        ),
    ],
)
async def test_invalid_options(options: dict[str, Any], message: str) -> None:
    """Invalid options raise an error at once, not with the first chunk."""
    with pytest.raises(ValueError, match=message):
        coalesce([], **options)


async def test_wrong_items() -> None:
    """Other types than str and bytes raise an error."""
    with pytest.raises(TypeError):
        [chunk async for chunk in coalesce([1])]  # type: ignore[list-item]
