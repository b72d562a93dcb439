"""The CPU time of one request in process: the callable and nothing else, no server, no client."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from quartpatterns.compare.loading import interface
from quartpatterns.compare.prepared import Prepared

__all__ = ["ROUND", "ROUNDS", "Sides", "measure_sides", "order"]

ROUND = 0.1  # seconds that a round of the slower side takes
ROUNDS = 9  # for each side
MOST = 5000  # requests in a round
WARM_UP = 10  # requests before the first round, where they take no longer than it

Application = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Sides:
    """CPU microseconds per request, a value for each round.

    Arguments:
        original: Of the original.
        port: Of the port.
        requests: How many requests a round was.
    """

    original: tuple[float, ...]
    port: tuple[float, ...]
    requests: int


def order(rounds: int) -> list[bool]:
    """Whose turn it is, true for the port's: A B B A A B B A ..., *rounds* of each.

    Neither side always goes first, so a machine that grows slower hurts both alike.
    """
    return [turn for index in range(rounds) for turn in ((False, True), (True, False))[index % 2]]


async def measure_sides(
    original: Application,
    port: Application,
    request: Prepared,
    thread: Executor,
    *,
    rounds: int = ROUNDS,
    seconds: float = ROUND,
) -> Sides:
    """Call both sides with *request*, in rounds that take turns.

    Neither collects garbage by other rules than always. An ASGI application runs on the loop
    that runs this, its lifespan is the caller's affair; a WSGI application runs in *thread*,
    where no loop is running, as it is under a server. The time is that of the whole process:
    of threads that a framework starts too.

    Arguments:
        original: A WSGI or ASGI application.
        port: The other.
        request: What to send.
        thread: An executor of one thread.
        rounds: How many for each side.
        seconds: What a round of the slower side takes, about, if a request is faster than that.
    """

    async def one(app: Application, count: int) -> float:
        if interface(app) == "asgi":
            return await _asgi_round(app, request, count)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(thread, _wsgi_round, app, request, count)

    slower = max([await _settled(one, app, seconds) for app in (original, port)])
    count = max(1, min(MOST, round(seconds / slower)))
    found: dict[bool, list[float]] = {False: [], True: []}
    for is_port in order(rounds):
        found[is_port].append(await one(port if is_port else original, count))
    return Sides(tuple(found[False]), tuple(found[True]), count)


async def _settled(one: Callable[[Application, int], Any], app: Application, most: float) -> float:
    """Seconds per request of *app*, roughly, when its caches are filled."""
    for count in (1, WARM_UP, WARM_UP):
        start = time.perf_counter()
        await one(app, count)
        taken = (time.perf_counter() - start) / count
        if taken * WARM_UP > most:
            break
    return taken


def _per_request(start: int, count: int) -> float:
    return (time.process_time_ns() - start) / 1000 / count


def _wsgi_round(app: Application, request: Prepared, count: int) -> float:
    environ, body = request.environ(), request.body
    start = time.process_time_ns()
    for _ in range(count):
        chunks = app(environ | {"wsgi.input": io.BytesIO(body)}, _start_response)
        try:
            for _chunk in chunks:
                pass
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
    return _per_request(start, count)


def _start_response(status: str, headers: Sequence[tuple[str, str]], error: Any = None) -> Any:
    return _write


def _write(data: bytes) -> None:
    pass


async def _asgi_round(app: Application, request: Prepared, count: int) -> float:
    scope, body = request.scope(), request.body
    start = time.process_time_ns()
    for _ in range(count):
        await app({**scope, "state": {}}, _receiver(body), _send)
    return _per_request(start, count)


def _receiver(body: bytes) -> Callable[[], Any]:
    """The body in one message; after it a client that stays and says no more."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    return receive


async def _send(message: dict[str, Any]) -> None:
    pass
