"""The port: its page, its first start, and invalid input."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart
from quart.utils import run_sync

from quartpatterns.sqlite3.example import cases
from quartpatterns.sqlite3.example.port import create_app
from tests.databases import INVALID_USERS, Links
from tests.sqlite3.shop import app_database


@pytest.fixture
async def port(file: Path) -> AsyncIterator[Quart]:
    """The port with its 120 users."""
    await run_sync(cases.fill)(str(file))
    app = create_app({"DATABASE": file})
    yield app
    await app_database(app).connections.close()


async def count(app: Quart) -> int:
    client = app.test_client()
    pages = [await (await client.get(f"/users?page={page}")).get_json() for page in range(1, 5)]
    return sum(len(page["users"]) for page in pages)


@pytest.mark.checks("SQ-8")
async def test_first_start(file: Path) -> None:
    """The port creates its tables when it starts, and keeps existing ones."""
    for expected in (201, 409):
        app = create_app({"DATABASE": file})
        async with app.test_app() as test_app:
            client = test_app.test_client()
            response = await client.post("/users", json={"name": "ada", "email": "a@b"})
            assert response.status_code == expected
            assert (await client.get("/")).status_code == 200


async def test_no_tables(file: Path) -> None:
    """Without its tables, the port answers 503 and names the command."""
    app = create_app({"DATABASE": file})
    for path in ("/", "/users", "/users/admin", "/dicts"):
        response = await app.test_client().get(path)
        assert response.status_code == 503
        assert "quart init-db" in await response.get_data(as_text=True)
    await app_database(app).connections.close()


@pytest.mark.parametrize(("request_", "status"), INVALID_USERS)
async def test_invalid_input(port: Quart, request_: dict[str, Any], status: int) -> None:
    """Invalid input is an error, and changes nothing in the database."""
    response = await port.test_client().post("/users", **request_)
    assert response.status_code == status
    assert await count(port) == 120


@pytest.mark.parametrize("depth", [100, *range(900, 1100, 25), 100_000])
async def test_nested_json(port: Quart, depth: int) -> None:
    """However deep JSON is nested, it is an error of the client."""
    for start, end in ((b"[", b"]"), (b'{"name":[', b"]}")):
        body = start + b"[" * depth + b"]" * depth + end
        response = await port.test_client().post(
            "/users", data=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 400
    assert await count(port) == 120


async def test_form(port: Quart) -> None:
    """The form of the page adds a user, and shows the page again."""
    client = port.test_client()
    response = await client.post("/", form={"name": "ada", "email": "ada@localhost"})
    assert (response.status_code, response.location) == (303, "/")
    assert await count(port) == 121
    response = await client.post("/", form={"name": "admin", "email": "x@y"})
    assert response.status_code == 409
    assert await count(port) == 121


async def test_documentation(port: Quart) -> None:
    """OpenAPI has every route of JSON with its bodies, and its page loads no file of others."""
    client = port.test_client()
    document = await (await client.get("/openapi.json")).get_json()
    methods = {path: set(found) for path, found in document["paths"].items()}
    assert methods == {
        "/users": {"get", "post"},
        "/users/{name}": {"get"},
        "/forgotten": {"post"},
        "/dicts": {"get"},
    }
    body = document["paths"]["/users"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["properties"]["name"]["maxLength"] == 50
    (page,) = document["paths"]["/users"]["get"]["parameters"]
    assert (page["name"], page["schema"]["minimum"]) == ("page", 1)
    text = await (await client.get("/docs")).get_data(as_text=True)
    assert "swagger-ui" in text and "//" not in text.replace("http://www.w3.org", "")


@pytest.mark.checks("SQ-6")
@pytest.mark.parametrize("name", [*cases.INJECTIONS, "%00", "%25", "'", "n" * 5000])
async def test_injections(port: Quart, name: str) -> None:
    """A name is never part of a statement."""
    client = port.test_client()
    assert (await client.get(f"/users/{name}")).status_code == 404
    response = await client.post("/users", json={"name": name[:50], "email": name[:50]})
    assert response.status_code == 201
    assert await count(port) == 121


@pytest.mark.parametrize("page", ["x", "-5", "0", "1.5", "9" * 30, "", "1 OR 1=1"])
async def test_pages(port: Quart, page: str) -> None:
    response = await port.test_client().get("/users", query_string={"page": page})
    assert response.status_code in (200, 400)


@pytest.mark.checks("SQ-8")
async def test_page(port: Quart) -> None:
    """The links of the page work, also under a prefix."""
    client = port.test_client()
    response = await client.get("/prefix/?page=2", root_path="/prefix")
    links = Links(await response.get_data(as_text=True))
    assert {"/prefix/?page=1", "/prefix/?page=3", "/prefix/users.csv"} < set(links.found)
    assert all(link.startswith("/prefix/") for link in links.found)
    for link in set(links.found):
        answer = await client.get(link, root_path="/prefix")
        assert answer.status_code == 200, link


async def test_markup_in_names(port: Quart) -> None:
    client = port.test_client()
    await client.post("/users", json={"name": "<script>", "email": "x@y"})
    page = await (await client.get("/")).get_data(as_text=True)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
