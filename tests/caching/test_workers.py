"""Several worker processes of a real server, which share a store."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from quartpatterns.compare.processes import in_thread
from quartpatterns.compare.servers import serve
from tests.caching.raw import Answer, get, get_many

SITE = "tests.caching.site:create_app"
pytestmark = [pytest.mark.slow, pytest.mark.wire, pytest.mark.checks("CA-12")]


@pytest.fixture(params=["RedisCache", "FileSystemCache"])
def kind(request: pytest.FixtureRequest) -> str:
    """A store that workers share."""
    name: str = request.param
    return name


@pytest.fixture
def site(config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """The configuration of the site."""
    return {**config, "CALLS": str(tmp_path / "calls")}


def calls(site: dict[str, Any]) -> list[list[str]]:
    file = Path(site["CALLS"])
    return [line.split() for line in file.read_text().splitlines()] if file.exists() else []


async def test_view_runs_once_in_all_workers(site: dict[str, Any], tmp_path: Path) -> None:
    """A thousand requests at once to four workers call the view once."""
    async with in_thread(
        serve(SITE, "hypercorn", config=site, workers=4, folder=tmp_path)
    ) as running:
        port = urlsplit(running.url).port
        assert port
        name = secrets.token_hex(4)
        answers: list[Answer] = []
        async with asyncio.timeout(50):
            # One worker can be so quick that it takes the connections of all.
            while len({answer.worker for answer in answers}) < 2:
                answers += await get_many(1000, port, f"/page/{name}")
        recorded = await asyncio.to_thread(calls, site)
    assert {answer.status for answer in answers} == {200}
    assert [call[0] for call in recorded] == [name]
    assert {answer.body for answer in answers} == {f"{name} by {recorded[0][1]}"}


async def test_worker_that_is_killed(site: dict[str, Any], tmp_path: Path) -> None:
    """When the worker that computes the response dies, another one computes it."""
    config = {**site, "CACHE_LOCK_TIMEOUT": 60}
    async with (
        in_thread(serve(SITE, "hypercorn", config=config, folder=tmp_path)) as one,
        in_thread(serve(SITE, "hypercorn", config=config, folder=tmp_path)) as two,
    ):
        ports = [urlsplit(running.url).port or 0 for running in (one, two)]
        victim = (await get(ports[0], "/pid")).body
        request_to_victim = asyncio.create_task(get(ports[0], f"/stuck/{victim}"))
        async with asyncio.timeout(20):
            while not await asyncio.to_thread(calls, site):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        waiting = [asyncio.create_task(get(ports[1], f"/stuck/{victim}")) for _ in range(20)]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in waiting)
        os.kill(int(victim), signal.SIGKILL)
        answers = await asyncio.gather(*waiting)
        with pytest.raises((OSError, ValueError, IndexError)):
            await request_to_victim
    assert {answer.status for answer in answers} == {200}
    assert max(answer.seconds for answer in answers) < 10
    assert len(calls(site)) == 2
