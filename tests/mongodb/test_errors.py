"""Errors of a real server, and the answers to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal, localcontext
from typing import Any

import pytest
from beanie.operators import Eq
from pymongo import InsertOne
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    ServerSelectionTimeoutError,
)
from quart import Quart
from werkzeug.exceptions import HTTPException

from quartpatterns.compare.processes import free_port
from quartpatterns.mongodb import (
    Document,
    MongoDB,
    MongoUnavailable,
    StoredDocumentError,
    diagnose,
    literal,
)
from tests.mongodb.shop import SLEEP, Item, connection, make_app, mongo, pool


def repeat() -> None:
    repeat()


async def answer_to(work: Any) -> HTTPException:
    """Return the HTTP error that answers the error of *work*."""
    with pytest.raises(Exception) as caught:
        await work
    answer = diagnose(caught.value)
    assert answer is not None, caught.value
    assert "127.0.0.1" not in str(answer)
    return answer


async def test_duplicates(app: Quart) -> None:
    """Each way to write a duplicate is a 409 with the name of the field and not its value."""
    async with app.app_context():
        await Item(name="secret").insert()
        item = await Item(name="other").insert()
        item.name = "secret"
        items = mongo.db["item"]
        for work in (
            Item(name="secret").insert(),
            item.save(),
            Item.insert_many([Item(name="secret")]),
            items.bulk_write([InsertOne({"name": "secret"})]),
            items.update_one({"name": "other"}, {"$set": {"name": "secret"}}),
        ):
            answer = await answer_to(work)
            assert (answer.code, answer.description) == (
                409,
                "A document with this name already exists.",
            )


async def test_large(app: Quart) -> None:
    """A document, an update and a batch that exceed 16 MiB are a 413."""
    async with app.app_context():
        for work in (
            Item(name="x" * 17_000_000).insert(),
            Item(name="x" * 60_000_000).insert(),
            Item.insert_many([Item(name="x" * 17_000_000)]),
        ):
            answer = await answer_to(work)
            assert (answer.code, "16 MiB" in str(answer)) == (413, True)
        await Item(name="x", tags=["x" * 15_000_000]).insert()
        growing = mongo.db["item"].update_one({}, {"$push": {"tags": "y" * 3_000_000}})
        assert (await answer_to(growing)).code == 413
        assert await Item.find_all().count() == 1


async def test_unstorable_values(app: Quart) -> None:
    """A value that MongoDB cannot store is a 400; a fault of the program is not answered."""
    deep: dict[str, Any] = {}
    for _ in range(190):
        deep = {"a": deep}
    async with app.app_context():
        users = mongo.db["users"]
        for work in (
            Item(name="x", price=10**30).insert(),
            Item.find(Item.price == 2**63).to_list(),
            users.insert_one({"name": "\ud800"}),
            users.insert_one({"a\0": 1}),
            users.insert_one(deep),
        ):
            assert (await answer_to(work)).code == 400
        for fault in ({"name": object()}, {1: "x"}):
            with pytest.raises(Exception) as caught:
                await users.insert_one(fault)  # type: ignore[arg-type]
            assert diagnose(caught.value) is None
        with pytest.raises(OperationFailure) as wrong:
            await users.find_one({"$nonsense": 1})
        assert diagnose(wrong.value) is None


@pytest.mark.parametrize("depth", [250, 900, 5000])
async def test_nested_values(app: Quart, depth: int) -> None:
    """A value that is nested too deep is a 400, wherever the limit is that it exceeds."""
    deep: Any = "x"
    for _ in range(depth):
        deep = [deep]
    async with app.app_context():
        users = mongo.db["users"]
        for work in (
            users.insert_one({"name": deep}),
            users.find_one({"name": literal(deep)}),
            users.update_one({}, {"$set": {"name": deep}}),
            Item.find(Eq(Item.name, literal(deep))).to_list(),
        ):
            answer = await answer_to(work)
            assert (answer.code, "nested" in str(answer)) == (400, True)


def test_same_errors_of_other_code() -> None:
    """The same built-in errors, raised by other code than the driver, are not answered."""
    with pytest.raises(RecursionError) as recursion:
        repeat()
    assert diagnose(recursion.value) is None
    with pytest.raises(OverflowError) as overflow:
        (2.0**1000) ** 1000
    assert diagnose(overflow.value) is None
    with pytest.raises(UnicodeEncodeError) as encode:
        "\ud800".encode()
    assert diagnose(encode.value) is None
    assert diagnose(ValueError("x")) is None


async def test_validator_of_a_collection(app: Quart) -> None:
    """A document that breaks a rule of its collection is a 422."""
    async with app.app_context():
        await mongo.db.create_collection("strict", validator={"a": {"$type": "int"}})
        assert (await answer_to(mongo.db["strict"].insert_one({"a": "x"}))).code == 422


async def test_time_limit(app: Quart) -> None:
    """An operation that exceeds its time limit is a 503."""
    async with app.app_context():
        await Item(name="x").insert()
        with pytest.raises(ExecutionTimeout):
            await mongo.db["item"].find_one(SLEEP, max_time_ms=100)
        answer = await answer_to(mongo.db["item"].find_one(SLEEP, max_time_ms=100))
    assert isinstance(answer, MongoUnavailable)
    assert "exceeded its time limit" in str(answer)


async def test_pool_exhausted(app_class: type[Quart], mongodb_url: str) -> None:
    """A request that waits too long for a connection gets a 503 that names maxPoolSize."""
    url = f"{mongodb_url}?maxPoolSize=2&waitQueueTimeoutMS=300"
    app = make_app(app_class, url)
    async with app.test_app(), app.app_context():
        await Item(name="x").insert()
        slow = [asyncio.create_task(mongo.db["item"].find_one(SLEEP)) for _ in range(2)]
        await asyncio.sleep(0.3)
        answer = await answer_to(mongo.db["item"].find_one())
        assert (answer.code, "maxPoolSize" in str(answer)) == (503, True)
        assert answer.get_headers() and ("Retry-After", "1") in answer.get_headers()
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        assert await mongo.db["item"].find_one()
        assert pool(app).active_sockets == 0


@pytest.fixture
async def unreachable(app_class: type[Quart]) -> AsyncIterator[Quart]:
    """An application whose database does not run."""
    url = f"mongodb://127.0.0.1:{free_port()}/?serverSelectionTimeoutMS=300"
    app = make_app(app_class, url, SECRET="hidden")
    yield app
    await connection(app).close()


async def test_no_server(unreachable: Quart) -> None:
    """The answer is a 503 that names the setting and not the address."""

    @unreachable.get("/")
    async def view() -> str:
        return str(await Item.find_all().count())

    response = await unreachable.test_client().get("/")
    text = await response.get_data(as_text=True)
    assert response.status_code == 503
    assert "correct MONGODB_URL or MONGODB_SETTINGS" in text
    assert "127.0.0.1" not in text
    assert response.headers["Retry-After"] == "5"


async def test_no_server_at_start_up(unreachable: Quart) -> None:
    """Start-up without the database is an error that says what to correct."""
    with pytest.raises(RuntimeError, match="Start it, or correct MONGODB_URL") as caught:
        await unreachable.startup()
    assert isinstance(caught.value.__cause__, ServerSelectionTimeoutError)
    assert len(str(caught.value)) < 300


async def test_log(unreachable: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A 503 is logged in one line, with the beginning of PyMongo's message."""

    @unreachable.get("/")
    async def view() -> str:
        return str(await mongo.db["x"].find_one())

    with caplog.at_level("WARNING"):
        await unreachable.test_client().get("/")
    (record,) = [one for one in caplog.records if one.name == unreachable.logger.name]
    assert record.levelname == "WARNING"
    assert len(record.getMessage()) < 300
    assert "Connect call failed" in record.getMessage()


async def test_wrong_user(app_class: type[Quart], mongodb_server: str) -> None:
    """A user that the server refuses is a 503, and an error at start-up."""
    url = mongodb_server.replace("://", "://nobody:wrong@") + "?serverSelectionTimeoutMS=300"
    app = make_app(app_class, url)
    async with app.app_context():
        answer = await answer_to(mongo.db["x"].find_one())
    with pytest.raises(RuntimeError, match="refuses the user"):
        await app.startup()
    await connection(app).close()
    assert (answer.code, "refuses the user" in str(answer)) == (503, True)
    assert "wrong" not in str(answer)


async def test_handlers(app: Quart) -> None:
    """The application's own error handlers are used; a fault of the program is a 500."""
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.errorhandler(409)
    async def conflict(error: HTTPException) -> tuple[dict[str, Any], int]:
        return {"own": error.description}, 409

    @app.post("/items/<name>")
    async def create(name: str) -> str:
        await Item(name=name).insert()
        return "created"

    @app.get("/fault")
    async def fault() -> str:
        return str(await mongo.db["x"].find_one({"$nonsense": 1}))

    @app.get("/overflow")
    async def overflow() -> str:
        return str((2.0**1000) ** 1000)

    client = app.test_client()
    assert (await client.post("/items/x")).status_code == 200
    response = await client.post("/items/x")
    assert response.status_code == 409
    assert await response.get_json() == {"own": "A document with this name already exists."}
    assert (await client.get("/fault")).status_code == 500
    assert (await client.get("/overflow")).status_code == 500


def test_bulk_write() -> None:
    """The first error of a batch decides the answer."""
    error = BulkWriteError({"writeErrors": [{"code": 121, "errmsg": "no"}]})
    answer = diagnose(error)
    assert answer is not None
    assert answer.code == 422
    assert diagnose(BulkWriteError({"writeErrors": []})) is None
    assert isinstance(diagnose(ConnectionFailure("gone")), MongoUnavailable)


def test_answers_are_not_shared() -> None:
    """Each error gets its own answer, because a handler may change it."""
    errors = [OperationFailure("x", 112), OperationFailure("x", 112)]
    assert diagnose(errors[0]) is not diagnose(errors[1])


def test_transaction_conflict() -> None:
    """A transaction that conflicts with another one is a 503 with Retry-After."""
    error = OperationFailure("x", 9999, {"errorLabels": ["TransientTransactionError"]})
    answer = diagnose(error)
    assert isinstance(answer, MongoUnavailable)
    assert ("Retry-After", "1") in answer.get_headers()


async def test_changed_document(app_class: type[Quart], mongodb_url: str) -> None:
    """A document that another request has changed is a 409, and a deleted one a 404."""
    mongo = MongoDB()

    @mongo.register
    class Page(Document):
        text: str = ""
        price: Decimal = Decimal(0)

        class Settings:
            use_revision = True

    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)

    @app.post("/<action>")
    async def change(action: str) -> str:
        page = await Page().insert()
        meanwhile = await mongo.get_or_404(Page, page.id)
        if action == "delete":
            await meanwhile.delete()
        else:
            meanwhile.text = "first"
            await meanwhile.save()
        page.text = "second"
        await (page.save() if action == "save" else page.replace())
        return ""

    @app.post("/decimal/<digits>")
    async def store(digits: str) -> str:
        await Page(price=Decimal(digits)).insert()
        return ""

    client = app.test_client()
    for action in ("save", "replace", "delete"):
        response = await client.post(f"/{action}")
        assert response.status_code == 409
        assert "Read it again" in await response.get_data(as_text=True)
    assert (await client.post(f"/decimal/{'9' * 34}")).status_code == 200
    assert (await client.post(f"/decimal/{'9' * 35}")).status_code == 400
    assert (await client.post("/decimal/1e9999")).status_code == 400
    async with app.app_context():
        assert await Page.find(Page.text == "second").count() == 0
        with localcontext(prec=40):
            assert await Page.find(Page.price == Decimal("9" * 34)).count() == 1
    await connection(app).close()


async def test_deleted_document(app: Quart) -> None:
    """A document without revisions that was deleted meanwhile is a 404."""
    async with app.app_context():
        item = await Item(name="x").insert()
        await item.delete()
        assert (await answer_to(item.replace())).code == 404
        assert (await answer_to(item.sync())).code == 404


async def test_stored_document(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    """A stored document that is not valid for its class is a logged 500, and not a 404."""

    @app.get("/<way>")
    async def view(way: str) -> str:
        query = Item.find(Item.name == "secret")
        if way == "get":
            await mongo.get_or_404(Item, ident)
        elif way == "first":
            await mongo.first_or_404(query)
        elif way == "one":
            await mongo.one_or_404(query)
        else:
            await mongo.paginate(query)
        return ""

    async with app.app_context():
        inserted = await mongo.db.item.insert_one({"name": "secret", "price": "much"})
        ident = inserted.inserted_id
        with pytest.raises(StoredDocumentError) as caught:
            await mongo.get_or_404(Item, ident)
        assert (caught.value.ident, list(caught.value.fields)) == (ident, ["price"])
        assert f"with the id {ident} is not valid for the class Item" in str(caught.value)
        assert "secret" not in str(caught.value)
    client = app.test_client()
    for way in ("get", "first", "one", "page"):
        caplog.clear()
        assert (await client.get(f"/{way}")).status_code == 500
        assert "a stored document" in caplog.text
        assert "price: Input should be a valid integer" in caplog.text
    # A wrong id is still a 404, and so is one that the driver can't send.
    async with app.app_context():
        for wrong in ("x", 7, None, {"$ne": None}, "6" * 25):
            with pytest.raises(HTTPException) as not_found:
                await mongo.get_or_404(Item, wrong)
            assert not_found.value.code == 404
