from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import pytest

from quartpatterns.compare.case import Step
from quartpatterns.compare.inprocess import Sides, measure_sides, order
from quartpatterns.compare.prepared import prepare
from tests.compare.benched import original, port


async def measure(
    one: Any, other: Any, step: Step, *, rounds: int = 3, seconds: float = 0.01
) -> Sides:
    with ThreadPoolExecutor(1) as thread:
        request = await prepare(step)
        return await measure_sides(one, other, request, thread, rounds=rounds, seconds=seconds)


def burn(microseconds: float) -> None:
    end = time.thread_time() + microseconds / 1e6
    while time.thread_time() < end:
        pass


def wsgi(microseconds: float) -> Any:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        burn(microseconds)
        start_response("200 OK", [])
        return [b""]

    return app


def asgi(microseconds: float) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        burn(microseconds)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize(
    ("rounds", "turns"), [(1, "AB"), (2, "ABBA"), (3, "ABBAAB"), (4, "ABBAABBA")]
)
def test_order(rounds: int, turns: str) -> None:
    """The sides take turns, and neither is always first."""
    assert "".join("AB"[turn] for turn in order(rounds)) == turns


async def test_burnt() -> None:
    """The CPU time of a request is what the application burns, and a little around it."""
    sides = await measure(wsgi(300), asgi(900), Step("/"))
    assert 300 <= median(sides.original) < 800
    assert 900 <= median(sides.port) < 1800
    assert len(sides.original) == len(sides.port) == 3


async def test_waiting_is_free() -> None:
    """Time that an application waits is no CPU time, and a slow one is asked less often."""

    def waits(environ: Any, start_response: Any) -> Iterable[bytes]:
        time.sleep(0.02)
        return wsgi(0)(environ, start_response)  # type: ignore[no-any-return]

    sides = await measure(waits, asgi(0), Step("/"), seconds=0.04)
    assert sides.requests <= 2
    assert median(sides.original) < 5000


async def test_threads_count() -> None:
    """CPU time that an application burns in a thread of its own counts."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(burn, 900)

    sides = await measure(wsgi(0), app, Step("/"))
    assert median(sides.port) >= 900


async def test_each_gets_its_body() -> None:
    """Each request has the body anew, and an ASGI application that asks on hears nothing."""
    seen: list[bytes] = []

    def one(environ: Any, start_response: Any) -> Iterable[bytes]:
        seen.append(environ["wsgi.input"].read())
        return [b""]

    async def other(scope: Any, receive: Any, send: Any) -> None:
        seen.append((await receive())["body"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.001)

    await measure(one, other, Step("/", method="POST", body=b"all of it"), seconds=0.02)
    assert set(seen) == {b"all of it"}
    assert len(seen) > 20


async def test_close() -> None:
    """A WSGI answer is read to its end and closed, as a server does."""
    closed: list[int] = []

    class Answer:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            yield b"b"
            closed.append(1)

        def close(self) -> None:
            closed.append(2)

    await measure(lambda environ, start_response: Answer(), asgi(0), Step("/"), rounds=1)
    assert closed[:4] == [1, 2, 1, 2]


async def test_threads() -> None:
    """A WSGI application runs in one thread without a loop, as under a server."""
    threads: set[int] = set()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        threads.add(threading.get_ident())
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return [b""]

    await measure(app, asgi(0), Step("/"))
    assert len(threads) == 1 and threading.get_ident() not in threads


async def test_real() -> None:
    """A Flask and a Quart application are measured, both in microseconds."""
    sides = await measure(original(), port(), Step("/rows"))
    assert all(5 < value < 50_000 for value in (*sides.original, *sides.port))


async def test_raises() -> None:
    """What an application raises is not swallowed."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await measure(app, asgi(0), Step("/"))
