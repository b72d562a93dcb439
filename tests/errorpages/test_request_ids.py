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
    application = app_class(__name__)
    ErrorPages(application)

    @application.get("/")
    async def index() -> str:
        application.logger.warning("logged %s with %(percent", "this")
        return request_id()

    @application.get("/sync")
    def sync_view() -> str:
        application.logger.warning("logged %s", "this")
        return request_id()

    return application


async def get_id(app: Quart, path: str = "/sync", **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await app.test_client().get(path, headers=named)
    assert response.status_code == 200
    return str(await response.get_data(as_text=True))


@pytest.mark.parametrize("value", ["one", "1-2_3.4~5+6/7=8:9@0", "x" * 128, "Root=1-67"])
async def test_id_of_a_proxy(app: Quart, value: str) -> None:
    assert await get_id(app, X_Request_ID=value) == value


@pytest.mark.parametrize(
    "value", ["", " ", "x" * 129, "a b", "<b>", "%s", "é", "a,b", 'a"b', "a\tb", "${jndi}"]
)
async def test_invalid_id(app: Quart, value: str) -> None:
    """An id that could spoil a log or a page is not used."""
    found = await get_id(app, X_Request_ID=value)
    assert found != value and len(found) == 32


async def test_another_header(app: Quart) -> None:
    app.config["REQUEST_ID_HEADER"] = "X-Trace"
    assert await get_id(app, X_Trace="one", X_Request_ID="two") == "one"
    response = await app.test_client().get("/nowhere", headers={"X-Trace": "one"})
    assert response.headers["X-Trace"] == "one"


async def test_no_header(app: Quart) -> None:
    """Without a header, no client can set the id."""
    app.config["REQUEST_ID_HEADER"] = None
    assert await get_id(app, X_Request_ID="one") != "one"
    response = await app.test_client().get("/nowhere")
    assert "X-Request-ID" not in response.headers


async def test_ids_are_unique(app: Quart) -> None:
    found = await asyncio.gather(*(get_id(app) for _ in range(20)))
    assert len(set(found)) == 20


async def test_no_request() -> None:
    with pytest.raises(RuntimeError, match="request context"):
        request_id()


async def test_log(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """Each message of the application's logger has the id once, also if it has arguments."""
    ErrorPages(app)
    ErrorPages(Quart(__name__))
    await get_id(app, X_Request_ID="one")
    app.logger.warning("outside")
    assert [record.getMessage() for record in caplog.records] == [
        "logged this [request one]",
        "outside",
    ]
    assert [record.__dict__["request_id"] for record in caplog.records] == ["one", None]


async def test_log_of_errors(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """Errors of views are logged, with the path in one line."""
    caplog.set_level(logging.INFO, app.name)

    @app.get("/unavailable")
    async def unavailable() -> tuple[str, int]:
        abort(503)

    @app.get("/failed")
    async def failed() -> str:
        abort(500)

    client = app.test_client()
    await client.get("/no%0Awhere", headers={"X-Request-ID": "one"})
    await client.get("/unavailable", headers={"X-Request-ID": "two"})
    await client.get("/failed", headers={"X-Request-ID": "three"})
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "404 on request GET '/no\\nwhere' [request one]"),
        ("ERROR", "503 on request GET '/unavailable' [request two]"),
        ("ERROR", "500 on request GET '/failed' [request three]"),
    ]


@pytest.fixture
def other() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """Another logger with its own handler and format."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    handler.addFilter(RequestIDFilter())
    logger = logging.getLogger("tests.errorpages.other")
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


async def test_other_loggers(app: Quart, other: Any) -> None:
    logger, stream = other

    @app.get("/other")
    async def view() -> str:
        logger.warning("other")
        return "logged"

    await get_id(app, "/other", X_Request_ID="one")
    assert stream.getvalue() == "one other [request one]\n"


async def test_two_filters(app: Quart) -> None:
    """A record that passes two filters has the id once."""
    record = logging.makeLogRecord({"msg": "logged"})
    async with app.test_request_context("/", headers={"X-Request-ID": "one"}):
        assert RequestIDFilter().filter(record) and RequestIDFilter().filter(record)
    assert record.getMessage() == "logged [request one]"


def test_logging_is_not_configured() -> None:
    """ErrorPages adds no logging handler, so the application can configure logging."""
    app = Quart("tests.errorpages.unconfigured")
    ErrorPages(app)
    assert logging.getLogger("tests.errorpages.unconfigured").handlers == []
