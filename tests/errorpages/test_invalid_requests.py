"""``handle_invalid_request``, in an application without ``ErrorPages``."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel
from quart import Quart, abort
from quart_schema import (
    DataSource,
    QuartSchema,
    RequestSchemaValidationError,
    validate_querystring,
    validate_request,
)
from werkzeug.exceptions import BadRequest, HTTPException

from quartpatterns.errorpages import handle_invalid_request

JSON = {"Content-Type": "application/json"}
BODY, QUERY = "The JSON body of the request", "The query string of the request"
NUMBER = "Input should be a valid integer, unable to parse string as an integer"


class User(BaseModel):
    name: str
    age: int = 0


class Query(BaseModel):
    page: int = 1


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    app = app_class(__name__)
    QuartSchema(app)
    app.register_error_handler(RequestSchemaValidationError, handle_invalid_request)

    @app.post("/users")
    @validate_request(User)
    async def create(data: User) -> dict[str, Any]:
        return data.model_dump()

    @app.post("/form")
    @validate_request(User, source=DataSource.FORM)
    async def form(data: User) -> dict[str, Any]:
        return data.model_dump()

    @app.get("/users")
    @validate_querystring(Query)
    async def find(query_args: Query) -> dict[str, Any]:
        return query_args.model_dump()

    @app.get("/missing")
    async def missing() -> str:
        abort(404)

    return app


@pytest.mark.parametrize(
    ("method", "path", "options", "detail", "error"),
    [
        pytest.param(
            "POST",
            "/users",
            {"json": {"age": 1}},
            f"{BODY} is not valid.",
            {"detail": "Field required", "pointer": "#/name"},
            id="json",
        ),
        pytest.param(
            "POST",
            "/users",
            {"data": b"null", "headers": JSON},
            f"{BODY} is not valid.",
            {"detail": "Input should be a valid dictionary or instance of User", "pointer": "#"},
            id="null",
        ),
        pytest.param(
            "POST",
            "/form",
            {"form": {"name": "x", "age": "old"}},
            "The form of the request is not valid.",
            {"detail": NUMBER, "field": "age"},
            id="form",
        ),
        pytest.param(
            "GET",
            "/users?page=x",
            {},
            f"{QUERY} is not valid.",
            {"detail": NUMBER, "parameter": "page"},
            id="query",
        ),
    ],
)
async def test_invalid(
    app: Quart, method: str, path: str, options: dict[str, Any], detail: str, error: dict[str, str]
) -> None:
    """The answer is a problem document with each invalid field."""
    response = await app.test_client().open(path, method=method, **options)
    assert (response.status_code, response.content_type) == (400, "application/problem+json")
    assert await response.get_json() == {
        "title": "Bad Request",
        "status": 400,
        "detail": detail,
        "errors": [error],
    }


async def test_other_type(app: Quart) -> None:
    """A form is not JSON, and JSON is no form."""
    client = app.test_client()
    for path, options in (("/users", {"form": {"name": "x"}}), ("/form", {"json": {"name": "x"}})):
        assert (await client.post(path, **options)).status_code == 415


async def test_own_handler(app: Quart) -> None:
    """The application's handler of 415 answers a body of another type."""

    @app.errorhandler(415)
    async def unsupported(error: HTTPException) -> tuple[str, int]:
        return "own", 415

    response = await app.test_client().post("/form", json={"name": "x"})
    assert await response.get_data(as_text=True) == "own"


async def test_other_errors(app: Quart) -> None:
    """Valid requests and other errors are not changed."""
    client = app.test_client()
    assert (await client.post("/users", json={"name": "x"})).status_code == 200
    assert (await client.get("/missing")).mimetype == "text/html"
    async with app.test_request_context("/users"):
        error = BadRequest("something else")
        assert await handle_invalid_request(error) is error
