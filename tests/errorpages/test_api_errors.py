from __future__ import annotations

import decimal
from typing import Any

import pytest
from quart import Blueprint, Quart, websocket
from quart.signals import got_websocket_exception
from quart.testing.connections import WebsocketDisconnectError

from quartpatterns.errorpages import APIError, ErrorPages

PROBLEM = "application/problem+json"


class NotEnoughError(APIError):
    status_code = 402


def make_app(app_class: type[Quart], error: Exception, **options: Any) -> Quart:
    app = app_class(__name__)
    ErrorPages(app, **options)
    api = Blueprint("api", __name__, url_prefix="/api")

    @app.get("/foo")
    async def foo() -> str:
        raise error

    @api.get("/foo")
    def sync_view() -> str:
        raise error

    app.register_blueprint(api)
    return app


async def get(app: Quart, path: str = "/foo", **headers: str) -> tuple[int, str, Any]:
    response = await app.test_client().get(path, headers={"X-Request-ID": "one", **headers})
    return response.status_code, response.headers["Content-Type"], await response.get_json()


@pytest.mark.checks("AE-1")
def test_to_dict() -> None:
    assert APIError("no").to_dict() == {"message": "no"}
    payload = {"limit": 3, "message": "lost"}
    assert APIError("no", payload=payload).to_dict() == {"limit": 3, "message": "no"}
    assert payload == {"limit": 3, "message": "lost"}
    assert (APIError("no").status_code, APIError("no", 410).status_code) == (400, 410)
    assert (NotEnoughError("no").status_code, NotEnoughError("no", 403).status_code) == (402, 403)
    assert APIError.status_code == 400
    assert str(APIError("no")) == "no"


@pytest.mark.parametrize("status", [0, 200, 399, 600, -1])
def test_invalid_status(status: int) -> None:
    with pytest.raises(ValueError, match="from 400 to 599"):
        APIError("no", status)


@pytest.mark.checks("AE-2", "AE-3")
@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/json", "image/png", "x"])
@pytest.mark.parametrize("path", ["/foo", "/api/foo"])
async def test_json(app_class: type[Quart], accept: str, path: str) -> None:
    app = make_app(app_class, APIError("This view is gone", status_code=410))
    found = await get(app, path, Accept=accept)
    assert found == (410, "application/json", {"message": "This view is gone"})


@pytest.mark.checks("AE-3")
@pytest.mark.parametrize("key", ["TESTING", "DEBUG", "PROPAGATE_EXCEPTIONS"])
async def test_where_exceptions_propagate(app_class: type[Quart], key: str) -> None:
    app = make_app(app_class, APIError("no"))
    app.config[key] = True
    assert (await get(app))[0] == 400


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        pytest.param("/foo", PROBLEM, id="accepted"),
        pytest.param("/foo", f"application/json;q=0.5, {PROBLEM}", id="preferred"),
        pytest.param("/api/foo", "application/json", id="configured for a blueprint"),
    ],
)
async def test_problem(app_class: type[Quart], path: str, accept: str) -> None:
    """The payload becomes members, but can't overwrite status and detail."""
    payload = {"type": "https://example.org/limit", "status": 200, "detail": "lost", "limit": 3}
    app = make_app(app_class, APIError("Too many", 429, payload), blueprints={"api": "problem"})
    status, content_type, document = await get(app, path, Accept=accept)
    assert (status, content_type) == (429, PROBLEM)
    assert document == {
        "type": "https://example.org/limit",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "Too many",
        "limit": 3,
        "request_id": "one",
    }


async def test_payload_with_decimal(app_class: type[Quart]) -> None:
    """The application's JSON provider encodes the payload."""
    app = make_app(app_class, APIError("no", payload={"price": decimal.Decimal("1.50")}))
    assert (await get(app))[2] == {"message": "no", "price": "1.50"}


async def test_payload_that_is_not_json(app_class: type[Quart]) -> None:
    """An invalid payload is a 500 that shows no details."""
    app = make_app(app_class, APIError("no", payload={"price": object()}))
    response = await app.test_client().get("/foo")
    assert response.status_code == 500
    assert "object" not in str(await response.get_data(as_text=True))


@pytest.mark.checks("AE-3")
async def test_without_error_pages(app_class: type[Quart]) -> None:
    app = app_class(__name__)

    @app.get("/foo")
    async def foo() -> str:
        raise APIError("no", 410)

    assert (await app.test_client().get("/foo")).status_code == 500


@pytest.mark.checks("AE-2")
@pytest.mark.parametrize("before", [True, False])
async def test_own_handler(app_class: type[Quart], before: bool) -> None:
    async def own(error: APIError) -> tuple[dict[str, str], int]:
        return {"error": error.message}, error.status_code

    app = app_class(__name__)
    if before:
        app.register_error_handler(APIError, own)
    ErrorPages(app)
    if not before:
        app.register_error_handler(APIError, own)

    @app.get("/foo")
    async def foo() -> str:
        raise NotEnoughError("no")

    assert (await get(app)) == (402, "application/json", {"error": "no"})


async def test_websocket(app_class: type[Quart]) -> None:
    """In a websocket the exception is raised unchanged."""
    app = app_class(__name__)
    ErrorPages(app)
    errors: list[Exception] = []

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send("hello")
        raise APIError("no")

    async def record(sender: Quart, exception: Exception) -> None:
        errors.append(exception)

    got_websocket_exception.connect(record, app)
    async with app.test_client().websocket("/ws") as socket:
        assert await socket.receive() == "hello"
        # FaithfulQuart raises the exception in tests, Quart closes the websocket.
        with pytest.raises((APIError, WebsocketDisconnectError)):
            await socket.receive()
    assert [type(error) for error in errors] == [APIError]
