"""JSON of documents and of the types of MongoDB. Most values are those of Flask-PyMongo 3.0."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from bson import DBRef, Decimal128, ObjectId
from bson.json_util import CANONICAL_JSON_OPTIONS
from quart import Quart, jsonify, request

from quartpatterns.compare.processes import free_port
from quartpatterns.mongodb import BSONProvider, PyMongo
from tests.mongodb.shop import Item, make_app
from tests.mongodb.shop import mongo as documents
from tests.mongodb.test_pymongo import close, database

ID = ObjectId("5cf29abb5167a14c9e6e12c4")


@pytest.fixture
async def app(app_class: type[Quart], mongodb_url: str) -> AsyncIterator[Quart]:
    app = app_class(__name__)
    app.config["MONGO_URI"] = mongodb_url
    app.extensions["mongo"] = PyMongo(app)
    yield app
    await close(app)


async def body(app: Quart, value: Any) -> str:
    async with app.test_request_context("/"):
        return await jsonify(value).get_data(as_text=True)


async def test_types(app: Quart) -> None:
    """The types of MongoDB are Extended JSON; others are written as Flask writes them."""
    value = {
        "z": ID,
        "a": datetime(2020, 1, 2, 3, 4, 5),
        "b": b"ab",
        "c": (1, 2.5, None, "é"),
        "d": Decimal128("1.5"),
        "e": re.compile("a"),
        "f": {"g": [True, 2**40]},
        "h": date(2020, 1, 1),
        "i": Decimal("1.5"),
    }
    assert await body(app, value) == (
        '{"z": {"$oid": "5cf29abb5167a14c9e6e12c4"}, "a": {"$date": "2020-01-02T03:04:05Z"},'
        ' "b": {"$binary": {"base64": "YWI=", "subType": "00"}}, "c": [1, 2.5, null, "\\u00e9"],'
        ' "d": {"$numberDecimal": "1.5"}, "e": {"$regularExpression": {"pattern": "a", "options":'
        ' "u"}}, "f": {"g": [true, 1099511627776]}, "h": "Wed, 01 Jan 2020 00:00:00 GMT",'
        ' "i": "1.5"}'
    )


async def test_options(app: Quart) -> None:
    """``json_options`` and the attributes of Flask's provider have an effect."""
    PyMongo(app, json_options=CANONICAL_JSON_OPTIONS)
    assert await body(app, {"n": 2**40}) == '{"n": {"$numberLong": "1099511627776"}}'
    provider = app.json
    assert isinstance(provider, BSONProvider)
    provider.sort_keys, provider.ensure_ascii = True, False
    assert await body(app, {"b": "é", "a": "x"}) == '{"a": "x", "b": "é"}'
    provider.compact = True
    assert await body(app, {"b": "é", "a": "x"}) == '{"a":"x","b":"é"}\n'


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ('{"a":{"$oid":"5cf29abb5167a14c9e6e12c4"}}', {"a": ID}),
        ('{"$ne":null}', {"$ne": None}),
        ('{"a":{"$numberInt":"9"}}', {"a": 9}),
        *(
            (sent, None)
            for sent in (
                *('{"$oid":"x"}', '{"$oid":5}', '{"$date":[]}', '{"$numberDecimal":"x"}', "{"),
                *('{"$binary":"###"}', '{"$code":1}', '{"$regularExpression":{}}', '{"$uuid":"x"}'),
                *('{"$minKey":2}', '{"$date":{"$numberLong":"99999999999999999"}}'),
                *('{"$numberDouble":{}}', '{"$timestamp":7}', '{"$dbPointer":{}}'),
                "[" * 9999 + "]" * 9999,
            )
        ),
    ],
)
async def test_request(app: Quart, sent: str, expected: Any) -> None:
    """get_json() reads Extended JSON; what is invalid is a 400."""

    @app.post("/")
    async def view() -> str:
        return repr(await request.get_json())

    response = await app.test_client().post(
        "/",
        data=sent,
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == (400 if expected is None else 200)
    if expected is not None:
        assert await response.get_data(as_text=True) == repr(expected)


async def test_cursor(app: Quart) -> None:
    """``await jsonify(cursor)`` is an array; without ``await`` it is streamed."""
    rows = database(app.extensions["mongo"]).rows

    @app.get("/<way>")
    async def view(way: str) -> Any:
        cursor = rows.find(projection={"_id": False}).sort("foo")
        response = jsonify(cursor)
        return await response if way == "awaited" else response  # type: ignore[misc]

    client = app.test_client()
    for expected in ([], [{"foo": "bar"}], [{"foo": "bar"}, {"foo": "baz"}]):
        for way in ("awaited", "streamed"):
            response = await client.get(f"/{way}")
            assert response.mimetype == "application/json"
            assert await response.get_json() == expected
        await rows.insert_one({"foo": "baz" if expected else "bar"})


async def test_cursor_without_a_database(app_class: type[Quart]) -> None:
    """An error of the database is a 503 if the response is awaited."""
    app = app_class(__name__)
    uri = f"mongodb://127.0.0.1:{free_port()}/x?serverSelectionTimeoutMS=50"
    mongo = PyMongo(app, uri)

    @app.get("/")
    async def view() -> Any:
        return await jsonify(database(mongo).rows.find())  # type: ignore[misc]

    assert (await app.test_client().get("/")).status_code == 503
    await close(app)


async def test_cursor_inside(app: Quart) -> None:
    """A cursor inside of the data is an error that says what to write."""
    with pytest.raises(TypeError, match=r"AsyncCursor.*write `await cursor.to_list\(\)`"):
        await body(app, {"rows": database(app.extensions["mongo"]).rows.find()})


async def test_session(app: Quart) -> None:
    """The session works, as in Flask-PyMongo."""
    from quart import session

    app.secret_key = "x"

    @app.get("/")
    async def view() -> str:
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    client = app.test_client()
    await client.get("/")
    assert await (await client.get("/")).get_data() == b"2"


async def test_documents(app_class: type[Quart], mongodb_url: str) -> None:
    """With ``MongoDB``, documents and ids are written as by Flask-MongoEngine 1.0."""
    app = make_app(app_class, mongodb_url)
    item = Item(name="x", id=ID)
    value = {"item": item, "id": ID, "ref": DBRef("item", ID), "day": date(2020, 1, 1)}
    assert json.loads(await body(app, value)) == {
        "item": {
            "_id": {"$oid": str(ID)},
            "name": "x",
            "price": 0,
            "tags": [],
            "size": None,
        },
        "id": str(ID),
        "ref": str(ID),
        "day": "Wed, 01 Jan 2020 00:00:00 GMT",
    }
    assert json.loads(await body(app, [item]))[0]["name"] == "x"
    async with app.app_context():
        for wrong in (Item.find_all(), documents.db.x.find()):
            with pytest.raises(TypeError, match="write `await cursor.to_list"):
                app.json.dumps({"a": wrong})
    PyMongo(app, mongodb_url)
    assert json.loads(await body(app, [item]))[0]["_id"] == {"$oid": str(ID)}
    await close(app)


async def test_provider_of_the_application(app_class: type[Quart], mongodb_url: str) -> None:
    """A provider without ``default`` is left alone."""
    from flask.json.provider import JSONProvider

    class Own(JSONProvider):
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return "own"

        def loads(self, s: str | bytes, **kwargs: Any) -> Any:
            return None

    app = app_class(__name__)
    app.json = Own(app)
    app.config["MONGODB_URL"] = mongodb_url
    documents.init_app(app)
    assert app.json.dumps(ID) == "own"
