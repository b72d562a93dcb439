"""What users of ``quartpatterns.streaming`` get from type checkers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from typing import assert_type

from quartpatterns.streaming import (
    coalesce,
    stream_template,
    stream_template_string,
    stream_with_context,
)


async def numbers(count: int) -> AsyncGenerator[str, None]:
    """A generator function with an argument."""
    for number in range(count):
        yield str(number)


def rows(count: int) -> Iterator[bytes]:
    """A synchronous one."""
    yield from (b"row" for _ in range(count))


def context() -> None:
    """The type of the chunks stays, and a decorated function keeps its arguments."""
    assert_type(stream_with_context(numbers(3)), AsyncGenerator[str, None])
    assert_type(stream_with_context(rows(3)), AsyncGenerator[bytes, None])
    decorated = stream_with_context(numbers)
    assert_type(decorated(3), AsyncGenerator[str, None])
    assert_type(decorated(count=3), AsyncGenerator[str, None])
    callback: Callable[[int], AsyncGenerator[bytes, None]] = stream_with_context(rows)
    assert_type(callback(3), AsyncGenerator[bytes, None])


def chunks() -> None:
    """Joined chunks are bytes."""
    assert_type(coalesce(numbers(3)), AsyncGenerator[bytes, None])
    assert_type(coalesce(rows(3), size=100, delay=0.1), AsyncGenerator[bytes, None])
    assert_type(stream_with_context(coalesce(rows(3))), AsyncGenerator[bytes, None])


async def templates() -> None:
    """Templates are streams of str."""
    assert_type(await stream_template("a.html", buffering=1), AsyncGenerator[str, None])
    assert_type(await stream_template_string("{{ a }}", a=1), AsyncGenerator[str, None])
