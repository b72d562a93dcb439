"""What is compared: two applications by name, the cases, and what must be there first."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quartpatterns import catalog
from quartpatterns.compare.case import Arrangement, Case
from quartpatterns.compare.loading import load
from quartpatterns.compare.parity import Result, Side, Transport, compare_applications
from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.servers import Server, serve

__all__ = ["Subject", "compare_subject", "pattern_subject"]

Arrange = Callable[[Path], AbstractAsyncContextManager[Arrangement | None]]


@contextlib.asynccontextmanager
async def nothing_to_arrange(folder: Path) -> AsyncIterator[Arrangement | None]:
    """The arrangement of applications that are created without a configuration."""
    yield None


@dataclass(frozen=True, slots=True)
class Subject:
    """Two applications and what to ask them.

    Arguments:
        name: What the report calls them.
        original: The name of the original, as :func:`~quartpatterns.compare.loading.load`
            takes it.
        port: The name of the port.
        cases: What to ask.
        arrange: Given a folder, yields the configuration of both for as long as they are used;
            ``None`` where they take none.
    """

    name: str
    original: str
    port: str
    cases: Sequence[Case]
    arrange: Arrange = nothing_to_arrange


def pattern_subject(name: str) -> Subject:
    """The subject of the pattern called *name*.

    Raises:
        LookupError: There is no such pattern.
    """
    catalog.get(name)  # raises where there is none
    module = importlib.import_module(f"quartpatterns.{name}.example.cases")
    arrange = getattr(module, "arrange", _defaults)
    package = f"quartpatterns.{name}.example"
    original, port = f"{package}.original:create_app", f"{package}.port:create_app"
    return Subject(name, original, port, module.CASES, arrange)


@contextlib.asynccontextmanager
async def _defaults(folder: Path) -> AsyncIterator[Arrangement]:
    yield Arrangement()


async def compare_subject(subject: Subject, transport: Transport) -> AsyncIterator[Result]:
    """Arrange what *subject* needs, start both sides, and yield a result for each case.

    Raises:
        LoadError: An application can't be had.
        StartError: A server or service did not start.
    """
    async with contextlib.AsyncExitStack() as stack:
        temporary = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="quartpatterns-")
        folder = Path(await stack.enter_async_context(in_thread(temporary)))
        given = await stack.enter_async_context(subject.arrange(folder))
        original_config, port_config = (given.original, given.port) if given else (None, None)

        async def side(name: str, server: Server, config: Mapping[str, Any] | None) -> Side:
            if transport == "in process":
                return await asyncio.to_thread(load, name, config)
            running = in_thread(serve(name, server, config=config, folder=folder))
            return (await stack.enter_async_context(running)).url

        original = await side(subject.original, "gunicorn-gthread", original_config)
        port = await side(subject.port, "hypercorn", port_config)
        async for result in compare_applications(
            original, port, subject.cases, transport=transport
        ):
            yield result
