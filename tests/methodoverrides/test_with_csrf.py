"""A form with a method in a field and a CSRF token: both patterns in one application."""

from __future__ import annotations

import asyncio
import re
from io import SEEK_END
from typing import Any

import flask
import flask_wtf  # type: ignore[import-untyped]
import pytest
from quart import Quart, render_template_string, request
from quart.typing import ResponseReturnValue
from werkzeug.test import encode_multipart

from quartpatterns.methodoverrides import HTTPMethodOverrideMiddleware, middleware
from quartpatterns.methodoverrides.example.original import (
    HTTPMethodOverrideMiddleware as PageMiddleware,
)
from quartpatterns.wtforms import CSRFProtect, FlaskForm
from tests.serving import TIMEOUT, served

PAGE = """
<form method="post">
  <input type="hidden" name="_method" value="DELETE">
  <input type="hidden" name="csrf_token" value="{{ csrf_token() }}">
</form>
"""
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
OVERRIDE = {"X-HTTP-Method-Override": "DELETE"}
METHODS = ["DELETE", "PATCH", "PUT"]


class Form(FlaskForm):
    pass


def make(app_class: type[Quart], **options: Any) -> Quart:
    app = app_class(__name__)
    app.secret_key = "something unique and secret"
    options = {"methods": {"POST"}, "form_field": "_method"} | options
    app.asgi_app = HTTPMethodOverrideMiddleware(app.asgi_app, **options)  # type: ignore[method-assign]
    CSRFProtect(app)

    @app.get("/note")
    async def page() -> str:
        return await render_template_string(PAGE)

    @app.route("/note", methods=METHODS)
    async def note() -> ResponseReturnValue:
        form, files = await request.form, await request.files
        return {
            "method": request.method,
            "valid": await (await Form.create()).validate_on_submit(),
            "form": {name: value for name, value in form.items() if name != "csrf_token"},
            "files": {name: file.stream.seek(0, SEEK_END) for name, file in files.items()},
        }

    return app


async def token_of(client: Any) -> str:
    page = await (await client.get("/note")).get_data(as_text=True)
    found = TOKEN.search(page)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["urlencoded", "multipart"])
async def test_form(app_class: type[Quart], kind: str, method: str) -> None:
    """The token in the form is found, and the view can read the form."""
    client = make(app_class).test_client()
    fields = {"_method": method, "csrf_token": await token_of(client), "text": "é" * 5000}
    how: dict[str, Any] = {"form": fields}
    if kind == "multipart":
        boundary, body = encode_multipart(fields)
        how = {
            "data": body,
            "headers": {"Content-Type": f"multipart/form-data; boundary={boundary}"},
        }
    response = await client.post("/note", **how)
    assert response.status_code == 200
    assert await response.get_json() == {
        "method": method,
        "valid": True,
        "form": {"_method": method, "text": "é" * 5000},
        "files": {},
    }


@pytest.mark.parametrize("token", [None, "", "wrong"])
async def test_form_without_a_valid_token(app_class: type[Quart], token: str | None) -> None:
    client = make(app_class).test_client()
    await token_of(client)
    form = {"_method": "DELETE"} | ({} if token is None else {"csrf_token": token})
    assert (await client.post("/note", form=form)).status_code == 400
    assert (await make(app_class).test_client().post("/note", form=form)).status_code == 400


async def test_header(app_class: type[Quart]) -> None:
    """With the header too, the token may be in the form or in a header."""
    client = make(app_class).test_client()
    token = await token_of(client)
    response = await client.post("/note", headers=OVERRIDE, form={"csrf_token": token, "a": "b"})
    assert response.status_code == 200
    found = await response.get_json()
    assert (found["method"], found["form"]) == ("DELETE", {"a": "b"})
    response = await client.post("/note", headers={"X-CSRFToken": token, **OVERRIDE})
    assert response.status_code == 200
    assert (await client.post("/note", headers=OVERRIDE, form={"a": "b"})).status_code == 400


async def test_as_on_flasks_page(app_class: type[Quart]) -> None:
    """Without form_field, the body of a DELETE is dropped; the error says what to do."""
    app = make(app_class, form_field=None)
    app.debug = True
    client = app.test_client()
    token = await token_of(client)
    original = flask.Flask(__name__)
    original.secret_key = "something unique and secret"
    page_middleware: Any = PageMiddleware
    original.wsgi_app = page_middleware(original.wsgi_app)  # type: ignore[method-assign]
    flask_wtf.CSRFProtect(original)
    original.add_url_rule("/note", view_func=lambda: "deleted", methods=METHODS)
    original.add_url_rule("/token", "token", flask_wtf.csrf.generate_csrf)
    flask_client = original.test_client()
    flask_token = flask_client.get("/token").text
    for headers, form, status in (
        ({"X-CSRFToken": "{token}"}, {}, 200),
        ({}, {"csrf_token": "{token}"}, 400),
    ):
        sent = {key: value.format(token=flask_token) for key, value in headers.items()}
        fields = {key: value.format(token=flask_token) for key, value in form.items()}
        answer = flask_client.post("/note", headers=sent | OVERRIDE, data=fields)
        assert answer.status_code == status
        sent = {key: value.format(token=token) for key, value in headers.items()}
        fields = {key: value.format(token=token) for key, value in form.items()}
        response = await client.post("/note", headers=sent | OVERRIDE, form=fields)
        assert response.status_code == status
    assert "pass it form_field or bodyless_methods" in await response.get_data(as_text=True)


async def test_bodyless_methods(app_class: type[Quart]) -> None:
    """The methods without a body are an option, and an attribute as on Flask's page."""
    options: dict[str, Any] = {"form_field": None, "bodyless_methods": {"get", "head", "options"}}
    client = make(app_class, **options).test_client()
    form = {"csrf_token": await token_of(client)}
    assert (await client.post("/note", headers=OVERRIDE, form=form)).status_code == 200

    class Subclass(HTTPMethodOverrideMiddleware):
        allowed_methods = frozenset({"DELETE", "PUT"})
        bodyless_methods = frozenset({"DELETE"})

    app = make(app_class)
    app.asgi_app = Subclass(app.asgi_app, form_field="_method")  # type: ignore[method-assign]
    client = app.test_client()
    form = {"csrf_token": await token_of(client)}
    assert (await client.post("/note", headers=OVERRIDE, form=form)).status_code == 400
    headers = {"X-HTTP-Method-Override": "PUT"}
    assert (await client.post("/note", headers=headers, form=form)).status_code == 200


def test_invalid_options() -> None:
    app: Any = None
    for name in ("methods", "bodyless_methods"):
        options: dict[str, Any] = {name: "POST"}
        with pytest.raises(TypeError, match=rf"{name} must be a collection.*\{{'POST'\}}"):
            HTTPMethodOverrideMiddleware(app, **options)
    with pytest.raises(ValueError, match="peek must be a number of bytes of 1 or more, not 0"):
        HTTPMethodOverrideMiddleware(app, peek=0)


@pytest.mark.wire
async def test_form_that_does_not_arrive(
    app_class: type[Quart], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client gets a 408, as from an application without the middleware."""
    monkeypatch.setattr(middleware, "FORM_TIMEOUT", 0.1)
    async with served(make(app_class)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"POST /note HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n_met"
        )
        async with asyncio.timeout(TIMEOUT):
            answer = await reader.readline()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.wire
async def test_server(app_class: type[Quart]) -> None:
    """Forms with a large file, urlencoded forms and chunked ones, with Hypercorn."""
    app = make(app_class)
    app.config["MAX_CONTENT_LENGTH"] = 100 * 2**20
    async with served(app) as server:
        found = TOKEN.search((await server.client.get("/note")).text)
        assert found is not None
        fields = {"_method": "DELETE", "csrf_token": found[1]}
        file = b"x" * (20 * 2**20)
        answer = await server.client.post("/note", data=fields, files={"file": file})
        assert answer.json() == {
            "method": "DELETE",
            "valid": True,
            "form": {"_method": "DELETE"},
            "files": {"file": len(file)},
        }

        async def chunks() -> Any:
            for piece in (b"_met", b"hod=DELETE&csrf_", f"token={found[1]}".encode()):
                yield piece

        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for content in (chunks(), b"".join([piece async for piece in chunks()])):
            answer = await server.client.post("/note", content=content, headers=headers)
            assert (answer.status_code, answer.json()["form"]) == (200, {"_method": "DELETE"})
        # A file without a token is refused before it is received, and the connection still works.
        answer = await server.client.post(
            "/note", data={"_method": "DELETE"}, files={"file": file[: 2**20]}
        )
        assert answer.status_code == 400
        answer = await server.client.post("/note", data={"text": "a", **fields}, headers=OVERRIDE)
        assert answer.json()["form"] == {"text": "a", "_method": "DELETE"}
