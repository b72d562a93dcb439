"""Random chains, groups and chords: a worker and eager tasks give the same."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

import pytest
from redis.asyncio import Redis

from quartpatterns.tasks import (
    Retry,
    TaskFailedError,
    Tasks,
    chain,
    chord,
    current_job,
    group,
    run_worker,
)
from quartpatterns.tasks.canvas import CanvasStep
from quartpatterns.tasks.testing import eager_tasks
from tests.tasks.conftest import MakeApp


class Canvases:
    """Random canvases out of a few tasks, the same for the same seed."""

    def __init__(self, tasks: Tasks) -> None:
        @tasks.task(name="tell")
        async def tell(*values: Any) -> list[Any]:
            return [list(values)]

        @tasks.task(name="forget", keep_result=0, queue="low")
        def forget(*values: Any) -> dict[str, Any]:
            return {"values": list(values)}

        @tasks.task(name="again", max_tries=3)
        async def again(*values: Any) -> tuple[Any, ...]:
            if current_job.tries < 3:
                raise Retry(0)
            return values

        @tasks.task(name="fail")
        async def fail(*values: Any) -> None:
            raise ValueError("wrong")

        @tasks.task(name="object")
        async def no_json(*values: Any) -> object:
            return object()

        @tasks.task(name="slow", timeout=0.02)
        async def slow(*values: Any) -> None:
            await asyncio.sleep(600)

        self.good = [tell, forget, again]
        self.bad = [fail, no_json, slow]
        self.tell = tell

    def make(self, seed: int) -> CanvasStep[Any]:
        """Return a canvas, about half of which contain a failure."""
        source = random.Random(seed)
        rate = source.choice([0, 0.1])

        def call() -> CanvasStep[Any]:
            tasks = self.bad if source.random() < rate else self.good
            signature = source.choice(tasks)
            number = source.randrange(100)
            step = source.choice([signature.s, signature.si])(number)
            return step.set(queue=source.choice(["default", "low"]))

        def canvas(depth: int) -> CanvasStep[Any]:
            kind = source.choice(["call", "chain", "group", "chord"]) if depth else "call"
            if kind == "call":
                return call()
            parts = [
                canvas(depth - 1) for _ in range(source.randrange(0 if kind != "chain" else 1, 4))
            ]
            if kind == "chain":
                return chain(*parts)
            return group(parts) if kind == "group" else chord(parts, call())

        # The first step of a chain queues one job, of which one can ask for the value.
        return chain(self.tell.s(seed), canvas(3), self.tell.s())


async def outcome(step: CanvasStep[Any]) -> Any:
    job = await step.delay()
    try:
        return await job.wait(timeout=60)
    except TaskFailedError:
        # Which of two members fails first differs.
        return "failed"


@pytest.mark.parametrize("seeds", [range(60)])
async def test_same(make_app: MakeApp, seeds: range, redis_url: str, queue_name: str) -> None:
    """Values and errors are the same, and nothing is left in Redis but results."""
    app, tasks = make_app(TASKS_QUEUES=["default", "low"])
    canvases = Canvases(tasks)
    with eager_tasks(app) as queue:
        async with app.app_context():
            eager = [await outcome(canvases.make(seed)) for seed in seeds]
            assert len(queue.failed) > 0
    async with app.app_context():
        worker = asyncio.create_task(run_worker(app, handle_signals=False))
        try:
            steps = [canvases.make(seed) for seed in seeds]
            real = await asyncio.gather(*(outcome(step) for step in steps))
        finally:
            worker.cancel()
            await asyncio.wait([worker])
        # The members of a chord that has failed may still wait or run.
        await run_worker(app, burst=True)
    async with Redis.from_url(redis_url) as redis:
        keys = [key.decode() async for key in redis.scan_iter(match=f"*{queue_name}*", count=1000)]
    # A result, or a list, a number or the health report of a queue.
    left = r"arq:result:.*|.*:(ended|failed|failed:info|failed:jobs|counts|wake|health-check)"
    assert [key for key in keys if not re.fullmatch(left, key)] == []
    for seed, one, other in zip(seeds, eager, real, strict=True):
        assert other == one, seed
