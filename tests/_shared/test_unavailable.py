"""Errors of drivers are answered with 503, and tell the client nothing of the driver's."""

from __future__ import annotations

import logging

import pytest
from quart import Blueprint, Quart
from quart.testing import WebsocketResponseError
from werkzeug.exceptions import Conflict, HTTPException

from quartpatterns._shared.unavailable import (
    ServiceUnavailableError,
    redact,
    redis_message,
    redis_remedy,
    register_unavailable_handler,
)
from quartpatterns.errorpages import ErrorPages

SECRET = "redis://me:hunter2@db.internal/0 is away"


class DriverError(Exception):
    pass


class QueryError(DriverError):
    pass


class StoreUnavailableError(ServiceUnavailableError):
    description = "Start the store."


def diagnose(error: DriverError) -> HTTPException | None:
    if isinstance(error, QueryError):
        return Conflict("Twice.") if str(error) == "twice" else None
    return StoreUnavailableError(retry_after=5)


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    app = app_class(__name__)

    @app.get("/driver")
    async def driver() -> str:
        raise DriverError(SECRET)

    @app.get("/twice")
    async def twice() -> str:
        raise QueryError("twice")

    @app.get("/fault")
    async def fault() -> str:
        raise QueryError("fault")

    @app.get("/own")
    async def own() -> str:
        raise StoreUnavailableError(retry_after=3)

    @app.websocket("/ws")
    async def ws() -> None:
        raise DriverError(SECRET)

    return app


async def test_a_503_with_retry_after(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    register_unavailable_handler(app, DriverError, diagnose=diagnose)
    answer = await app.test_client().get("/driver")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    text = await answer.get_data(as_text=True)
    assert "Start the store." in text
    assert "internal" not in text
    [record] = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.getMessage() == (
        "Start the store. (DriverError: redis://me:***@db.internal/0 is away)"
    )


async def test_without_a_diagnosis(app: Quart) -> None:
    register_unavailable_handler(app, DriverError)
    answer = await app.test_client().get("/driver")
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers
    assert "internal" not in await answer.get_data(as_text=True)


async def test_another_answer_and_none(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    register_unavailable_handler(app, DriverError, diagnose=diagnose)
    assert (await app.test_client().get("/twice")).status_code == 409
    assert not caplog.records
    assert (await app.test_client().get("/fault")).status_code == 500


async def test_an_error_of_the_package_needs_no_handler(app: Quart) -> None:
    answer = await app.test_client().get("/own")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    with pytest.raises(TypeError, match="StoreUnavailableError is an HTTP exception"):
        register_unavailable_handler(app, StoreUnavailableError)


@pytest.mark.parametrize("path", ["/driver", "/own"])
async def test_the_handlers_of_the_application_answer(app: Quart, path: str) -> None:
    register_unavailable_handler(app, DriverError, diagnose=diagnose)

    @app.errorhandler(503)
    async def unavailable(error: HTTPException) -> tuple[str, int]:
        return f"Sorry: {error.description}", 503

    answer = await app.test_client().get(path)
    assert await answer.get_data(as_text=True) == "Sorry: Start the store."


async def test_error_pages_answer(app: Quart) -> None:
    register_unavailable_handler(app, DriverError, diagnose=diagnose)
    ErrorPages(app)
    answer = await app.test_client().get("/driver", headers={"Accept": "application/problem+json"})
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Retry-After"] == "5"
    assert (await answer.get_json(force=True))["detail"] == "Start the store."


@pytest.mark.parametrize("before", [True, False])
async def test_a_handler_for_the_same_error_wins(app: Quart, before: bool) -> None:
    async def own(error: DriverError) -> tuple[str, int]:
        return "own", 502

    if before:
        app.register_error_handler(DriverError, own)
    register_unavailable_handler(app, DriverError, diagnose=diagnose)
    if not before:
        app.register_error_handler(DriverError, own)
    assert (await app.test_client().get("/driver")).status_code == 502


async def test_a_handler_of_a_blueprint_wins(app: Quart) -> None:
    blueprint = Blueprint("inner", __name__, url_prefix="/inner")

    @blueprint.errorhandler(DriverError)
    async def own(error: DriverError) -> tuple[str, int]:
        return "own", 502

    @blueprint.get("/driver")
    async def driver() -> str:
        raise DriverError(SECRET)

    register_unavailable_handler(app, DriverError, diagnose=diagnose)
    app.register_blueprint(blueprint)
    assert (await app.test_client().get("/inner/driver")).status_code == 502


async def test_a_websocket(app: Quart) -> None:
    register_unavailable_handler(app, DriverError, diagnose=diagnose)
    with pytest.raises(WebsocketResponseError) as refused:
        async with app.test_client().websocket("/ws") as websocket:
            await websocket.receive()
    response = refused.value.response
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://me:p@ss@host/db", "postgresql://me:***@host/db"),
        ("redis://:pass@host", "redis://:***@host"),
        ("host=db password=secret dbname=x", "host=db password=*** dbname=x"),
        ("{'password': 'two words', 'user': 'me'}", "{'password': ***, 'user': 'me'}"),
        (
            "password authentication failed for user me",
            "password authentication failed for user me",
        ),
        ("http://host:80/path user@host", "http://host:80/path user@host"),
    ],
)
def test_passwords_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_no_values_of_redis() -> None:
    """The command, which redis-py puts into the message, contains values."""
    reason = "OOM command not allowed when used memory > 'maxmemory'."
    message = f"Command # 1 (SET key secret (a) \n) of pipeline caused error: {reason}"
    assert redis_message(ValueError(message)) == redis_message(ValueError(reason)) == reason
    # redis-py writes the arguments of the error, which are a tuple.
    message = f"Command # 1 (SET key (a,)) of pipeline caused error: {(reason,)}"
    assert redis_message(ValueError(message)) == reason
    assert redis_message(ValueError("('a', 'b')")) == "('a', 'b')"


async def test_description(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """``describe`` replaces the text of the error in the log."""

    @app.get("/query")
    async def query() -> str:
        raise ValueError("SELECT secret")

    register_unavailable_handler(app, ValueError, describe=lambda error: "described")
    assert (await app.test_client().get("/query")).status_code == 503
    [message] = caplog.messages
    assert "(ValueError: described)" in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("OOM command not allowed when used memory > 'maxmemory'.", "Redis is full: free memory"),
        ("You can't write against a read only replica.", "URL is a read-only replica: set the"),
        ("MOVED 3999 127.0.0.1:6381", "URL is a node of a cluster"),
        ("User a has no permissions to run the 'set' command", "The user in URL may not use"),
        ("invalid username-password pair", "The name or password in URL is wrong or missing."),
        ("DB index is out of range", "URL has the number of a database that does not exist."),
        ("AUTH <password> called without any password configured", "The name or password in"),
        ("max number of clients reached", "Redis has as many clients as it allows: raise its"),
        ("MISCONF Redis is configured to save RDB snapshots", "Redis can't save its data:"),
        ("Valkey is loading the dataset in memory", "Redis has just started and loads its data"),
        ("unknown command 'NOPE', with args", "Set URL to a database of its own, of a Redis or"),
        ("WRONGTYPE Operation against a key", "Set URL to a database of its own, of a Redis or"),
        ("Error 111 connecting", "Start Redis or Valkey, or set URL to one that runs."),
    ],
)
def test_remedies_of_redis(message: str, remedy: str) -> None:
    """The log says what to do about each error of Redis."""
    assert redis_remedy(Exception(message), "URL").startswith(remedy)
