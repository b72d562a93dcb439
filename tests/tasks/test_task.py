from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from quart import Quart

from quartpatterns.tasks import Tasks, current_job, run_worker
from quartpatterns.tasks.queue import queue_of
from tests.tasks.conftest import MakeApp


class User:
    """What an ORM would load."""

    id = 7


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def test_call() -> None:
    """Calling a task calls the function directly; it needs no application."""
    tasks = Tasks()

    @tasks.task
    def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    assert add(2, b=3) == 5
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    assert add.name == "tests.tasks.test_task.test_call.<locals>.add"


async def test_call_coroutine() -> None:
    """A task made from a coroutine function is recognized as one, by ``app.ensure_async`` too."""
    tasks = Tasks()

    @tasks.task(name="add")
    async def add(a: int, b: int) -> int:
        return a + b

    assert await add(2, 3) == 5
    assert inspect.iscoroutinefunction(add)
    assert await Quart("app").ensure_async(add)(2, 3) == 5
    assert add.name == "add"

    @tasks.task(name="sync")
    def sync() -> None: ...

    assert not inspect.iscoroutinefunction(sync)


@pytest.mark.checks("CE-7")
@pytest.mark.parametrize(
    ("value", "message"),
    [
        pytest.param(User(), "argument 'user' of task load is not JSON .*User", id="object"),
        pytest.param(
            {"deep": [User()]}, "pass an id, and load the object in the task", id="nested"
        ),
        pytest.param(memoryview(b"bytes"), "memoryview is not supported", id="memoryview"),
        pytest.param(cyclic(), "contains itself", id="cycle"),
    ],
)
async def test_argument_not_json(make_app: MakeApp, value: Any, message: str) -> None:
    """An argument that is not JSON is a TypeError, whose message says what to do."""
    app, tasks = make_app()

    @tasks.task(name="load")
    async def load(user: Any) -> None: ...

    async with app.app_context():
        with pytest.raises(TypeError, match=message):
            await load.delay(value)


async def test_wrong_arguments(make_app: MakeApp) -> None:
    """Arguments that do not fit the function are a TypeError in ``delay``, as in Celery."""
    app, tasks = make_app()

    @tasks.task
    async def add(a: int, b: int) -> None: ...

    async with app.app_context():
        with pytest.raises(TypeError, match="missing a required argument: 'b'"):
            await add.delay(1)  # type: ignore[call-overload]


async def test_no_context() -> None:
    """``delay`` needs an application context, and an application with tasks."""
    tasks = Tasks()

    @tasks.task
    async def nothing() -> None: ...

    with pytest.raises(RuntimeError, match="app context"):
        await nothing.delay()
    async with Quart("shop").app_context():
        with pytest.raises(RuntimeError, match=r"'shop' has no tasks: call Tasks\(app\)"):
            await nothing.delay()


def test_same_name() -> None:
    """Two tasks cannot share a name; an application factory may define one task twice."""
    tasks = Tasks()

    def create() -> None:
        @tasks.task(name="one")
        def one() -> None: ...

    create()
    create()
    with pytest.raises(ValueError, match="pass another name to one of them"):

        @tasks.task(name="one")
        def two() -> None: ...


async def test_parameter_names(make_app: MakeApp) -> None:
    """A parameter may have any name, even one that arq's ``enqueue_job`` has."""
    app, tasks = make_app()

    @tasks.task
    async def join(ctx: str, function: str, _job_id: str, **more: str) -> str:
        return ctx + function + _job_id + more["self"] + more["task_id"]

    async with app.app_context():
        names = {"function": "b", "_job_id": "c", "self": "d", "task_id": "e"}
        job = await join.apply_async(("a",), names)
        await run_worker(app, burst=True)
        assert await job.wait(timeout=60) == "abcde"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("timeout", 0),
        ("timeout", float("inf")),
        ("max_tries", 0),
        ("max_tries", 1.5),
        ("keep_result", -1),
    ],
)
def test_invalid_option(option: str, value: float) -> None:
    """An invalid number is an error when the task is defined."""
    decorate: Callable[..., Any] = Tasks().task
    with pytest.raises(ValueError, match=f"{option} must be"):
        decorate(**{option: value})(lambda: None)


def test_unknown_option() -> None:
    """A misspelt option is an error when the task is defined."""
    decorate: Callable[..., Any] = Tasks().task
    with pytest.raises(TypeError, match="retries"):
        decorate(retries=3)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param("REDIS_URL", "localhost:6379", "starts with redis://", id="no scheme"),
        pytest.param("REDIS_URL", 6379, "starts with redis://", id="not text"),
        pytest.param("REDIS_URL", "redis://x:port/0", "REDIS_URL must be a URL", id="port"),
        pytest.param("TASKS_TIMEOUT", "soon", "TASKS_TIMEOUT must be a number", id="text"),
        pytest.param("TASKS_TIMEOUT", 0, "more than 0", id="zero"),
        pytest.param("TASKS_TIMEOUT", float("inf"), "TASKS_TIMEOUT must be a number", id="inf"),
        pytest.param("TASKS_LEASE", 0, "TASKS_LEASE must be a number", id="lease"),
        pytest.param("TASKS_KEEP_RESULT", -1, "0 or more", id="negative"),
        pytest.param("TASKS_MAX_TRIES", 1.5, "must be a whole number", id="half"),
        pytest.param("TASKS_MAX_JOBS", True, "must be a whole number", id="bool"),
        pytest.param("TASKS_MAX_JOB", 5, "did you mean TASKS_MAX_JOBS", id="misspelt"),
    ],
)
def test_invalid_setting(key: str, value: Any, message: str) -> None:
    """An invalid setting is an error at once, whose message names the key."""
    app = Quart(__name__)
    app.config[key] = value
    with pytest.raises(ValueError, match=message):
        Tasks(app)


@pytest.mark.parametrize("value", ["", None])
def test_empty_redis_url(value: str | None) -> None:
    """An empty REDIS_URL, as an unset variable gives it, stands for the default."""
    app = Quart(__name__)
    app.config["REDIS_URL"] = value
    Tasks(app)
    assert queue_of(app).settings.redis_url == "redis://localhost:6379/0"


def test_init_app_twice() -> None:
    """Initializing an application twice is an error."""
    app = Quart(__name__)
    Tasks(app)
    with pytest.raises(RuntimeError, match="already has tasks"):
        Tasks(app)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"task_id": ""}, ValueError, "1 to 512 bytes"),
        ({"task_id": "x" * 513}, ValueError, "1 to 512 bytes"),
        ({"task_id": "a\ud800"}, ValueError, "lone surrogate"),
        ({"task_id": 7}, TypeError, "must be a string"),
        ({"expires": 0}, ValueError, "expires must be more than 0"),
        ({"expires": -1}, ValueError, "expires must be more than 0"),
        ({"expires": float("nan")}, ValueError, "expires must be a number of seconds"),
        ({"expires": "1"}, TypeError, "expires must be a number of seconds"),
        ({"countdown": float("inf")}, ValueError, "countdown must be a number of seconds"),
        ({"countdown": 1e300}, ValueError, "countdown must be a number of seconds"),
        ({"countdown": True}, TypeError, "countdown must be a number of seconds"),
        ({"eta": 5}, TypeError, "eta must be a datetime"),
        ({"eta": datetime.now(UTC), "countdown": 1}, ValueError, "countdown or eta"),
    ],
)
async def test_invalid_when(
    make_app: MakeApp, options: Any, error: type[Exception], message: str
) -> None:
    """An invalid option of ``apply_async`` is an error that names it, and nothing is queued."""
    app, tasks = make_app()

    @tasks.task
    async def nothing() -> None: ...

    async with app.app_context():
        with pytest.raises(error, match=message):
            await nothing.apply_async(**options)
        await run_worker(app, burst=True)


@pytest.mark.parametrize(
    "options", [{"countdown": -1}, {"eta": datetime(2020, 1, 1, tzinfo=UTC)}, {"countdown": 0}]
)
async def test_past_time(make_app: MakeApp, options: Any) -> None:
    """A past time means now."""
    app, tasks = make_app()

    @tasks.task
    async def answer() -> int:
        return 42

    async with app.app_context():
        job = await answer.apply_async(**options)
        await run_worker(app, burst=True)
        assert await job.wait(timeout=60) == 42


@pytest.mark.parametrize("id", ["ä/../*?[x]", "a b\n\0", "\N{GRINNING FACE}" * 128])
async def test_unusual_id(make_app: MakeApp, id: str) -> None:
    """Each id that can be queued can be run, revoked and asked for."""
    app, tasks = make_app()

    @tasks.task
    async def own_id() -> str:
        return current_job.id

    async with app.app_context():
        job = await own_id.apply_async(task_id=id)
        other = await own_id.apply_async(task_id=f"{id[1:]}2", countdown=3600)
        assert await other.revoke()
        await run_worker(app, burst=True)
        assert await job.wait(timeout=60) == id


def test_include() -> None:
    """One object has the tasks and the schedule of others, and names stay unique."""
    one, other, both = Tasks(), Tasks(), Tasks()

    @one.task(name="first")
    def first() -> None: ...

    @other.task(name="second", timeout=7)
    def second() -> None: ...

    other.cron(second, hour=3)
    both.include(one)
    both.include(other)
    both.init_app(app := Quart("app"))
    queue = queue_of(app)
    assert queue.task("first") is first
    assert queue.task("second") is second
    assert [task for task, _ in queue.schedule] == [second]
    third = Tasks()

    @third.task(name="first")
    def another() -> None: ...

    with pytest.raises(ValueError, match="both named 'first'"):
        both.include(third)
