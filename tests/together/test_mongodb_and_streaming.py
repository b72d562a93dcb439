"""Exports of a MongoDB database."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import ObjectId
from quart import Quart, Response

from quartpatterns.mongodb import Document, MongoDB
from quartpatterns.streaming import csv_response, ndjson_response
from tests.serving import eventually, served, unread_response

pytestmark = [
    pytest.mark.wire,
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

LARGE = 50_000
mongo = MongoDB()


@mongo.register
class Movie(Document):
    title: str
    year: int


@pytest.fixture
async def app(app_class: type[Quart], mongodb_url: str) -> AsyncIterator[Quart]:
    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)

    @app.get("/movies.csv")
    async def export() -> Response:
        found = mongo.db["movie"].find({}, sort={"_id": 1}, batch_size=1000)
        app.extensions.setdefault("cursors", []).append(found)
        return csv_response(found, columns={"title": "Title", "year": "Year"})

    @app.get("/documents.csv")
    async def export_documents() -> Response:
        return csv_response(Movie.find_all().limit(3), columns=["year", "title"])

    @app.get("/movies.ndjson")
    async def export_json() -> Response:
        return ndjson_response(mongo.db["movie"].find({}, limit=2))

    @app.get("/documents.ndjson")
    async def export_documents_json() -> Response:
        return ndjson_response(Movie.find_all().limit(2))

    async with app.app_context():
        rows: list[dict[str, Any]] = [
            {"title": f'"{number}", {"x" * 90}', "year": number} for number in range(LARGE)
        ]
        await mongo.db["movie"].insert_many(rows)
    yield app


async def test_csv(app: Quart) -> None:
    """Documents and rows of a cursor are lines; values that a row does not have are empty."""
    async with app.app_context():
        await mongo.db["movie"].insert_one({"title": "no year"})
    async with served(app) as server:
        response = await server.client.get("/movies.csv")
        rows = list(csv.reader(io.StringIO(response.text, newline="")))
        assert rows[:2] == [["Title", "Year"], [f'"0", {"x" * 90}', "0"]]
        assert (rows[-1], len(rows)) == (["no year", ""], LARGE + 2)
        response = await server.client.get("/documents.csv")
        rows = list(csv.reader(io.StringIO(response.text, newline="")))
        assert rows[0] == ["year", "title"]
        assert [row[0] for row in rows[1:]] == ["0", "1", "2"]


async def test_ndjson(app: Quart) -> None:
    """The ids are written as ``jsonify`` writes them."""
    async with served(app) as server:
        found = []
        for path in ("/movies.ndjson", "/documents.ndjson"):
            response = await server.client.get(path)
            rows = [json.loads(line) for line in response.text.splitlines()]
            assert [row["year"] for row in rows] == [0, 1]
            found.append(rows[0]["_id"])
        assert ObjectId.is_valid(found[0])
        assert found[1] == {"$oid": found[0]}


async def test_reader_that_stops(app: Quart) -> None:
    """A client that stops reading stops the cursor; one that leaves closes it."""
    cursors: list[Any] = app.extensions.setdefault("cursors", [])
    async with served(app, send_buffer=4096) as server:
        async with unread_response(server.port, "/movies.csv") as reader:
            await reader.read(12)
            before = -1
            while before != cursors[0].retrieved:
                before = cursors[0].retrieved
                await asyncio.sleep(0.5)
            assert 5_000 < cursors[0].retrieved < LARGE
            assert not cursors[0]._killed
        await eventually(lambda: cursors[0]._killed)
