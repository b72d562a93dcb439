from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from quart import Quart, current_app, g, url_for

from quartpatterns.tasks import (
    Job,
    Result,
    Retry,
    TaskFailedError,
    Tasks,
    current_job,
    run_worker,
)
from quartpatterns.tasks.jobs import retry_delay
from tests.tasks.conftest import MakeApp


async def run_jobs(app: Quart) -> None:
    """Run all jobs, including those that a job queues, until the queue is empty."""
    async with asyncio.timeout(100):
        await run_worker(app, burst=True)


@pytest.mark.checks("CE-2", "CE-4")
async def test_add_together(make_app: MakeApp) -> None:
    """A synchronous and an asynchronous task give 65, to ``wait`` and to ``result``."""
    app, tasks = make_app()

    @tasks.task
    def add_together(a: int, b: int) -> int:
        return a + b

    @tasks.task
    async def add_slowly(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    async with app.app_context():
        jobs = [await add_together.delay(23, 42), await add_slowly.delay(23, b=42)]
        await run_jobs(app)
        assert [await job.wait(timeout=60) for job in jobs] == [65, 65]
        assert await tasks.result(jobs[0].id) == Result(jobs[0].id, True, True, 65)


@pytest.mark.checks("CE-1", "CE-3")
async def test_context(make_app: MakeApp) -> None:
    """Both kinds of task have the application, a fresh ``g``, ``url_for`` and teardown."""
    app, tasks = make_app(SERVER_NAME="shop.example")
    teardowns = []

    @app.route("/orders/<int:id>")
    async def order(id: int) -> str:
        return ""

    @app.teardown_appcontext
    async def teardown(_: BaseException | None) -> None:
        teardowns.append(current_app.name)

    def look(value: str) -> list[Any]:
        seen = [current_app.name, g.get("value"), url_for("order", id=3)]
        g.value = value
        return seen

    @tasks.task
    def in_thread() -> list[Any]:
        assert threading.current_thread() is not threading.main_thread()
        return look("thread")

    @tasks.task
    async def in_loop() -> list[Any]:
        assert threading.current_thread() is threading.main_thread()
        return look("loop")

    async with app.app_context():
        g.value = "who queued it"
        jobs = [await in_thread.delay(), await in_loop.delay()]
        teardowns.clear()
        await run_jobs(app)
        expected = [app.name, None, "http://shop.example/orders/3"]
        assert [await job.wait(timeout=60) for job in jobs] == [expected, expected]
    assert teardowns.count(app.name) >= 2


async def test_lifespan(make_app: MakeApp) -> None:
    """A worker runs the application's start-up before its jobs and its shutdown after them."""
    app, tasks = make_app()
    events = []

    @app.while_serving
    async def lifespan() -> Any:
        events.append("open")
        yield
        events.append("closed")

    @tasks.task
    async def work() -> list[str]:
        return events.copy()

    async with app.app_context():
        job = await work.delay()
        await run_jobs(app)
        assert await job.wait(timeout=60) == ["open"]
    assert events == ["open", "closed"]


async def test_startup_fails(make_app: MakeApp) -> None:
    """If the application cannot start, the worker raises its error; jobs stay in the queue."""
    app, tasks = make_app()

    @app.before_serving
    async def fail() -> None:
        raise RuntimeError("no database")

    @tasks.task
    async def work() -> None: ...

    async with app.app_context():
        job = await work.delay()
    with pytest.raises(RuntimeError, match="no database"):
        await run_jobs(app)
    client, _ = make_app()
    async with client.app_context():
        with pytest.raises(TimeoutError):
            await job.wait(timeout=0.1)


@pytest.mark.checks("CE-6")
@pytest.mark.parametrize(
    ("error", "text"),
    [
        pytest.param(ValueError("too large"), "ValueError: too large", id="text"),
        pytest.param(ValueError(), "ValueError", id="without text"),
        pytest.param(KeyError("a"), "KeyError: 'a'", id="key"),
        pytest.param(ValueError("€ \ud800"), "ValueError: € \ud800", id="lone surrogate"),
    ],
)
async def test_failure(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, error: Exception, text: str
) -> None:
    """The value of a failed job is the text of its error, which the log has too.

    The log can be encoded as UTF-8, even if the text of the error cannot.
    """
    app, tasks = make_app()

    @tasks.task
    async def fail() -> None:
        raise error

    async with app.app_context():
        job = await fail.delay()
        await run_jobs(app)
        # 0 == False, but clients see the difference in JSON.
        assert repr(await tasks.result(job.id)) == repr(Result(job.id, True, False, text))
        with pytest.raises(TaskFailedError) as raised:
            await job.wait(timeout=60)
        assert str(raised.value) == text
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    logged = logging.Formatter().format(record)
    assert logged.encode().decode() == logged
    assert text.encode(errors="backslashreplace").decode() in logged
    assert "Traceback" in logged


@pytest.mark.checks("CE-6")
async def test_result_not_json(make_app: MakeApp) -> None:
    """A result that is not JSON makes the job fail with an error that says what to do."""
    app, tasks = make_app()

    @tasks.task(name="load")
    async def load() -> object:
        return object()

    async with app.app_context():
        job = await load.delay()
        await run_jobs(app)
        value = (await job.result()).value
    assert value.startswith("TypeError: the result of task load is not JSON (builtins.object")
    assert value.endswith("return an id, or text and numbers")


async def test_timeout(make_app: MakeApp) -> None:
    """A task that exceeds its timeout is cancelled, its context is torn down, and the job fails."""
    app, tasks = make_app()
    teardowns: list[BaseException | None] = []
    app.teardown_appcontext(teardowns.append)

    @tasks.task(timeout=0.1)
    async def linger() -> None:
        await asyncio.sleep(60)

    async with app.app_context():
        job = await linger.delay()
        teardowns.clear()
        await run_jobs(app)
        text = "TimeoutError: the task ran longer than its timeout"
        assert await job.result() == Result(job.id, True, False, text)
    assert any(isinstance(error, asyncio.CancelledError) for error in teardowns)


async def test_retry(make_app: MakeApp) -> None:
    """A task can ask to be started again, and knows how often it was started."""
    app, tasks = make_app()

    @tasks.task
    async def third_time() -> list[Any]:
        if current_job.tries < 3:
            raise Retry(countdown=0.05)
        return [current_job.id, current_job.tries, current_job.max_tries]

    async with app.app_context():
        job = await third_time.delay()
        await run_jobs(app)
        assert await job.wait(timeout=60) == [job.id, 3, 5]


async def test_retry_exhausted(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tries left, a task fails with the error that caused the retry."""
    monkeypatch.setattr("quartpatterns.tasks.execution.retry_delay", lambda tries: 0.01)
    app, tasks = make_app()
    tries = []

    @tasks.task(max_tries=3, autoretry_for=(ConnectionError,))
    def automatic() -> None:
        tries.append(current_job.tries)
        raise ConnectionError("no answer")

    @tasks.task(max_tries=2)
    async def explicit() -> None:
        try:
            raise ConnectionError("no answer")
        except ConnectionError as error:
            raise Retry() from error

    async with app.app_context():
        jobs = [await automatic.delay(), await explicit.delay()]
        await run_jobs(app)
        values = [(await job.result()).value for job in jobs]
    assert values == ["ConnectionError: no answer"] * 2
    assert tries == [1, 2, 3]


async def test_retry_in_an_except_block(make_app: MakeApp) -> None:
    """Without tries left, a Retry without ``from`` fails with the error that is being handled."""
    app, tasks = make_app()

    @tasks.task(max_tries=1)
    async def fail() -> None:
        try:
            raise ConnectionError("no answer")
        except ConnectionError:
            raise Retry()  # noqa: B904 - this is what the test needs

    async with app.app_context():
        job = await fail.delay()
        await run_jobs(app)
        assert (await job.result()).value == "ConnectionError: no answer"


async def test_retry_with_countdown(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """``autoretry_for=(Exception,)`` does not replace a Retry that the task raises itself."""
    monkeypatch.setattr("quartpatterns.tasks.execution.retry_delay", lambda tries: 3600)
    app, tasks = make_app()

    @tasks.task(autoretry_for=(Exception,))
    async def again() -> int:
        if current_job.tries == 1:
            raise Retry(countdown=0)
        return current_job.tries

    async with app.app_context():
        job = await again.delay()
        await run_jobs(app)
        assert await job.wait(timeout=60) == 2


def test_retry_delay() -> None:
    """The delays double, vary, and end at ten minutes."""
    assert 0.5 <= retry_delay(1) <= 1
    assert 4 <= retry_delay(4) <= 8
    assert 300 <= retry_delay(1000) <= 600
    assert len({retry_delay(4) for _ in range(10)}) > 1


async def test_revoke(make_app: MakeApp) -> None:
    """A running and a waiting job can be cancelled; other jobs go on."""
    app, tasks = make_app()
    started = asyncio.Event()

    @tasks.task
    async def linger(seconds: float) -> str:
        started.set()
        await asyncio.sleep(seconds)
        return "done"

    async with app.app_context():
        running_job = await linger.delay(60)
        waiting_job = await linger.apply_async((60,), countdown=3600)
        worker = asyncio.create_task(run_jobs(app))
        await started.wait()
        other = await linger.delay(0.3)
        assert await running_job.revoke()
        assert await waiting_job.revoke()
        await worker
        text = "CancelledError: the job was revoked"
        for job in (running_job, waiting_job):
            assert await job.result() == Result(job.id, True, False, text)
            assert not await job.revoke()
        assert await other.wait(timeout=60) == "done"
        assert not await tasks.job("unknown").revoke()


async def test_progress(make_app: MakeApp) -> None:
    """A task reports its progress, and the result shows it."""
    app, tasks = make_app()
    reported, checked = asyncio.Event(), asyncio.Event()

    @tasks.task
    async def work() -> None:
        await current_job.update_progress({"done": 1, "total": 2})
        reported.set()
        await checked.wait()

    async with app.app_context():
        job = await work.delay()
        assert (await job.result()).progress is None
        worker = asyncio.create_task(run_jobs(app))
        await reported.wait()
        progress = {"done": 1, "total": 2}
        assert await job.result() == Result(job.id, progress=progress)
        checked.set()
        await worker
        assert await job.result() == Result(job.id, True, True, None, progress)


async def test_chain(make_app: MakeApp) -> None:
    """A task can queue another one."""
    app, tasks = make_app()

    @tasks.task
    async def second(text: str) -> str:
        return f"{text}, second"

    @tasks.task
    async def first() -> str:
        return (await second.delay("first")).id

    async with app.app_context():
        job = await first.delay()
        await run_jobs(app)
        following = await job.wait(timeout=60)
        assert await tasks.job(following).wait(timeout=60) == "first, second"


async def test_json(make_app: MakeApp) -> None:
    """Arguments and results come back with their types; instances of subclasses do not."""
    app, tasks = make_app()
    value = {"text": "ä€\0\ud800", "number": 10**30, "nothing": None, "list": [1.5, True]}
    typed = {
        "pair": (1, 2),
        "keys": {1: 2, " d": 3},
        "set": {1},
        "bytes": b"\xff",
        "moment": datetime(2026, 1, 31, 12, tzinfo=UTC),
        "day": date(2026, 1, 31),
        "span": timedelta(days=1, microseconds=1),
        "id": UUID(int=7),
        "price": Decimal("9.90"),
        "no number": math.inf,
        "yes": True,
    }

    class Size(StrEnum):
        LARGE = "l"

    @tasks.task
    async def same(value: Any, **more: Any) -> list[Any]:
        return [value, more]

    async with app.app_context():
        job = await same.delay(value, **typed, size=Size.LARGE, counts=Counter("aab"))
        await run_jobs(app)
        found = await job.wait(timeout=60)
    assert found == [value, typed | {"size": "l", "counts": {"a": 2, "b": 1}}]
    assert found[1]["yes"] is True


async def test_keep_result(make_app: MakeApp) -> None:
    """Waiting for a result that is not stored is an error, which names the setting."""
    app, tasks = make_app()

    @tasks.task(keep_result=0)
    async def forget() -> int:
        return 1

    async with app.app_context():
        job = await forget.delay()
        await run_jobs(app)
        assert await job.result() == Result(job.id)
        with pytest.raises(LookupError, match="TASKS_KEEP_RESULT"):
            await job.wait(timeout=60)


async def test_wait_timeout(make_app: MakeApp) -> None:
    """Without a worker ``wait`` ends after its timeout."""
    app, tasks = make_app()

    @tasks.task
    async def work() -> None: ...

    async with app.app_context():
        job = await work.delay()
        with pytest.raises(TimeoutError):
            await job.wait(timeout=0.1)


async def test_countdown_eta_expires(make_app: MakeApp) -> None:
    """``countdown`` and ``eta`` delay the start; after ``expires`` the job fails."""
    app, tasks = make_app()

    @tasks.task
    async def now() -> float:
        return asyncio.get_running_loop().time()

    async with app.app_context():
        before = asyncio.get_running_loop().time()
        eta = datetime.now(UTC) + timedelta(seconds=0.3)
        jobs = [await now.apply_async(countdown=0.3), await now.apply_async(eta=eta)]
        late = await now.apply_async(expires=0.01)
        await asyncio.sleep(0.05)
        await run_jobs(app)
        for job in jobs:
            assert await job.wait(timeout=60) - before >= 0.29
        assert (await late.result()).value == "JobExecutionFailed: job expired"


async def test_expires_before_its_time(make_app: MakeApp) -> None:
    """``expires`` counts from the call, so a job whose ``countdown`` is longer never starts."""
    app, tasks = make_app()
    runs: list[int] = []

    @tasks.task
    async def work() -> None:
        runs.append(1)

    async with app.app_context():
        eta = datetime.now(UTC) + timedelta(seconds=1.2)
        jobs = [await work.apply_async(countdown=1.2, expires=1)]
        jobs.append(await work.apply_async(eta=eta, expires=1))
        await run_jobs(app)
        values = [(await job.result()).value for job in jobs]
    assert values == ["JobExecutionFailed: job expired"] * 2
    assert runs == []


async def test_expires_setting(make_app: MakeApp) -> None:
    """``TASKS_EXPIRES`` is the default of ``expires``."""
    app, tasks = make_app(TASKS_EXPIRES=0.01)

    @tasks.task
    async def late() -> None: ...

    async with app.app_context():
        job = await late.delay()
        await asyncio.sleep(0.05)
        await run_jobs(app)
        assert (await job.result()).value == "JobExecutionFailed: job expired"


async def test_task_id(make_app: MakeApp) -> None:
    """A job of an id that is queued, or has a result, is not queued again."""
    app, tasks = make_app()
    runs = []

    @tasks.task
    async def work(number: int) -> int:
        runs.append(number)
        return number

    async with app.app_context():
        handles = [await work.apply_async((number,), task_id="nightly") for number in (1, 2)]
        await run_jobs(app)
        handles.append(await work.apply_async((3,), task_id="nightly"))
        await run_jobs(app)
        assert handles == [Job("nightly")] * 3
        assert await handles[2].wait(timeout=60) == 1
    assert runs == [1]


async def test_max_jobs(make_app: MakeApp) -> None:
    """A worker runs ten jobs at the same time, and not eleven; few connections are enough."""
    app, tasks = make_app(TASKS_MAX_CONNECTIONS=3, TASKS_REDIS_TIMEOUT=60)
    ten_jobs = asyncio.Barrier(10)
    running: list[int] = []
    most: list[int] = []

    @tasks.task
    async def double(number: int) -> int:
        running.append(number)
        most.append(len(running))
        await ten_jobs.wait()
        running.remove(number)
        return 2 * number

    async with app.app_context():
        jobs = await asyncio.gather(*(double.delay(number) for number in range(50)))
        await run_jobs(app)
        values = await asyncio.gather(*(job.wait(timeout=60) for job in jobs))
    assert values == [2 * number for number in range(50)]
    assert max(most) == 10


async def test_cron(make_app: MakeApp) -> None:
    """Two workers queue a scheduled task once for each time, and it can be retried."""
    app, tasks = make_app()
    another = Quart(__name__)
    another.config.update(app.config)
    tasks.init_app(another)
    ids: list[str] = []
    three = asyncio.Event()

    @tasks.task
    async def tick() -> None:
        if current_job.tries == 1:
            raise Retry(countdown=0.01)
        ids.append(current_job.id)
        if len(ids) == 3:
            three.set()

    tasks.cron(tick, second=set(range(60)))
    workers = [asyncio.create_task(run_worker(one)) for one in (app, another)]
    async with asyncio.timeout(60):
        await three.wait()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    milliseconds = [int(id.rpartition(":")[2]) for id in ids]
    seconds = {number // 1000 for number in milliseconds}
    assert len(seconds) == len(ids)


async def test_retry_at_once(make_app: MakeApp) -> None:
    """A job that starts again while its last try is being written has each try and one end."""
    app, tasks = make_app()
    tries: list[tuple[str, int]] = []

    @tasks.task(max_tries=30)
    async def again() -> int:
        tries.append((current_job.id, current_job.tries))
        if current_job.tries < 20:
            raise Retry(countdown=0)
        return current_job.tries

    async with app.app_context():
        jobs = [await again.delay() for _ in range(20)]
        await run_jobs(app)
        assert [await job.wait(timeout=60) for job in jobs] == [20] * 20
        assert sorted(tries) == sorted((job.id, number) for job in jobs for number in range(1, 21))


async def test_cancelled_worker(make_app: MakeApp) -> None:
    """A worker in another program stops when it is cancelled; its job is queued again."""
    app, tasks = make_app(TASKS_SHUTDOWN_TIMEOUT=0.1)
    ended, starts = [], []
    started = asyncio.Event()

    @app.after_serving
    async def end() -> None:
        ended.append(True)

    @tasks.task
    async def linger() -> int:
        starts.append([current_job.tries, current_job.deliveries])
        started.set()
        await asyncio.sleep(60 if current_job.deliveries == 1 else 0)
        return current_job.deliveries

    async with app.app_context():
        job = await linger.delay()
        worker = asyncio.create_task(run_worker(app, handle_signals=False))
        await started.wait()
        worker.cancel()
        with pytest.raises(asyncio.CancelledError):
            await worker
        assert ended == [True]
        await run_jobs(app)
        assert await job.wait(timeout=60) == 2
    assert starts == [[1, 1], [1, 2]]


async def test_no_tasks(make_app: MakeApp) -> None:
    """An application without tasks is an error that says what is missing."""
    app, _ = make_app()
    with pytest.raises(RuntimeError, match=r"decorate a function with @tasks\.task"):
        await run_worker(app, burst=True)


async def test_unknown_task(make_app: MakeApp) -> None:
    """A job whose task the worker does not know fails, and the text says why."""
    app, tasks = make_app()
    other = Tasks()

    @tasks.task
    async def known() -> None: ...

    @other.task(name="newer")
    async def newer() -> None: ...

    async with app.app_context():
        job = await newer.delay()
        await run_jobs(app)
        assert (await job.result()).value == "JobExecutionFailed: function 'newer' not found"


@pytest.mark.parametrize("kind", ["async", "sync"])
@pytest.mark.parametrize(
    ("error", "text"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "RuntimeError: .*GeneratorExit"),
        (StopIteration(5), "RuntimeError: "),
        (StopAsyncIteration(), "StopAsyncIteration"),
        (asyncio.CancelledError("own"), "CancelledError: own"),
        (asyncio.CancelledError(), "CancelledError: the task raised it"),
        (TimeoutError("slow disk"), "TimeoutError: slow disk"),
        (BaseException("base"), "BaseException: base"),
    ],
)
async def test_base_exceptions(
    make_app: MakeApp, kind: str, error: BaseException, text: str
) -> None:
    """A job that raises any exception fails once with it; its neighbours and the worker go on."""
    app, tasks = make_app()
    runs: list[int] = []
    release = asyncio.Event()

    def fail() -> None:
        runs.append(current_job.tries)
        raise error

    async def fail_async() -> None:
        fail()

    task = tasks.task(name="fail")(fail_async if kind == "async" else fail)

    @tasks.task
    async def neighbour() -> int:
        await release.wait()
        return 42

    async with app.app_context():
        beside = await neighbour.delay()
        job = await task.delay()
        worker = asyncio.create_task(run_jobs(app))
        with pytest.raises(TaskFailedError, match=text):
            await job.wait(timeout=60)
        release.set()
        assert await beside.wait(timeout=60) == 42
        await worker
    assert runs == [1]


async def test_cause_of_a_cancellation(make_app: MakeApp) -> None:
    """If a task raises CancelledError itself, the text of the job contains the cause."""
    app, tasks = make_app()

    @tasks.task
    async def give_up() -> None:
        try:
            raise OSError("disk full")
        except OSError as error:
            raise asyncio.CancelledError from error

    async with app.app_context():
        job = await give_up.delay()
        await run_jobs(app)
        assert "disk full" in str((await job.result()).value)


async def test_sync_jobs_start_at_once(make_app: MakeApp) -> None:
    """All synchronous jobs run at the same time, so that none waits during its timeout."""
    app, tasks = make_app(TASKS_MAX_JOBS=40)
    all_run = threading.Barrier(40, timeout=60)

    @tasks.task(timeout=60)
    def meet() -> int:
        return all_run.wait()

    async with app.app_context():
        jobs = [await meet.delay() for _ in range(40)]
        await run_jobs(app)
        assert sorted([await job.wait(timeout=60) for job in jobs]) == list(range(40))


async def test_hanging_threads(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """Synchronous tasks that hang do not stop others, and the log names their threads."""
    app, tasks = make_app(TASKS_MAX_JOBS=2)
    release = threading.Event()

    @tasks.task(timeout=0.1, name="hang")
    def hang() -> None:
        release.wait(60)

    @tasks.task
    def plus(a: int, b: int) -> int:
        return a + b

    try:
        async with app.app_context():
            hanging = [await hang.delay() for _ in range(6)]
            job = await plus.delay(1, 2)
            await run_jobs(app)
            assert await job.wait(timeout=60) == 3
            for each in hanging:
                assert "TimeoutError" in str((await each.result()).value)
    finally:
        release.set()
    assert "(hang) runs on after its timeout" in caplog.text


@pytest.mark.slow
async def test_long_job_does_not_expire(make_app: MakeApp) -> None:
    """``expires`` limits the wait for the first start, not the run, retries or a handover."""
    app, tasks = make_app(TASKS_EXPIRES=1.5, TASKS_SHUTDOWN_TIMEOUT=0)
    started = asyncio.Event()

    @tasks.task
    async def slow() -> list[int]:
        started.set()
        if current_job.deliveries == 1:
            await asyncio.sleep(60)
        if current_job.tries < 2:
            await asyncio.sleep(1.6)
            raise Retry(countdown=1.6)
        return [current_job.tries, current_job.deliveries]

    async with app.app_context():
        job = await slow.delay()
        worker = asyncio.create_task(run_worker(app, handle_signals=False))
        await started.wait()
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        await asyncio.sleep(1.6)
        await run_jobs(app)
        assert await job.wait(timeout=60) == [2, 3]


async def test_keep_result_of_failures(make_app: MakeApp) -> None:
    """``keep_result=0`` stores no result of a job that fails, expires, or is revoked."""
    app, tasks = make_app(TASKS_KEEP_RESULT=0)

    @tasks.task(max_tries=1)
    async def again() -> None:
        raise Retry

    async with app.app_context():
        jobs = [await again.delay(), await again.apply_async(expires=0.01)]
        jobs.append(await again.apply_async(countdown=3600))
        assert await jobs[2].revoke()
        await asyncio.sleep(0.05)
        await run_jobs(app)
        assert [(await job.result()).ready for job in jobs] == [False] * 3


async def test_wake(make_app: MakeApp) -> None:
    """A job that is queued wakes an idle worker, which need not look at the queue by itself."""
    app, tasks = make_app(TASKS_POLL_DELAY=3600)

    @tasks.task
    async def answer() -> int:
        return 42

    worker = asyncio.create_task(run_worker(app, handle_signals=False))
    async with app.app_context():
        for countdown in (None, None, 0.1, None):
            await asyncio.sleep(0.05)
            job = await answer.apply_async(countdown=countdown)
            assert await job.wait(timeout=30) == 42
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker


async def test_order(make_app: MakeApp) -> None:
    """Jobs start in the order in which they were queued."""
    app, tasks = make_app(TASKS_MAX_JOBS=1)
    seen: list[int] = []

    @tasks.task
    async def note(number: int) -> None:
        seen.append(number)

    async with app.app_context():
        for number in range(100):
            await note.delay(number)
        await run_jobs(app)
    assert seen == list(range(100))
