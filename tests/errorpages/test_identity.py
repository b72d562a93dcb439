from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from quart import Quart, abort

from quartpatterns.errorpages import ErrorPages, RequestIDFilter, request_id


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    made = app_class(__name__)
    ErrorPages(made)

    @made.get("/")
    async def index() -> str:
        made.logger.warning("seen %s by %(percent", "it")
        return request_id()

    @made.get("/in-a-thread")
    def in_a_thread() -> str:
        made.logger.warning("seen %s", "it")
        return request_id()

    return made


async def identity(app: Quart, path: str = "/in-a-thread", **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await app.test_client().get(path, headers=named)
    assert response.status_code == 200
    return str(await response.get_data(as_text=True))


@pytest.mark.parametrize("sent", ["one", "1-2_3.4~5+6/7=8:9@0", "x" * 128, "Root=1-67"])
async def test_id_of_a_proxy(app: Quart, sent: str) -> None:
    assert await identity(app, X_Request_ID=sent) == sent


@pytest.mark.parametrize(
    "sent", ["", " ", "x" * 129, "a b", "<b>", "%s", "é", "a,b", 'a"b', "a\tb", "${jndi}"]
)
async def test_id_that_is_none(app: Quart, sent: str) -> None:
    """What would make a mess of a log or a page is not taken over."""
    found = await identity(app, X_Request_ID=sent)
    assert found != sent and len(found) == 32


async def test_another_header(app: Quart) -> None:
    app.config["REQUEST_ID_HEADER"] = "X-Trace"
    assert await identity(app, X_Trace="one", X_Request_ID="two") == "one"
    response = await app.test_client().get("/nowhere", headers={"X-Trace": "one"})
    assert response.headers["X-Trace"] == "one"


async def test_no_header(app: Quart) -> None:
    """A server without a proxy believes nobody."""
    app.config["REQUEST_ID_HEADER"] = None
    assert await identity(app, X_Request_ID="one") != "one"
    response = await app.test_client().get("/nowhere")
    assert "X-Request-ID" not in response.headers


async def test_each_its_own(app: Quart) -> None:
    found = await asyncio.gather(*(identity(app) for _ in range(20)))
    assert len(set(found)) == 20


async def test_no_request() -> None:
    with pytest.raises(RuntimeError, match="request context"):
        request_id()


async def test_log(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """Every line of the application's log says whose it is, once, also where it has arguments."""
    ErrorPages(app)
    ErrorPages(Quart(__name__))
    await identity(app, X_Request_ID="one")
    app.logger.warning("outside")
    assert [record.getMessage() for record in caplog.records] == [
        "seen it [request one]",
        "outside",
    ]
    assert [record.__dict__["request_id"] for record in caplog.records] == ["one", None]


async def test_log_of_errors(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """What a client is given an id of is in the log, with its path in one line."""
    caplog.set_level(logging.INFO, app.name)

    @app.get("/unavailable")
    async def unavailable() -> tuple[str, int]:
        abort(503)

    client = app.test_client()
    await client.get("/no%0Awhere", headers={"X-Request-ID": "one"})
    await client.get("/unavailable", headers={"X-Request-ID": "two"})
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "404 on request GET '/no\\nwhere' [request one]"),
        ("ERROR", "503 on request GET '/unavailable' [request two]"),
    ]


@pytest.fixture
def elsewhere() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Another logger, with a handler and a format of its own."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    handler.addFilter(RequestIDFilter())
    logger = logging.getLogger("tests.errorpages.elsewhere")
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


async def test_other_loggers(app: Quart, elsewhere: Any) -> None:
    logger, stream = elsewhere

    @app.get("/elsewhere")
    async def view() -> str:
        logger.warning("elsewhere")
        return "logged"

    await identity(app, "/elsewhere", X_Request_ID="one")
    assert stream.getvalue() == "one elsewhere [request one]\n"


async def test_two_filters(app: Quart) -> None:
    """A line that passes a logger's filter and a handler's has the id once."""
    record = logging.makeLogRecord({"msg": "seen"})
    async with app.test_request_context("/", headers={"X-Request-ID": "one"}):
        assert RequestIDFilter().filter(record) and RequestIDFilter().filter(record)
    assert record.getMessage() == "seen [request one]"


def test_logging_is_left_to_the_application() -> None:
    """Set-up adds no handler, which the application's own configuration would double."""
    app = Quart("tests.errorpages.untouched")
    ErrorPages(app)
    assert logging.getLogger("tests.errorpages.untouched").handlers == []
