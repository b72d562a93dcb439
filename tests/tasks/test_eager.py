"""Tasks that the application runs itself, for tests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quart import Quart, current_app, has_request_context, request, websocket
from quart.testing.connections import WebsocketDisconnectError

from quartpatterns._shared.settings import SettingError
from quartpatterns.compare.processes import free_port
from quartpatterns.tasks import (
    Retry,
    TaskFailedError,
    Tasks,
    current_job,
    run_worker,
    worker_settings,
)
from quartpatterns.tasks.testing import EagerQueue, eager_tasks


class Shop:
    """An application with eager tasks. No Redis listens at its URL."""

    def __init__(self, app: Quart) -> None:
        self.app = app
        self.tasks = Tasks(app)
        self.seen: list[Any] = []

    @property
    def queue(self) -> EagerQueue:
        queue = self.app.extensions["tasks"]
        assert isinstance(queue, EagerQueue)
        return queue


@pytest.fixture
def shop(app_class: type[Quart]) -> Iterator[Shop]:
    app = app_class(__name__)
    app.config.update(
        TESTING=True, TASKS_EAGER=True, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0"
    )
    yield Shop(app)


async def test_outside_of_a_request(shop: Shop) -> None:
    """The job has ended when delay() returns, and has the result of a worker."""

    @shop.tasks.task
    def add(a: int, b: int) -> int:
        shop.seen.append(current_app.name)
        return a + b

    @shop.tasks.task
    async def both(pair: tuple[int, int]) -> Any:
        return pair, await (await add.delay(*pair)).wait()

    async with shop.app.app_context():
        job = await add.delay(23, 42)
        result = await shop.tasks.result(job.id)
        assert (result.ready, result.successful, result.value) == (True, True, 65)
        assert await job.wait() == 65
        assert await (await both.delay((1, 2))).wait() == ((1, 2), 3)
        assert (await shop.tasks.result("unknown")).ready is False
        with pytest.raises(LookupError, match="no job 'unknown'"):
            await shop.tasks.job("unknown").wait()
    assert shop.seen == [shop.app.name] * 2


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a context of the test"])
async def test_in_a_request(shop: Shop, inside: bool) -> None:
    """The job runs after the teardown functions of its request, before the client returns."""

    @shop.tasks.task
    async def work() -> None:
        shop.seen.append(("task", has_request_context()))

    @shop.app.post("/")
    async def start() -> dict[str, Any]:
        job = await work.delay()
        ready = (await shop.tasks.result(job.id)).ready
        shop.seen.append("view")
        return {"id": job.id, "ready": ready}

    @shop.app.teardown_request
    async def tear_down(error: BaseException | None) -> None:
        shop.seen.append("teardown")

    async def post() -> str:
        response = await shop.app.test_client().post("/")
        data = await response.get_json()
        assert data["ready"] is False
        assert shop.seen == ["view", "teardown", ("task", False)]
        return str(data["id"])

    if inside:
        async with shop.app.app_context():
            id = await post()
    else:
        id = await post()
    async with shop.app.app_context():
        assert (await shop.tasks.result(id)).successful


async def test_wait_in_the_view(shop: Shop) -> None:
    """A view that waits gets the result; the job does not run again."""

    @shop.tasks.task
    async def work() -> int:
        shop.seen.append(1)
        return 7

    @shop.app.post("/")
    async def start() -> dict[str, Any]:
        return {"value": await (await work.delay()).wait(timeout=5)}

    response = await shop.app.test_client().post("/")
    assert await response.get_json() == {"value": 7}
    assert shop.seen == [1]


async def test_websocket(shop: Shop) -> None:
    @shop.tasks.task
    async def work() -> None:
        shop.seen.append("task")

    @shop.app.websocket("/")
    async def talk() -> None:
        await work.delay()
        shop.seen.append("handler")
        await websocket.send("sent")

    async with shop.app.test_client().websocket("/") as connection:
        assert await connection.receive() == "sent"
        with pytest.raises(WebsocketDisconnectError):
            await connection.receive()
    assert shop.seen == ["handler", "task"]


async def test_tasks_that_queue_tasks(shop: Shop) -> None:
    """A job of a job runs after it, as on a worker that runs one job at a time."""

    @shop.tasks.task
    async def inner(n: int) -> None:
        shop.seen.append(n)

    @shop.tasks.task
    async def outer(n: int) -> None:
        for part in (1, 2):
            await inner.delay(n * 10 + part)
        shop.seen.append(n)

    @shop.app.post("/")
    async def start() -> str:
        await outer.delay(1)
        await outer.delay(2)
        return ""

    await shop.app.test_client().post("/")
    assert shop.seen == [1, 2, 11, 12, 21, 22]
    async with shop.app.app_context():
        await outer.delay(3)
    assert shop.seen[6:] == [3, 31, 32]


async def test_endless_tasks(shop: Shop) -> None:
    """A task that always queues itself is an error, not a test that never ends."""

    @shop.tasks.task
    async def again() -> None:
        await again.delay()

    async with shop.app.app_context():
        with pytest.raises(RuntimeError, match="give it a countdown"):
            await again.delay()


async def test_waiting_for_itself(shop: Shop) -> None:
    @shop.tasks.task
    async def work() -> None:
        await shop.tasks.job(current_job.id).wait()

    async with shop.app.app_context():
        job = await work.delay()
        with pytest.raises(TaskFailedError, match="waits for itself"):
            await job.wait()


async def test_failures(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """A failed job has the text of its error, is logged, and does not stop the test."""

    @shop.tasks.task
    async def fail(kind: str) -> object:
        if kind == "value":
            raise ValueError("too large")
        if kind == "exit":
            raise SystemExit(3)
        if kind == "cancelled":
            raise asyncio.CancelledError
        return object()

    @shop.tasks.task
    def stop() -> None:
        raise StopIteration

    expected = {
        "value": "ValueError: too large",
        "exit": "SystemExit: 3",
        "cancelled": "CancelledError: the task raised it",
        "object": "TypeError: the result of task .* is not JSON",
    }
    async with shop.app.app_context():
        for kind, text in expected.items():
            job = await fail.delay(kind)
            assert not (await job.result()).successful
            with pytest.raises(TaskFailedError, match=text):
                await job.wait()
        assert not (await (await stop.delay()).result()).successful
    assert "too large" in caplog.text and "Traceback" in caplog.text
    assert [job.args for job in shop.queue.failed] == [[kind] for kind in expected] + [[]]


async def test_retries(shop: Shop) -> None:
    """A job is started again at once, up to max_tries times."""

    @shop.tasks.task(max_tries=3)
    async def often(arguments: list[int]) -> int:
        arguments.append(1)  # The next try gets the arguments of the queue.
        shop.seen.append((current_job.tries, current_job.max_tries, len(arguments)))
        if current_job.tries < 3:
            raise Retry(countdown=3600)
        return current_job.tries

    @shop.tasks.task(max_tries=2, autoretry_for=(ConnectionError,))
    def broken() -> None:
        shop.seen.append("broken")
        raise ConnectionError("gone")

    @shop.tasks.task(max_tries=2)
    async def tired(cause: bool) -> None:
        if cause:
            raise Retry from OSError("the cause")
        raise Retry

    async with shop.app.app_context():
        assert await (await often.delay([])).wait() == 3
        assert shop.seen == [(1, 3, 1), (2, 3, 1), (3, 3, 1)]
        with pytest.raises(TaskFailedError, match="ConnectionError: gone"):
            await (await broken.delay()).wait()
        assert shop.seen[3:] == ["broken", "broken"]
        with pytest.raises(TaskFailedError, match="OSError: the cause"):
            await (await tired.delay(True)).wait()
        with pytest.raises(TaskFailedError, match="JobExecutionFailed: max 2 retries exceeded"):
            await (await tired.delay(False)).wait()


async def test_timeout(shop: Shop) -> None:
    @shop.tasks.task(timeout=0.05)
    async def hang() -> None:
        await asyncio.Event().wait()

    async with shop.app.app_context():
        with pytest.raises(TaskFailedError, match="ran longer than its timeout"):
            await (await hang.delay()).wait()


async def test_progress(shop: Shop) -> None:
    @shop.tasks.task
    async def work() -> None:
        await current_job.update_progress({"done": (1, 2)})
        shop.seen.append((await shop.tasks.result(current_job.id)).progress)
        for value in (object(), ValueError("an error is no text here")):
            with pytest.raises(TypeError, match="is not supported"):
                await current_job.update_progress(value)
        with pytest.raises(ValueError, match="progress of job .* TASKS_MAX_SIZE is"):
            await current_job.update_progress("x" * 10_485_760)

    async with shop.app.app_context():
        job = await work.delay()
        result = await job.result()
    assert result.successful
    assert shop.seen == [result.progress] == [{"done": (1, 2)}]


async def test_later(shop: Shop) -> None:
    """A job with a time waits for run_scheduled() or for somebody who waits for its result."""

    @shop.tasks.task
    async def work(name: str) -> str:
        shop.seen.append(name)
        if name == "again":
            await work.apply_async(["third"], countdown=5)
        return name

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    yesterday = tomorrow - timedelta(days=2)
    async with shop.app.app_context():
        last = await work.apply_async(["last"], eta=tomorrow)
        await work.apply_async(["again"], countdown=60)
        await work.apply_async(["past"], eta=yesterday)
        assert shop.seen == ["past"]
        assert not (await last.result()).ready
        assert [job.args for job in shop.queue.scheduled] == [["again"], ["last"]]
        ran = await shop.queue.run_scheduled()
        assert [job.task for job in ran] == [work.name] * 2
        assert shop.seen == ["past", "again", "last"]
        await shop.queue.run_scheduled()
        assert shop.seen[3:] == ["third"]
        waited = await work.apply_async(["waited"], countdown=3600)
        assert await waited.wait(timeout=5) == "waited"
        expired = await work.apply_async(["expired"], countdown=60, expires=30)
        with pytest.raises(TaskFailedError, match="job expired"):
            await expired.wait()
        with pytest.raises(ValueError, match="not both"):
            await work.apply_async(["x"], countdown=1, eta=tomorrow)


async def test_revoke(shop: Shop) -> None:
    """A job that waits or runs can be revoked; one that has ended can't."""

    @shop.tasks.task
    async def work() -> None:
        shop.seen.append("started")
        await shop.tasks.job(current_job.id).revoke()
        await asyncio.sleep(10)

    async with shop.app.app_context():
        waiting = await work.apply_async(countdown=60)
        assert await waiting.revoke()
        assert not await waiting.revoke()
        assert not shop.queue.scheduled
        assert (await waiting.result()).value == "CancelledError: the job was revoked"
        assert shop.seen == []
        running = await work.delay()
        assert (await running.result()).value == "CancelledError: the job was revoked"
        assert shop.seen == ["started"]
        assert not await shop.tasks.job("unknown").revoke()


async def test_same_id(shop: Shop) -> None:
    """A second call with an id that is known queues nothing, as with a worker."""

    @shop.tasks.task
    async def work() -> None:
        shop.seen.append(1)

    @shop.tasks.task(keep_result=0)
    async def unkept() -> None:
        shop.seen.append(2)

    async with shop.app.app_context():
        for _ in range(2):
            assert (await work.apply_async(task_id="mine")).id == "mine"
        assert shop.seen == [1]
        job = await unkept.apply_async(task_id="other")
        assert (await job.result()).ready is False
        with pytest.raises(LookupError, match="keep_result"):
            await job.wait()
        await unkept.apply_async(task_id="other")
        assert shop.seen == [1, 2, 2]


async def test_arguments(shop: Shop) -> None:
    """What a worker could not get is refused, as with a worker."""

    @shop.tasks.task
    async def work(value: Any) -> Any:
        return value

    other = Tasks()

    @other.task(name="elsewhere")
    async def elsewhere() -> None: ...

    async with shop.app.app_context():
        with pytest.raises(TypeError, match="argument 'value' of task .* is not JSON"):
            await work.delay(object())
        with pytest.raises(TypeError, match="missing a required argument"):
            await work.delay()  # type: ignore[call-overload]
        with pytest.raises(RuntimeError, match="knows the task 'elsewhere'"):
            await elsewhere.delay()
        assert await (await work.delay({1: (2, 3)})).wait() == {1: (2, 3)}


async def test_no_request_in_a_task(shop: Shop) -> None:
    """A task can't use the request that has queued it, as on a worker."""

    @shop.tasks.task
    async def work() -> str:
        return request.path

    @shop.app.post("/")
    async def start() -> dict[str, str]:
        job = await work.delay()
        with pytest.raises(TaskFailedError, match="RuntimeError: Not within a request context"):
            await job.wait()
        return {}

    assert (await shop.app.test_client().post("/")).status_code == 200


async def test_concurrent_requests(shop: Shop) -> None:
    """Each request returns after its own jobs."""
    ended: list[int] = []

    @shop.tasks.task
    async def work(n: int) -> None:
        await asyncio.sleep(0.01)
        ended.append(n)

    @shop.app.post("/<int:n>")
    async def start(n: int) -> str:
        await work.delay(n)
        await asyncio.sleep(0)
        return ""

    async def post(n: int) -> None:
        await shop.app.test_client().post(f"/{n}")
        assert n in ended

    await asyncio.gather(*(post(n) for n in range(10)))
    assert sorted(ended) == list(range(10))


async def test_no_worker(shop: Shop) -> None:
    """A worker would wait for ever for the jobs of this application."""

    @shop.tasks.task
    async def work() -> None: ...

    with pytest.raises(RuntimeError, match="remove TASKS_EAGER"):
        await run_worker(shop.app, burst=True)
    with pytest.raises(RuntimeError, match="remove TASKS_EAGER"):
        worker_settings(shop.app)


@pytest.mark.parametrize("testing", [True, False])
async def test_warning(
    app_class: type[Quart], testing: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Outside of tests a warning is logged, once, when the application starts."""
    app = app_class(__name__)
    app.config.update(TASKS_EAGER=True)
    tasks = Tasks(app)

    @tasks.task
    async def work() -> None: ...

    app.testing = testing
    with caplog.at_level(logging.WARNING):
        async with app.test_app(), app.app_context():
            assert caplog.text.count("TASKS_EAGER is set") == (0 if testing else 1)
            await work.delay()
            await work.delay()
    assert caplog.text.count("TASKS_EAGER is set") == (0 if testing else 1)


@pytest.mark.parametrize("value", ["true", "", 0, 1, None])
def test_invalid_setting(app_class: type[Quart], value: object) -> None:
    app = app_class(__name__)
    app.config.update(TASKS_EAGER=value)
    with pytest.raises(SettingError, match="TASKS_EAGER must be True or False"):
        Tasks(app)


async def test_for_a_block(app_class: type[Quart]) -> None:
    """An application with a queue in Redis is eager during a test only."""
    app = app_class(__name__)
    app.config.update(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    tasks = Tasks(app)
    queue = app.extensions["tasks"]

    @tasks.task
    async def work(fails: bool = False) -> int:
        return 1 // (not fails)

    with eager_tasks(app) as eager:
        async with app.app_context():
            assert await (await work.delay()).wait() == 1
        assert [(job.task, job.tries) for job in eager.jobs] == [(work.name, 1)]
    assert app.extensions["tasks"] is queue
    with pytest.raises(TaskFailedError, match="ZeroDivisionError") as caught:
        with eager_tasks(app):
            async with app.app_context():
                await work.delay(fails=True)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with eager_tasks(app) as eager:
        async with app.app_context():
            await work.delay(fails=True)
        assert len(eager.failed) == 1
    with pytest.raises(RuntimeError, match="has no tasks"), eager_tasks(app_class("other")):
        pass
