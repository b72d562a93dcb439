"""Measure the CPU time of one request in process: no server, no client."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from quartpatterns._shared.threads import call_in_thread
from quartpatterns.compare.applications import Application, interface
from quartpatterns.compare.request import PreparedRequest

ROUND_SECONDS = 0.1  # duration of a round of the slower application
ROUNDS = 9  # for each application
MAX_REQUESTS = 5000  # in a round
WARM_UP_REQUESTS = 10  # before the first round, if they take no longer than a round


@dataclass(frozen=True, slots=True)
class CPUTimes:
    """CPU microseconds per request, a value for each round."""

    original: tuple[float, ...]
    port: tuple[float, ...]
    requests: int  # in a round


def turns(rounds: int, applications: int = 2) -> list[int]:
    """Return whose turn it is: 0 1 1 0 0 1 1 0 ... for two applications.

    None is always first, so a machine that becomes slower affects all equally.
    """
    forward = range(applications)
    return [turn for index in range(rounds) for turn in (forward, reversed(forward))[index % 2]]


async def measure_cpu_times(
    original: Application,
    port: Application,
    request: PreparedRequest,
    thread: Executor,
    *,
    rounds: int = ROUNDS,
    seconds: float = ROUND_SECONDS,
    raises: tuple[bool, bool] = (False, False),
) -> CPUTimes:
    """Call both applications with *request* in alternating rounds.

    An ASGI application runs on the running loop; the caller runs its lifespan. A WSGI application
    runs in *thread*, which has no event loop, as under a server. The result is the CPU time of the
    whole process, including threads that a framework starts. Garbage collection is unchanged.

    Arguments:
        original: A WSGI or ASGI application.
        port: The other application.
        request: The request.
        thread: An executor with one thread.
        rounds: The number of rounds for each application.
        seconds: The approximate duration of a round of the slower application.
        raises: Whether each application raises an exception, which its server would answer. Such
            an exception ends the request and is part of the measurement. Any other is an error.
    """
    apps = (original, port)
    ignored = [contextlib.suppress(Exception) if each else nullcontext() for each in raises]

    async def run_round(turn: int, count: int) -> float:
        app = apps[turn]
        if interface(app) == "asgi":
            return await _asgi_round(app, request, count, ignored[turn])
        return await call_in_thread(thread, _wsgi_round, app, request, count, ignored[turn])

    durations = [await _warm_up(run_round, turn, seconds) for turn in (0, 1)]
    count = max(1, min(MAX_REQUESTS, round(seconds / max(durations))))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in turns(rounds):
        times[turn].append(await run_round(turn, count))
    return CPUTimes(tuple(times[0]), tuple(times[1]), count)


async def _warm_up(
    run_round: Callable[[int, int], Awaitable[float]], turn: int, limit: float
) -> float:
    """Fill the caches of an application, and return the approximate seconds per request."""
    for count in (1, WARM_UP_REQUESTS, WARM_UP_REQUESTS):
        start = time.perf_counter()
        await run_round(turn, count)
        seconds = (time.perf_counter() - start) / count
        if seconds * WARM_UP_REQUESTS > limit:
            break
    return seconds


def _microseconds_since(start: int) -> float:
    return (time.process_time_ns() - start) / 1000


def _wsgi_round(
    app: Application, request: PreparedRequest, count: int, ignored: AbstractContextManager[None]
) -> float:
    environ, body = request.environ(), request.body
    start = time.process_time_ns()
    for _ in range(count):
        with ignored:
            chunks = app(environ | {"wsgi.input": io.BytesIO(body)}, _start_response)
            try:
                for _chunk in chunks:
                    pass
            finally:
                if hasattr(chunks, "close"):
                    chunks.close()
    return _microseconds_since(start) / count


def _start_response(status: str, headers: Sequence[tuple[str, str]], error: Any = None) -> Any:
    return lambda data: None


async def _asgi_round(
    app: Application, request: PreparedRequest, count: int, ignored: AbstractContextManager[None]
) -> float:
    scope, body = request.scope(), request.body
    start = time.process_time_ns()
    for _ in range(count):
        with ignored:
            await app({**scope, "state": {}}, _receiver(body), _send)
    return _microseconds_since(start) / count


def _receiver(body: bytes) -> Callable[[], Any]:
    """Return a ``receive`` with the body in one message; after it, the client stays connected."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    return receive


async def _send(message: dict[str, Any]) -> None:
    pass
