"""``StopIteration`` from synchronous code: the answers are those of Flask, and nothing hangs."""

from __future__ import annotations

import asyncio
import decimal
import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from contextvars import ContextVar
from typing import Any

import flask
import pytest
import quart
from quart.utils import run_sync

from quartpatterns.subclassing import FaithfulQuart

Build = Callable[[Any, Any], None]
variable: ContextVar[str] = ContextVar("variable", default="unset")


def stop(*args: Any, **kwargs: Any) -> Any:
    """Raise StopIteration, as ``next()`` of an empty iterator does."""
    return next(iter(()))


def view(app: Any, framework: Any) -> None:
    app.add_url_rule("/", "view", stop)


def registered(name: str) -> Build:
    def build(app: Any, framework: Any) -> None:
        getattr(app, name)(stop)
        app.add_url_rule("/", "view", lambda: "view")

    build.__name__ = name
    return build


def error_handler(app: Any, framework: Any) -> None:
    app.errorhandler(404)(stop)


def context_processor(app: Any, framework: Any) -> None:
    app.context_processor(stop)
    if framework is flask:
        app.add_url_rule("/", "view", lambda: flask.render_template_string("x"))
    else:
        app.add_url_rule("/", "view", _render)


async def _render() -> str:
    return await quart.render_template_string("x")


def signal_receiver(app: Any, framework: Any) -> None:
    framework.request_started.connect(stop, app, weak=False)
    app.add_url_rule("/", "view", lambda: "view")


BUILDS: list[Build] = [
    view,
    registered("before_request"),
    registered("after_request"),
    registered("url_value_preprocessor"),
    error_handler,
    context_processor,
    signal_receiver,
]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("threads", [None, 1])
async def test_stop_iteration(
    build: Build, threads: int | None, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is Flask's 500, and the error is in the log."""
    original = flask.Flask(__name__)
    build(original, flask)
    expected = await run_sync(original.test_client().get)("/")
    assert expected.status_code == 500
    caplog.clear()

    app = FaithfulQuart(__name__)
    app.config["SYNC_THREADS"] = threads
    build(app, quart)
    async with app.test_app(), asyncio.timeout(20):
        response = await app.test_client().get("/")
        assert response.status_code == 500
        assert await response.get_data(as_text=True) == expected.text
    record = next(each for each in caplog.records if each.levelno == logging.ERROR)
    assert record.exc_info and "StopIteration" in str(record.exc_info[1])


@pytest.mark.parametrize("name", ["teardown_request", "teardown_appcontext"])
async def test_stop_iteration_of_a_teardown_function(name: str) -> None:
    """It is raised after the response was made, as in Flask."""
    original = flask.Flask(__name__)
    registered(name)(original, flask)
    with pytest.raises(StopIteration), closing(original.test_client().get("/")):
        pass
    app = FaithfulQuart(__name__)
    registered(name)(app, quart)
    with pytest.raises(RuntimeError, match="StopIteration"):
        async with asyncio.timeout(20):
            await app.test_client().get("/")


async def test_stop_iteration_of_the_session() -> None:
    """A session interface that raises ``StopIteration`` is an error of the server."""

    class Interface(type(FaithfulQuart.session_interface)):  # type: ignore[misc]
        save_session = stop

    app = FaithfulQuart(__name__)
    app.secret_key = "for these tests only"
    app.session_interface = Interface()
    app.add_url_rule("/", "view", lambda: "view")
    async with asyncio.timeout(20):
        assert (await app.test_client().get("/")).status_code == 500


def steps() -> Iterator[str]:
    with decimal.localcontext() as context:
        context.prec = 50
        yield f"{decimal.getcontext().prec} "
        yield f"{decimal.getcontext().prec} "
    token = variable.set("inside")
    yield f"{variable.get()} "
    variable.reset(token)
    yield variable.get()


async def test_one_context_for_a_streamed_generator() -> None:
    """All steps of a generator have one context, however it is returned."""
    expected = "50 50 inside unset"
    original = flask.Flask(__name__)
    original.add_url_rule("/", "view", lambda: steps())
    assert await run_sync(lambda: original.test_client().get("/").text)() == expected
    app = FaithfulQuart(__name__)

    async def asynchronous() -> Any:
        return steps()

    app.add_url_rule("/function", "function", steps)
    app.add_url_rule("/sync", "sync", lambda: steps())
    app.add_url_rule("/async", "async", asynchronous)
    app.add_url_rule("/response", "response", lambda: app.response_class(steps()))
    for path in ("/function", "/sync", "/async", "/response"):
        response = await app.test_client().get(path)
        assert await response.get_data(as_text=True) == expected, path
