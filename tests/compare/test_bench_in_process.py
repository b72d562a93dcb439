from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

import pytest

from quartpatterns.compare.bench_in_process import CPUTimes, measure_cpu_times, turns
from quartpatterns.compare.case import Step
from quartpatterns.compare.request import prepare_request
from tests.compare.bench_apps import original, port


async def measure(
    original: Any,
    port: Any,
    step: Step,
    *,
    rounds: int = 3,
    seconds: float = 0.01,
    raises: tuple[bool, bool] = (False, False),
) -> CPUTimes:
    with ThreadPoolExecutor(1) as thread:
        request = await prepare_request(step)
        return await measure_cpu_times(
            original, port, request, thread, rounds=rounds, seconds=seconds, raises=raises
        )


def use_cpu(microseconds: float) -> None:
    end = time.thread_time() + microseconds / 1e6
    while time.thread_time() < end:
        pass


def wsgi(microseconds: float) -> Any:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        use_cpu(microseconds)
        start_response("200 OK", [])
        return [b""]

    return app


def asgi(microseconds: float) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        use_cpu(microseconds)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return app


@pytest.mark.parametrize(
    ("rounds", "expected"), [(1, "AB"), (2, "ABBA"), (3, "ABBAAB"), (4, "ABBAABBA")]
)
def test_turns(rounds: int, expected: str) -> None:
    """The applications take turns, and neither is always first."""
    assert "".join("AB"[turn] for turn in turns(rounds)) == expected


def test_turns_of_several() -> None:
    """Several applications take turns forwards and backwards."""
    assert turns(3, 3) == [0, 1, 2, 2, 1, 0, 0, 1, 2]


async def test_cpu_time() -> None:
    """The result is the CPU time of the application and little more."""
    times = await measure(wsgi(300), asgi(6000), Step("/"))
    assert 300 <= median(times.original) < 6000 <= median(times.port)
    assert len(times.original) == len(times.port) == 3


async def test_waiting_uses_no_cpu_time() -> None:
    """Waiting is no CPU time, and a slow application receives fewer requests."""

    def waits(environ: Any, start_response: Any) -> Iterable[bytes]:
        time.sleep(0.02)
        return wsgi(0)(environ, start_response)  # type: ignore[no-any-return]

    times = await measure(waits, asgi(0), Step("/"), seconds=0.04)
    assert times.requests <= 2
    assert median(times.original) < 15_000


async def test_cpu_time_of_threads() -> None:
    """CPU time in a thread of the application is included."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.to_thread(use_cpu, 900)

    times = await measure(wsgi(0), app, Step("/"))
    assert median(times.port) >= 900


async def test_expected_exceptions() -> None:
    """An exception that is expected ends its request; any other ends the measurement."""
    calls = 0

    def raises(environ: Any, start_response: Any) -> Iterable[bytes]:
        nonlocal calls
        calls += 1
        use_cpu(300)
        raise LookupError("nothing")

    times = await measure(raises, asgi(0), Step("/"), raises=(True, False))
    assert median(times.original) >= 300 and calls > 3
    with pytest.raises(LookupError):
        await measure(raises, asgi(0), Step("/"))
    with pytest.raises(LookupError):
        await measure(asgi(0), raises, Step("/"), raises=(True, False))


async def test_bodies() -> None:
    """Each request has the body; after it, an ASGI client stays connected."""
    bodies: list[bytes] = []

    def wsgi_app(environ: Any, start_response: Any) -> Iterable[bytes]:
        bodies.append(environ["wsgi.input"].read())
        return [b""]

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.001)

    await measure(wsgi_app, asgi_app, Step("/", method="POST", body=b"all of it"), seconds=0.02)
    assert set(bodies) == {b"all of it"}
    assert len(bodies) >= 8


async def test_close() -> None:
    """A WSGI response is read to its end and closed, as a server does."""
    closed: list[int] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            yield b"b"
            closed.append(1)

        def close(self) -> None:
            closed.append(2)

    await measure(lambda environ, start_response: Body(), asgi(0), Step("/"), rounds=1)
    assert closed[:4] == [1, 2, 1, 2]


async def test_wsgi_thread() -> None:
    """A WSGI application runs in one thread without an event loop, as under a server."""
    threads: set[int] = set()

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        threads.add(threading.get_ident())
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return [b""]

    await measure(app, asgi(0), Step("/"))
    assert len(threads) == 1 and threading.get_ident() not in threads


async def test_flask_and_quart() -> None:
    """The result is in microseconds."""
    times = await measure(original(), port(), Step("/rows"))
    assert all(5 < value < 1_000_000 for value in (*times.original, *times.port))


async def test_exception() -> None:
    """An exception of the application is raised."""

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await measure(app, asgi(0), Step("/"))
