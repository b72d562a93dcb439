"""The types of tasks, jobs and results."""

from __future__ import annotations

from typing import Any, assert_type

from quartpatterns.tasks import (
    Chain,
    Job,
    Result,
    RunningJob,
    Signature,
    Tasks,
    chain,
    chord,
    current_job,
    group,
)

tasks = Tasks()


@tasks.task
def add(a: int, b: int = 0) -> int:
    return a + b


@tasks.task(timeout=30)
async def greet(name: str) -> str:
    return f"Hello, {name}"


async def keeps_the_signature() -> None:
    assert_type(add(1, b=2), int)
    assert_type(await greet("you"), str)
    await add.delay("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await greet.delay()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def infers_results() -> None:
    job = await add.delay(1, b=2)
    assert_type(job, Job[int])
    assert_type(await job.wait(), int)
    assert_type(await (await greet.delay("you")).wait(timeout=5), str)
    assert_type(await greet.apply_async(("you",), countdown=5), Job[str])
    assert_type(await add.apply_async((1,)), Job[int])


async def knows_no_more_than_the_id() -> None:
    assert_type(tasks.job("id"), Job[Any])
    assert_type(await tasks.result("id"), Result)
    assert_type(await tasks.job("id").result(), Result)
    assert_type(current_job.tries, int)
    assert_type(await RunningJob("id", 1, 5).update_progress({"done": 1}), None)


async def knows_the_values_of_a_canvas() -> None:
    assert_type(add.s(1), Signature[int])
    assert_type(greet.si("you").set(queue="low"), Signature[str])
    assert_type(add.s(1) | greet.s(), Chain[str])
    assert_type(chain(add.s(1), add.s(2), greet.s()), Chain[str])
    assert_type(await chord([add.s(1)], greet.s()).delay(), Job[str])
    assert_type(await (await group([add.s(1)]).delay()).wait(), list[int])
    assert_type(await tasks.enqueue([greet.s("you")]), list[Job[str]])
    assert_type(greet.delay_sync("you"), Job[str])
    add.si("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
