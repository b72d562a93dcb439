"""``PyMongo``: the names and the behaviour of Flask-PyMongo."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import ObjectId
from bson.codec_options import CodecOptions
from pymongo import ReadPreference
from quart import Quart
from werkzeug.exceptions import NotFound

from quartpatterns.compare.processes import free_port
from quartpatterns.mongodb import Collection, Database, MongoClient, MongoDB, PyMongo
from quartpatterns.mongodb.settings import MONGO_INSTEAD


@pytest.fixture
async def app(app_class: type[Quart]) -> AsyncIterator[Quart]:
    """An application whose clients are closed."""
    app = app_class(__name__)
    yield app
    await close(app)


async def close(app: Quart) -> None:
    for function in app.after_serving_funcs:
        await app.ensure_async(function)()


def database(mongo: PyMongo) -> Database:
    found = mongo.db
    assert found is not None
    return found


async def test_uri(app: Quart, mongodb_url: str) -> None:
    """The URI is MONGO_URI, or an argument of the constructor or of init_app()."""
    app.config["MONGO_URI"] = mongodb_url
    in_factory = PyMongo()
    in_factory.init_app(app)
    other = PyMongo(app, uri=f"{mongodb_url}_two")
    async with app.app_context():
        assert database(in_factory).name == mongodb_url.rpartition("/")[2]
        assert database(other).name == mongodb_url.rpartition("/")[2] + "_two"
        await database(in_factory).users.insert_one({"_id": 1})
        assert await database(other).users.find_one() is None
        assert await in_factory.cx[database(in_factory).name].users.find_one() == {"_id": 1}


async def test_without_a_database(app: Quart, mongodb_url: str) -> None:
    """The database is None if the URI names none; ``save_file`` says so."""
    mongo = PyMongo(app, mongodb_url.rpartition("/")[0])
    assert mongo.db is None
    assert await mongo.cx["x"].users.find_one() is None
    with pytest.raises(RuntimeError, match=r"URI names no database.*mongo.cx"):
        await mongo.send_file("x")


@pytest.mark.parametrize(
    ("config", "arguments", "message"),
    [
        ({}, {}, r"MONGO_URI must be set.*PyMongo\(app, uri\)"),
        ({"MONGO_URI": "http://h"}, {}, "MONGO_URI must be a URL that starts with mongodb://"),
        ({"MONGO_URI": 7}, {}, "MONGO_URI must be a string"),
        ({"MONGO_URI": "mongodb://h/a b"}, {}, "MONGO_URI is invalid"),
        ({"MONGO_URI": "mongodb://h"}, {"bd": "x"}, "Unknown option.* bd"),
        ({"MONGO_URI": "mongodb://h"}, {"port": 0}, "port must be a whole number"),
        *(
            ({"MONGO_URI": "mongodb://h", name: "x"}, {}, f"{name} is not supported: set MONGO_URI")
            for name in MONGO_INSTEAD
        ),
    ],
)
def test_invalid(config: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    """An invalid or old setting is an error that names what to write."""
    app = Quart(__name__)
    app.config.from_mapping(config)
    with pytest.raises(ValueError, match=message):
        PyMongo(app, **arguments)


def test_invalid_arguments() -> None:
    app = Quart(__name__)
    uri = "mongodb://localhost/x"
    with pytest.raises(TypeError, match=r"config_prefix= is not supported: write PyMongo\(app, ur"):
        PyMongo(app, uri, config_prefix="MONGO2")
    with pytest.raises(TypeError, match=r"pass them to init_app\(app, uri\)"):
        PyMongo(uri=uri)
    with pytest.raises(TypeError, match="several values for document_class"):
        PyMongo(app, uri, 27017, dict, document_class=dict)
    with pytest.raises(TypeError, match="at most 5 arguments"):
        PyMongo(app, uri, *range(6))
    mongo = PyMongo(app, uri)
    with pytest.raises(RuntimeError, match="make another one for another database"):
        mongo.init_app(app)


@pytest.mark.parametrize("positional", [True, False])
async def test_options_of_the_client(app: Quart, mongodb_url: str, positional: bool) -> None:
    """Options are passed to the client, by position or by name."""
    mongo = PyMongo()
    if positional:
        mongo.init_app(app, mongodb_url, 27017, OrderedDict, True)
    else:
        mongo.init_app(app, mongodb_url, document_class=OrderedDict, tz_aware=True)
    users = database(mongo).users
    await users.insert_one({"_id": 1})
    assert type(await users.find_one_or_404(1)) is OrderedDict
    assert users.codec_options.tz_aware


async def test_names_of_collections(app: Quart, mongodb_url: str) -> None:
    """However a collection is named, it has find_one_or_404()."""
    mongo = PyMongo(app, mongodb_url)
    name = database(mongo).name
    assert isinstance(mongo.cx, MongoClient)
    for one in (
        database(mongo),
        getattr(mongo.cx, name),
        mongo.cx[name],
        mongo.cx.get_database(name),
        mongo.cx.get_database(name, read_preference=ReadPreference.SECONDARY_PREFERRED),
        mongo.cx.get_default_database(),
        database(mongo).with_options(CodecOptions(tz_aware=True)),
    ):
        assert isinstance(one, Database)
        for users in (one.users, one["users"], one.get_collection("users")):
            assert isinstance(users, Collection)
            assert users.full_name == f"{name}.users"
            assert users.codec_options == one.codec_options
            assert users.read_preference == one.read_preference
            for part in (users.archive, users["archive"]):
                assert isinstance(part, Collection)
                assert part.full_name == f"{name}.users.archive"
            secondary = users.with_options(read_preference=ReadPreference.SECONDARY)
            assert isinstance(secondary, Collection)
            assert secondary.read_preference == ReadPreference.SECONDARY
    with pytest.raises(AttributeError, match="_private"):
        assert database(mongo)._private


async def test_find_one_or_404(app: Quart, mongodb_url: str) -> None:
    mongo = PyMongo(app, mongodb_url)
    users = database(mongo).users
    with pytest.raises(NotFound):
        await users.find_one_or_404({"_id": 1})
    await users.insert_one({"_id": 1, "name": "x", "age": 7})
    assert await users.find_one_or_404(1) == {"_id": 1, "name": "x", "age": 7}
    assert await users.find_one_or_404({"name": "x"}, projection={"age": True}) == {
        "_id": 1,
        "age": 7,
    }


async def test_converter(app: Quart) -> None:
    """The view gets an ObjectId; another text is a 404."""
    PyMongo(app, "mongodb://localhost/x")

    @app.get("/<ObjectId:id>")
    async def view(id: ObjectId) -> str:
        return repr(id)

    client = app.test_client()
    digits = "4e4ac5cfffc84958fa1f45fb"
    response = await client.get(f"/{digits}")
    assert await response.get_data(as_text=True) == f"ObjectId('{digits}')"
    for wrong in ("132", "4e4ac5cfffc84958fa1f45fg", "x" * 12, "%ff"):
        assert (await client.get(f"/{wrong}")).status_code == 404
    async with app.test_request_context("/"):
        assert app.url_for("view", id=ObjectId(digits)) == f"/{digits}"


async def test_connects_late(app: Quart, mongodb_url: str) -> None:
    """The client connects when a database is named, or at once with ``connect=True``."""
    late = PyMongo(app, mongodb_url)
    at_once = PyMongo(app, mongodb_url, connect=True)
    async with asyncio.timeout(30):
        while not at_once.cx.nodes:  # noqa: ASYNC110  of the driver
            await asyncio.sleep(0.01)
    address: Any = at_once.cx.address
    assert await address in at_once.cx.nodes
    assert not late.cx.nodes
    assert late.db is not None
    async with asyncio.timeout(30):
        while not late.cx.nodes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_unreachable(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """An application starts without its database; requests get a 503."""
    uri = f"mongodb://user:secret@127.0.0.1:{free_port()}/x"
    mongo = PyMongo(app, uri, serverSelectionTimeoutMS=100)

    @app.get("/")
    async def view() -> str:
        await database(mongo).users.find_one_or_404({})
        return ""

    with caplog.at_level(logging.WARNING):
        async with app.test_app():
            response = await app.test_client().get("/")
    assert response.status_code == 503
    assert "MongoDB can't be reached" in caplog.text
    assert "secret" not in caplog.text


async def test_several_applications(
    app_class: type[Quart], mongodb_url: str, mongodb_server: str
) -> None:
    """In a context the object uses the database of its application."""
    mongo = PyMongo()
    one, two, other = app_class("one"), app_class("two"), app_class("other")
    with pytest.raises(RuntimeError, match=r"needs an application: call mongo.init_app\(app\)"):
        _ = mongo.db
    mongo.init_app(one, mongodb_url)
    assert database(mongo).name == mongodb_url.rpartition("/")[2]
    mongo.init_app(two, f"{mongodb_url}_two")
    with pytest.raises(RuntimeError, match="if there are several applications, use it inside"):
        _ = mongo.db
    async with one.app_context():
        assert not database(mongo).name.endswith("_two")
    async with two.app_context():
        assert database(mongo).name.endswith("_two")
    async with other.app_context():
        with pytest.raises(RuntimeError, match="not initialized with this PyMongo"):
            _ = mongo.cx
    for app in (one, two):
        await close(app)


def test_outside_of_an_event_loop() -> None:
    app = Quart(__name__)
    mongo = PyMongo(app, "mongodb://localhost/x")
    with pytest.raises(RuntimeError, match="write the function with `async def`"):
        _ = mongo.db


async def test_beside_documents(app: Quart, mongodb_url: str) -> None:
    """One application can have both extensions, with different databases."""
    app.config["MONGO_URI"] = f"{mongodb_url}_two"
    app.config["MONGODB_URL"] = mongodb_url
    documents, collections = MongoDB(app), PyMongo(app)
    async with app.app_context():
        assert documents.db.name == mongodb_url.rpartition("/")[2]
        assert database(collections).name == f"{documents.db.name}_two"
        assert documents.cx is documents.client


async def test_garbage(app_class: type[Quart], mongodb_url: str) -> None:
    """The object keeps no application alive, and the client of a collected one is closed."""
    before = asyncio.all_tasks()
    mongo = PyMongo()
    app = app_class(__name__)
    mongo.init_app(app, mongodb_url)
    await database(mongo).users.find_one()
    assert len(asyncio.all_tasks()) > len(before)
    reference = weakref.ref(app)
    del app
    async with asyncio.timeout(60):
        while asyncio.all_tasks() != before:
            gc.collect()
            await asyncio.sleep(0.05)
    assert reference() is None


async def test_request_is_not_kept(app: Quart, mongodb_url: str) -> None:
    """The tasks of the client do not keep the context of the first request."""
    mongo = PyMongo(app, mongodb_url)
    kept: list[weakref.ref[Any]] = []

    class Marker:
        pass

    @app.get("/")
    async def view() -> str:
        from quart import g

        g.marker = Marker()
        kept.append(weakref.ref(g.marker))
        await mongo.cx["x"].users.find_one()
        return ""

    await app.test_client().get("/")
    async with asyncio.timeout(30):
        while kept[0]() is not None:
            gc.collect()
            await asyncio.sleep(0.01)


async def test_transaction(app: Quart, replica_set: str) -> None:
    mongo = PyMongo(app, f"{replica_set.partition('?')[0]}x?replicaSet=rs0")
    users = mongo.cx["transaction"].users
    await users.delete_many({})
    with pytest.raises(ZeroDivisionError):
        async with mongo.transaction() as session:
            await users.insert_one({"_id": 1}, session=session)
            raise ZeroDivisionError
    assert await users.find_one() is None
