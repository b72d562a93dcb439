"""The fixture `counting_executor`: counts the calls that run in threads of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest


class CountingExecutor(ThreadPoolExecutor):
    """A thread pool that counts its calls."""

    count = 0

    def submit(self, *args: Any, **options: Any) -> Future[Any]:
        self.count += 1
        return super().submit(*args, **options)


@pytest.fixture
async def counting_executor(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CountingExecutor]:
    """The threads for short work, and the default executor of the event loop of this test."""
    with CountingExecutor(2) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        monkeypatch.setattr("quartpatterns._shared.threads._work_threads.get", lambda: threads)
        yield threads
