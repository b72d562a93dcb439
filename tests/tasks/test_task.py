from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from quart import Quart

from quartpatterns.tasks import Tasks
from tests.tasks.conftest import MakeApp


class User:
    """What an ORM would load."""

    id = 7


def cyclic() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def test_call() -> None:
    """Calling a task calls the function, here and now, with no application in sight."""
    tasks = Tasks()

    @tasks.task
    def add(a: int, b: int = 1) -> int:
        """Add."""
        return a + b

    assert add(2, b=3) == 5
    assert (add.__name__, add.__doc__) == ("add", "Add.")
    assert add.name == "tests.tasks.test_task.test_call.<locals>.add"


async def test_call_coroutine() -> None:
    """A task that is a coroutine function is seen as one, as by ``app.ensure_async``."""
    tasks = Tasks()

    @tasks.task(name="add")
    async def add(a: int, b: int) -> int:
        return a + b

    assert await add(2, 3) == 5
    assert asyncio.iscoroutinefunction(add) or inspect.iscoroutinefunction(add)
    assert await Quart("app").ensure_async(add)(2, 3) == 5
    assert add.name == "add"


@pytest.mark.checks("CE-7")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        pytest.param(User(), "argument 'user' of task load is not JSON .*User", id="object"),
        pytest.param(
            {"deep": [User()]}, "pass an id, and load the object in the task", id="nested"
        ),
        pytest.param(b"bytes", "bytes is not JSON serializable", id="bytes"),
        pytest.param(float("nan"), "not JSON compliant", id="nan"),
        pytest.param(cyclic(), "Circular reference", id="cycle"),
    ],
)
async def test_argument_no_json(make_app: MakeApp, value: Any, said: str) -> None:
    """What is no JSON is refused where it is handed over, in words that say what to do."""
    app, tasks = make_app()

    @tasks.task(name="load")
    async def load(user: Any) -> None: ...

    async with app.app_context():
        with pytest.raises(TypeError, match=said):
            await load.delay(value)


async def test_wrong_arguments(make_app: MakeApp) -> None:
    """A call that could never work is refused where it is made, as in Celery."""
    app, tasks = make_app()

    @tasks.task
    async def add(a: int, b: int) -> None: ...

    async with app.app_context():
        with pytest.raises(TypeError, match="missing a required argument: 'b'"):
            await add.delay(1)  # type: ignore[call-arg]


async def test_no_context() -> None:
    """Outside an application context, and in an application without tasks, the error says so."""
    tasks = Tasks()

    @tasks.task
    async def nothing() -> None: ...

    with pytest.raises(RuntimeError, match="app context"):
        await nothing.delay()
    async with Quart("shop").app_context():
        with pytest.raises(RuntimeError, match=r"'shop' has no tasks: call Tasks\(app\)"):
            await nothing.delay()


def test_same_name() -> None:
    """Two functions don't share a name; a factory that is called twice may define one twice."""
    tasks = Tasks()

    def create() -> None:
        @tasks.task(name="one")
        def one() -> None: ...

    create()
    create()
    with pytest.raises(ValueError, match="give one of them another name"):

        @tasks.task(name="one")
        def two() -> None: ...


def test_taken_parameter() -> None:
    """A parameter that arq would swallow is found when the task is defined."""
    tasks = Tasks()
    with pytest.raises(ValueError, match="rename the parameter 'function'"):

        @tasks.task
        def call(function: str) -> None: ...


@pytest.mark.parametrize("option", ["timeout", "max_tries", "keep_result"])
def test_bad_option(option: str) -> None:
    """A number that makes no sense is found when the task is defined."""
    decorate: Callable[..., Any] = Tasks().task
    with pytest.raises(ValueError, match=option):
        decorate(**{option: -1})


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        pytest.param("REDIS_URL", "localhost:6379", "REDIS_URL is not like redis://", id="url"),
        pytest.param("REDIS_URL", 6379, "REDIS_URL is not like redis://", id="no text"),
        pytest.param("TASKS_TIMEOUT", "soon", "TASKS_TIMEOUT is 'soon': give seconds", id="text"),
        pytest.param("TASKS_TIMEOUT", 0, "more than 0", id="zero"),
        pytest.param("TASKS_MAX_TRIES", 1.5, "give a whole number", id="half"),
        pytest.param("TASKS_MAX_JOBS", True, "give a whole number", id="bool"),
    ],
)
def test_bad_config(key: str, value: Any, said: str) -> None:
    """A configuration that can't work is an error at once, and names its key."""
    app = Quart(__name__)
    app.config[key] = value
    with pytest.raises(ValueError, match=said):
        Tasks(app)


def test_twice() -> None:
    """An application has one queue."""
    app = Quart(__name__)
    Tasks(app)
    with pytest.raises(RuntimeError, match="has tasks already"):
        Tasks(app)


def test_bad_cron() -> None:
    """A time that there is not is found when it is given."""
    tasks = Tasks()

    @tasks.task
    async def tick() -> None: ...

    with pytest.raises(TypeError, match="fortnight"):
        tasks.cron(tick, fortnight=1)
