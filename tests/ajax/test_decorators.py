"""Views that require JSON."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Blueprint, Quart, request

from quartpatterns.ajax import require_json
from tests.examples import examples


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    return make_app(app_class)


def make_app(cls: type[Quart] = Quart) -> Quart:
    app = cls(__name__)

    @app.route("/read", methods=["GET", "OPTIONS", "PUT"], provide_automatic_options=False)
    @require_json
    async def read() -> str:
        return "read"

    @app.post("/async/<word>")
    @require_json
    async def echo(word: str) -> dict[str, Any]:
        """Return what was sent."""
        return {word: await request.get_json(), "again": await request.get_json()}

    @app.post("/sync")
    @require_json
    def sync() -> str:
        return "read"

    return app


async def post(app: Quart, path: str, data: bytes, content_type: str | None) -> int:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await app.test_client().post(path, data=data, headers=headers)
    return response.status_code


@pytest.mark.checks("JS-3")
@pytest.mark.parametrize("path", ["/async/a", "/sync"])
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("Application/JSON", 200),
        ("application/problem+json", 200),
        ("text/plain", 415),
        ("text/json", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/jsonp", 415),
        ("application/json, text/plain", 415),
        (";", 415),
        ("", 415),
        (None, 415),
    ],
)
async def test_content_type(app: Quart, path: str, content_type: str | None, status: int) -> None:
    assert await post(app, path, b"{}", content_type) == status


@pytest.mark.checks("JS-3")
@pytest.mark.parametrize("path", ["/async/a", "/sync"])
@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'"\xff"', id="not UTF-8"),
        pytest.param(b"[" * 200_000, id="too deep"),
        pytest.param(b"9" * 5000, id="too many digits"),
    ],
)
async def test_invalid_json(app: Quart, path: str, data: bytes) -> None:
    """Invalid JSON is a 400."""
    assert await post(app, path, data, "application/json") == 400


@pytest.mark.checks("JS-3")
async def test_parsed_once(app: Quart) -> None:
    response = await app.test_client().post("/async/sent", json=[1, None])
    assert await response.get_json() == {"sent": [1, None], "again": [1, None]}


@pytest.mark.checks("JS-3")
async def test_bodiless(app: Quart) -> None:
    """Requests without a body pass."""
    client = app.test_client()
    assert (await client.get("/read")).status_code == 200
    assert (await client.head("/read")).status_code == 200
    assert (await client.options("/read")).status_code == 200
    assert (await client.put("/read")).status_code == 415


@pytest.mark.checks("JS-3")
async def test_blueprint_and_mount(app: Quart) -> None:
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")

    @blueprint.post("/")
    @require_json
    async def view() -> str:
        return ""

    app.register_blueprint(blueprint)
    client = app.test_client()
    response = await client.post("/m/blue/", root_path="/m", json={})
    assert response.status_code == 200
    response = await client.post("/m/blue/", root_path="/m", form={"a": "b"})
    assert response.status_code == 415


@pytest.mark.checks("JS-3")
def test_metadata(app: Quart) -> None:
    """Name and docstring of the view do not change."""
    view = app.view_functions["echo"]
    assert (view.__name__, view.__doc__) == ("echo", "Return what was sent.")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.checks("JS-3")
@settings(max_examples=examples(200))
@given(values)
def test_any_json(value: Any) -> None:
    """Any JSON arrives as it was sent."""
    data = json.dumps(value)

    async def send() -> Any:
        response = (
            await make_app()
            .test_client()
            .post("/async/sent", data=data, headers={"Content-Type": "application/json"})
        )
        assert response.status_code == 200
        return json.loads(await response.get_data(as_text=True))

    assert json.dumps(asyncio.run(send())["sent"], sort_keys=True) == json.dumps(
        json.loads(data), sort_keys=True
    )


@pytest.mark.checks("JS-3")
@settings(max_examples=examples(200))
@given(st.binary(max_size=40))
def test_any_bytes(data: bytes) -> None:
    """Any body is valid JSON or a 400."""
    assert asyncio.run(post(make_app(), "/async/a", data, "application/json")) in {200, 400}
