"""The lifespan of many applications as one: started, stopped, failures forwarded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from .asgi import Receive, Send
from .children import Child, LifespanError, OnStartupFailure, StartupError

__all__ = ["serve_lifespan", "start_all", "stop_all"]


async def start_all(children: Sequence[Child], on_failure: OnStartupFailure | None = None) -> None:
    """Start *children* at once; where one fails, stop those that run.

    Raises:
        StartupError: One or more failed; the message has what each of them said.
    """
    starts = (child.start_or_replace(on_failure) for child in children)
    try:
        _raise_all(await asyncio.gather(*starts, return_exceptions=True), StartupError)
    except BaseException:
        await asyncio.gather(*(child.stop() for child in children), return_exceptions=True)
        raise


async def stop_all(children: Sequence[Child]) -> None:
    """Stop *children* at once, each of them whatever happens to the others.

    Raises:
        LifespanError: One or more failed; the message has what each of them said.
    """
    stops = (child.stop() for child in children)
    _raise_all(await asyncio.gather(*stops, return_exceptions=True), LifespanError)


def _raise_all(results: Sequence[BaseException | None], kind: type[LifespanError]) -> None:
    errors = [result for result in results if result is not None]
    if len(errors) > 1 and all(isinstance(error, LifespanError) for error in errors):
        raise kind("", "; ".join(map(str, errors)))
    for error in errors:
        raise error


async def serve_lifespan(
    receive: Receive,
    send: Send,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
) -> None:
    """Answer a server's lifespan events with *start* and *stop*, and forward their failures."""
    await receive()
    try:
        await start()
    except Exception as error:
        # Whatever it is: a server takes what is raised for missing lifespan support, and serves.
        await send({"type": "lifespan.startup.failed", "message": str(error) or repr(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    try:
        await receive()
    finally:
        # Also where the server cancels us instead: the children are ours to close.
        failure = await _failure_of(stop)
    if failure is not None:
        await send({"type": "lifespan.shutdown.failed", "message": failure})
    else:
        await send({"type": "lifespan.shutdown.complete"})


async def _failure_of(stop: Callable[[], Awaitable[None]]) -> str | None:
    try:
        await stop()
    except LifespanError as error:
        return str(error)
    return None
