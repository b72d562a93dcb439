"""How often a test's event loop hands work to a thread; the fixture `visits` is everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest


class Visits(ThreadPoolExecutor):
    """Counts what is done in a thread."""

    count = 0

    def submit(self, *args: Any, **options: Any) -> Future[Any]:
        self.count += 1
        return super().submit(*args, **options)


@pytest.fixture
async def visits() -> AsyncIterator[Visits]:
    """The threads of this test's event loop."""
    with Visits(2) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        yield threads
