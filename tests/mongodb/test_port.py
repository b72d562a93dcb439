"""The port: its page, invalid input, and a missing database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html.parser import HTMLParser
from typing import Any

import pytest
from quart import Quart

from quartpatterns.appdispatch import DispatcherMiddleware
from quartpatterns.compare.processes import free_port
from quartpatterns.gallery.ports import failed_port
from quartpatterns.mongodb.example.cases import movies
from quartpatterns.mongodb.example.port import create_app, mongo
from tests.mongodb.shop import connection


@pytest.fixture
async def port(mongodb_url: str) -> AsyncIterator[Quart]:
    """The port with 45 movies."""
    app = create_app({"MONGODB_URL": mongodb_url})
    async with app.app_context():
        await mongo.create_indexes()
        await mongo.db["movie"].insert_many(movies())
    yield app
    await connection(app).close()


INVALID: list[Any] = [
    pytest.param({"json": {}}, 400, id="nothing"),
    pytest.param({"json": {"title": None}}, 400, id="null"),
    pytest.param({"json": {"title": {"$gt": ""}}}, 400, id="operator"),
    pytest.param({"json": {"title": "x", "year": {"$gt": 0}}}, 400, id="operator in year"),
    pytest.param({"json": {"title": "x", "year": 10**30}}, 400, id="number"),
    pytest.param({"json": {"title": "x", "actors": "A"}}, 400, id="not a list"),
    pytest.param({"json": {"title": "x", "imdb": []}}, 400, id="not an embedded document"),
    pytest.param(
        {"json": {"title": "x", "imdb": {"imdb_id": "x", "rating": "NaN"}}}, 400, id="NaN"
    ),
    pytest.param({"json": {"title": "\ud800"}}, 400, id="lone surrogate"),
    pytest.param({"json": {"title": "x" * 17_000_000}}, 413, id="large request"),
    pytest.param({"json": []}, 400, id="list"),
    pytest.param(
        {"data": b"null", "headers": {"Content-Type": "application/json"}}, 400, id="null body"
    ),
    pytest.param({"json": "text"}, 400, id="text"),
    pytest.param({"form": {}}, 400, id="empty form"),
    pytest.param({"form": {"title": ""}}, 400, id="empty title"),
    pytest.param({"form": {"title[$ne]": "x"}}, 400, id="operator in a form"),
    pytest.param({"form": {"title": "x", "year": "soon"}}, 400, id="year in a form"),
    pytest.param({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, id="half"),
]


@pytest.mark.checks("ME-3")
@pytest.mark.parametrize(("request_", "status"), INVALID)
async def test_invalid_input(port: Quart, request_: dict[str, Any], status: int) -> None:
    """Invalid input is answered with a problem document, and nothing is stored."""
    client = port.test_client()
    response = await client.post("/" if "form" in request_ else "/movies", **request_)
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    answer = await response.get_json()
    assert (answer["status"], bool(answer["detail"])) == (status, True)
    assert (await (await client.get("/movies")).get_json())["total"] == 45


@pytest.mark.parametrize("depth", [250, *range(900, 1100, 25), 100_000])
@pytest.mark.parametrize(
    ("path", "start", "end"),
    [
        pytest.param("/movies", b'{"title":', b"}", id="movie"),
        pytest.param("/movies/search", b'{"title":', b"}", id="search"),
        pytest.param("/collection/users", b'{"name":', b"}", id="collection"),
        pytest.param("/users", b"", b"", id="user"),
    ],
)
async def test_nested_json(port: Quart, path: str, start: bytes, end: bytes, depth: int) -> None:
    """However deep JSON is nested, it is an error of the client."""
    body = start + b"[" * depth + b"]" * depth + end
    headers = {"Content-Type": "application/json"}
    response = await port.test_client().post(path, data=body, headers=headers)
    assert (response.status_code, response.content_type) == (400, "application/problem+json")


async def test_documentation(port: Quart) -> None:
    """The page of the API's document loads no file of other hosts."""
    client = port.test_client()
    document = await (await client.get("/openapi.json")).get_json()
    assert "/movies/search" in document["paths"]
    text = await (await client.get("/docs")).get_data(as_text=True)
    assert "swagger-ui" in text and "//" not in text


async def test_large_document(port: Quart) -> None:
    """A document larger than 16 MiB is a 413, if the application accepts the request."""
    port.config["MAX_CONTENT_LENGTH"] = None
    response = await port.test_client().post("/movies", json={"title": "x" * 17_000_000})
    assert response.status_code == 413
    assert "16 MiB, the limit of MongoDB" in (await response.get_json())["detail"]


@pytest.mark.parametrize("ident", ["x", "0" * 24, "0" * 25, "%00", "%24ne", "{}", "n" * 5000])
async def test_invalid_ids(port: Quart, ident: str) -> None:
    """An invalid id is a 404."""
    response = await port.test_client().get(f"/movies/{ident}")
    assert (response.status_code, response.content_type) == (404, "application/problem+json")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        pytest.param("/movies/titled/[$ne]=x", 404, id="title"),
        pytest.param("/movies/titled/Movie 02?title[$ne]=x", 200, id="title and a query"),
        pytest.param("/movies/titled/.*", 404, id="expression"),
        pytest.param("/users/%7B%22%24gt%22:%22%22%7D", 404, id="user"),
        pytest.param("/collection/users/%7B%22%24gt%22:%22%22%7D", 404, id="collection"),
        pytest.param("/movies?page[$gt]=", 200, id="page"),
    ],
)
async def test_operators_in_urls(port: Quart, path: str, answer: int) -> None:
    """An operator of MongoDB in a URL is a value, or is ignored."""
    assert (await port.test_client().get(path)).status_code == answer


@pytest.mark.parametrize("value", [{"$gt": ""}, {"$ne": None}, {"$regex": ""}, None, 1, ["x"]])
async def test_operators_in_a_search(port: Quart, value: object) -> None:
    """An operator of MongoDB in a search matches nothing."""
    response = await port.test_client().post("/movies/search", json={"title": value})
    assert await response.get_json() == {"titles": []}


class Links(HTMLParser):
    """The links and form targets of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found |= {values[key] or "" for key in ("href", "action") if key in values}


async def test_page(port: Quart) -> None:
    """Every link of the page works, also below a prefix."""
    client = port.test_client()
    response = await client.get("/prefix/?page=2", root_path="/prefix")
    links = Links()
    links.feed(await response.get_data(as_text=True))
    assert {"/prefix/?page=1", "/prefix/?page=3", "/prefix/movies"} < links.found
    for link in links.found:
        assert link.startswith("/prefix/")
        assert (await client.get(link, root_path="/prefix")).status_code == 200, link


async def test_no_movies(mongodb_url: str) -> None:
    """Without movies the page says so."""
    app = create_app({"MONGODB_URL": mongodb_url})
    page = await (await app.test_client().get("/")).get_data(as_text=True)
    assert "There are no movies yet." in page and '<ul class="movies">' not in page
    await connection(app).close()


async def test_form(port: Quart) -> None:
    """The form of the page adds a movie, and the page escapes its text."""
    client = port.test_client()
    form = {"title": "<script>", "year": "2020", "actors": "<b>A</b>"}
    response = await client.post("/", form=form)
    assert (response.status_code, response.location) == (303, "/")
    page = await (await client.get("/?per_page=100")).get_data(as_text=True)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


async def test_in_the_gallery() -> None:
    """Without its database the port answers 503 with the setting to change; others run."""
    url = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=200"
    gallery, other = Quart("gallery"), Quart("other")

    @other.get("/")
    async def index() -> str:
        return "other"

    mounts = {"/mongodb": create_app({"MONGODB_URL": url}), "/streaming": other}
    gallery.asgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        gallery.asgi_app, mounts, on_startup_failure=failed_port
    )
    async with gallery.test_app():
        client = gallery.test_client()
        response = await client.get("/mongodb/movies")
        text = await response.get_data(as_text=True)
        assert (response.status_code, "Set MONGODB_URL" in text) == (503, True)
        assert "127.0.0.1" not in text
        assert (await client.get("/streaming/")).status_code == 200
    await connection(mounts["/mongodb"]).close()


async def test_default_database() -> None:
    """The port uses the database of Flask's page by default."""
    app = create_app()
    assert connection(app).settings.database == "myapp"
