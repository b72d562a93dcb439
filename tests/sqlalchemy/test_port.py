"""The port: on PostgreSQL as on SQLite, with input of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from quart import Quart
from quart.utils import run_sync

from quartpatterns.compare.parity import compare_applications
from quartpatterns.sqlalchemy.example import cases, original, original_extension
from quartpatterns.sqlalchemy.example.port import create_app
from quartpatterns.sqlalchemy.migrations import upgrade
from tests import databases
from tests.sqlalchemy.shop import registration


@pytest.fixture
async def port(url: str) -> AsyncIterator[Quart]:
    """The port with 45 users."""
    await run_sync(upgrade)(url)
    await cases.add_users(url)
    app = create_app({"SQLALCHEMY_DATABASE_URI": url})
    yield app
    await registration(app).close()


@pytest.mark.checks("SA-1", "SA-2", "SA-3", "SA-4", "SA-5", "SA-6", "SA-7")
async def test_parity_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """Port and original answer alike on PostgreSQL, except for values that drivers refuse."""
    async with cases.arrange(tmp_path, postgres_url=postgres_url) as arrangement:
        one = await run_sync(original.create_app)(arrangement.original)
        other = create_app(arrangement.port)
        # Differences are declared for SQLite; PostgreSQL's driver refuses other values.
        chosen = [case for case in cases.CASES if not case.differs]
        failed = [
            (result.case.name, result.findings)
            async for result in compare_applications(one, other, chosen)
            if not result.passed
        ]
        await registration(other).close()
        with one.app_context():
            original_extension.db.engine.dispose()
        assert not failed
        assert len(chosen) > 30


INVALID_USERS = [
    *databases.INVALID_USERS,
    pytest.param({"json": {"name": "x", "email": "admin@localhost"}}, 409, id="a taken email"),
]


@pytest.mark.checks("SA-5")
@pytest.mark.parametrize("form", ["", "/declarative", "/manual", "/core"])
@pytest.mark.parametrize(("request_", "status"), INVALID_USERS)
async def test_bad_input(port: Quart, form: str, request_: dict[str, Any], status: int) -> None:
    """Invalid input is refused and changes nothing."""
    client = port.test_client()
    response = await client.post(f"{form}/users", **request_)
    assert response.status_code == status
    assert (await (await client.get("/users")).get_json())["total"] == cases.USERS


@pytest.mark.checks("SA-2", "SA-5", "SA-6", "SA-7")
@pytest.mark.parametrize("form", ["", "/declarative", "/manual", "/core"])
async def test_new_users(port: Quart, form: str) -> None:
    """Each form stores users, also many at once, and follows its Location."""
    client = port.test_client()
    answers = await asyncio.gather(
        *(
            client.post(f"{form}/users", json={"name": f"n{number}", "email": f"e{number}"})
            for number in range(10)
        )
    )
    assert [answer.status_code for answer in answers] == [201] * 10
    for answer in answers:
        assert await (await client.get(answer.location)).get_json() == await answer.get_json()
    assert (await (await client.get("/users")).get_json())["total"] == cases.USERS + 10


@pytest.mark.parametrize("query", ["per_page=x", "per_page=0", "per_page=101", "cursor=a&cursor=b"])
async def test_invalid_newest(port: Quart, query: str) -> None:
    response = await port.test_client().get(f"/newest?{query}")
    assert (response.status_code, response.content_type) == (400, "application/problem+json")


async def test_documentation(port: Quart) -> None:
    """OpenAPI has every route of JSON, with the lengths of the columns."""
    client = port.test_client()
    document = await (await client.get("/openapi.json")).get_json()
    methods = {path: set(found) for path, found in document["paths"].items()}
    assert methods == {
        "/users": {"get", "post"},
        "/users/{id}": {"get"},
        "/users/by-name/{name}": {"get"},
        "/newest": {"get"},
        "/declarative/users": {"get", "post"},
        "/declarative/users/{name}": {"get"},
        "/manual/users": {"get", "post"},
        "/manual/users/{id}": {"get"},
        "/core/users": {"post"},
        "/core/users/{id}": {"get"},
        "/core/users/by-name/{name}": {"get"},
    }
    body = document["paths"]["/users"]["post"]["requestBody"]["content"]["application/json"]
    lengths = {name: one["maxLength"] for name, one in body["schema"]["properties"].items()}
    assert lengths == {"name": 50, "email": 120}
    text = await (await client.get("/docs")).get_data(as_text=True)
    assert "swagger-ui" in text and "//" not in text


@pytest.mark.parametrize("path", ["/users/", "/manual/users/", "/core/users/"])
@pytest.mark.parametrize("id", [0, 2**31, 2**63, 10**30])
async def test_ids(port: Quart, path: str, id: int) -> None:
    """No id is too large for an answer."""
    response = await port.test_client().get(f"{path}{id}")
    assert response.status_code in (400, 404)


@pytest.mark.parametrize("path", ["/users/by-name/", "/declarative/users/", "/core/users/by-name/"])
@pytest.mark.parametrize("name", ["%00", "%ED%A0%80", "'", "%25", "n" * 5000])
async def test_odd_names(port: Quart, path: str, name: str) -> None:
    response = await port.test_client().get(path + name)
    assert response.status_code in (400, 404)


async def test_no_migration(url: str) -> None:
    """Without tables the port names the command to run."""
    app = create_app({"SQLALCHEMY_DATABASE_URI": url})
    for path in ("/", "/users", "/users/1", "/declarative/users", "/manual/users", "/core/users/1"):
        response = await app.test_client().get(path)
        assert response.status_code == 503
        assert "alembic upgrade head" in await response.get_data(as_text=True)
    await registration(app).close()


@pytest.mark.checks("SA-1")
async def test_page(port: Quart) -> None:
    """The page lists users, links to the other pages and to each form, also under a prefix."""
    client = port.test_client()
    response = await client.get("/prefix/?page=2&per_page=20", root_path="/prefix")
    links = databases.Links(await response.get_data(as_text=True))
    assert links.current == ["?per_page=20&page=2"]
    assert {"?per_page=20&page=1", "?per_page=20&page=3"} < set(links.found)
    assert all(link.startswith(("/prefix/", "?")) for link in links.found)
    for link in {urljoin("/prefix/", found) for found in links.found}:
        answer = await client.get(link, root_path="/prefix")
        assert answer.status_code == 200, link


async def test_form(port: Quart) -> None:
    """The form of the page adds a user, and shows the page again."""
    client = port.test_client()
    response = await client.post("/", form={"name": "ada", "email": "ada@localhost"})
    assert (response.status_code, response.location) == (303, "/")
    assert (await client.get("/users/by-name/ada")).status_code == 200


async def test_no_users(url: str) -> None:
    """Without users the page says so."""
    await run_sync(upgrade)(url)
    app = create_app({"SQLALCHEMY_DATABASE_URI": url})
    page = await (await app.test_client().get("/")).get_data(as_text=True)
    assert "There are no users yet." in page and "<table>" not in page
    await registration(app).close()


async def test_markup_in_names(port: Quart) -> None:
    client = port.test_client()
    await client.post("/users", json={"name": "<script>", "email": "x@y"})
    page = await (await client.get("/?per_page=100")).get_data(as_text=True)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
