"""The fixture `visits`: counts the calls that the event loop of a test hands to threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest


class Visits(ThreadPoolExecutor):
    """A thread pool that counts its calls."""

    count = 0

    def submit(self, *args: Any, **options: Any) -> Future[Any]:
        self.count += 1
        return super().submit(*args, **options)


@pytest.fixture
async def visits() -> AsyncIterator[Visits]:
    """The default executor of the event loop of this test."""
    with Visits(2) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        yield threads
