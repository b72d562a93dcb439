"""The test client: forms, files, redirects and preserved contexts."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest
from quart import current_app, g, redirect, request, session, url_for
from quart.datastructures import FileStorage

from quartpatterns.subclassing import FaithfulQuart


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an application that reports what it receives."""
    application = FaithfulQuart(__name__, static_folder=None)
    application.secret_key = "for these tests only"

    @application.route("/", methods=["GET", "POST"])
    async def index() -> dict[str, Any]:
        g.user = "ada"
        session["seen"] = True
        files = {name: [f.filename, f.read().decode()] for name, f in (await request.files).items()}
        form = (await request.form).to_dict(flat=False)
        return {"method": request.method, "args": request.args, "form": form, "files": files}

    @application.route("/to/<int:status>", methods=["GET", "POST"])
    async def to(status: int) -> Any:
        return redirect("/?from=there", status)

    return application


async def test_fields(app: FaithfulQuart) -> None:
    """Fields can be lists and numbers."""
    response = await app.test_client().post("/", data={"a": ["1", "2"], "b": 3})
    assert (await response.get_json())["form"] == {"a": ["1", "2"], "b": ["3"]}


async def test_files(app: FaithfulQuart) -> None:
    """Files can be given as in Flask's client and as Quart's objects."""
    data = {"one": (BytesIO(b"1"), "one.txt"), "two": FileStorage(BytesIO(b"2"), "two.txt")}
    response = await app.test_client().post("/", data={**data, "field": "x"})
    received = await response.get_json()
    assert received["files"] == {"one": ["one.txt", "1"], "two": ["two.txt", "2"]}
    assert received["form"] == {"field": ["x"]}


@pytest.mark.parametrize(
    ("status", "method", "form"),
    [
        pytest.param(302, "GET", {}, id="found"),
        pytest.param(303, "GET", {}, id="see other"),
        pytest.param(307, "POST", {"a": ["1"]}, id="temporary"),
        pytest.param(308, "POST", {"a": ["1"]}, id="permanent"),
    ],
)
async def test_redirects(app: FaithfulQuart, status: int, method: str, form: Any) -> None:
    """A redirect is followed with its own query, and with the body if the status says so."""
    response = await app.test_client().post(
        f"/to/{status}", data={"a": "1"}, query_string={"x": "y"}, follow_redirects=True
    )
    received = await response.get_json()
    assert (received["method"], received["form"], received["args"]) == (
        method,
        form,
        {"from": "there"},
    )


async def test_not_modified(app: FaithfulQuart) -> None:
    """304 is not a redirect."""

    @app.get("/same")
    async def same() -> tuple[str, int]:
        return "", 304

    assert (await app.test_client().get("/same", follow_redirects=True)).status_code == 304


async def test_preserved_context(app: FaithfulQuart) -> None:
    """Inside ``async with`` the last request is current.

    As in Flask, its teardown runs at its end and again when the block or the next request ends it.
    """
    log: list[str] = []
    app.teardown_request(lambda error: log.append("request"))
    app.teardown_appcontext(lambda error: log.append(f"context of {g.user}"))
    async with app.test_client() as client:
        for _ in range(2):
            await client.get("/?a=1")
            assert (g.user, current_app.name) == ("ada", app.name)
            assert (request.args["a"], session["seen"]) == ("1", True)
            assert url_for("index") == "/"
        assert log == ["request", "context of ada"] * 3
    assert log == ["request", "context of ada"] * 4
    with pytest.raises(RuntimeError):
        assert g.user


async def test_preserved_after_an_error(app: FaithfulQuart) -> None:
    """A request that raised an error is torn down as well."""
    app.testing = True
    log: list[str] = []
    app.teardown_request(lambda error: log.append("request"))

    @app.get("/error")
    async def error() -> str:
        raise LookupError

    async with app.test_client() as client:
        with pytest.raises(LookupError):
            await client.get("/error")
    assert log == ["request"]


async def test_session_transaction(app: FaithfulQuart) -> None:
    """A session can be set before a request and read after it."""
    client = app.test_client()
    async with client.session_transaction() as before:
        before["a"] = 1
    async with client:
        await client.get("/")
        assert (session["a"], session["seen"]) == (1, True)


async def test_a_client_that_ends_in_another_task(app: FaithfulQuart) -> None:
    """A fixture does so. The teardown functions see the application, the request and ``g``."""
    seen: list[str] = []
    app.teardown_appcontext(lambda error: seen.append(g.user))
    app.teardown_request(lambda error: seen.append(request.path))
    client = app.test_client()
    await asyncio.create_task(client.__aenter__())
    await asyncio.create_task(client.get("/"))
    await asyncio.create_task(client.__aexit__(None, None, None))
    assert seen[-2:] == ["/", "ada"]
