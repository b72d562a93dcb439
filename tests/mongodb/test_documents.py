"""Document classes, which several applications share."""

from __future__ import annotations

import asyncio
import gc
import uuid
from datetime import UTC, datetime
from typing import Any

import beanie
import pytest
from beanie import Link
from beanie.operators import GTE, In
from bson import ObjectId
from pydantic import ValidationError
from pymongo.errors import DuplicateKeyError
from quart import Quart

from quartpatterns.mongodb import Document, DocumentInvalid, MongoDB, read_document
from quartpatterns.mongodb.documents import initialize_classes
from quartpatterns.mongodb.example import port
from tests.mongodb.shop import Animal, Cat, Dog, Item, Size, connection, make_app, mongo, names


@pytest.mark.checks("ME-2", "ME-3", "ME-4")
async def test_create_find_change_delete(app: Quart) -> None:
    """A document is created, found, changed and deleted."""
    async with app.app_context():
        item = Item(name="x", tags=["a", "b"], size=Size(width=2))
        assert item.id is None
        await item.save()
        assert item.id
        found = await Item.get(item.id)
        assert found == item
        item.price = 7
        await item.save()
        assert [one.price async for one in Item.find(GTE(Item.price, 7))] == [7]
        assert await Item.find(In(Item.tags, ["b", "c"])).count() == 1
        assert await Item.find(In(Item.tags, ["c"])).first_or_none() is None
        raw = await mongo.db["item"].find_one()
        assert raw is not None
        assert raw["size"] == {"width": 2, "height": 1}
        await item.delete()
        assert await Item.find_all().count() == 0


@pytest.mark.checks("MK-3")
async def test_wrong_type(app: Quart) -> None:
    """A number is not a valid name."""
    async with app.app_context():
        with pytest.raises(ValidationError, match="name"):
            Item(name=1)


@pytest.mark.checks("MK-2")
async def test_user() -> None:
    """The user of Flask's 0.10 page: its repr, and the length of its name."""
    user = port.User(name="admin", email="admin@localhost")
    assert repr(user) == "<User 'admin'>"
    with pytest.raises(ValidationError, match="at most 50 characters"):
        port.User(name="n" * 51, email="x")


@pytest.mark.checks("ME-3")
async def test_assignment(app: Quart) -> None:
    """save() validates assigned values, also in an embedded document, before it stores them."""
    async with app.app_context():
        item = await Item(name="x", size=Size(width=1)).insert()
        item.price = "expensive"  # type: ignore[assignment]
        with pytest.raises(DocumentInvalid, match="price: Input should be a valid integer"):
            await item.save()
        item.price = 1
        assert item.size is not None
        item.size.width = "wide"  # type: ignore[assignment]
        with pytest.raises(DocumentInvalid) as caught:
            await item.save()
        assert list(caught.value.fields) == ["size.width"]
        item.size.width = "3"  # type: ignore[assignment]
        await item.save()
        stored = await Item.get(item.id)
        assert stored is not None
        assert stored.size is not None
        assert (stored.price, stored.size.width) == (1, 3)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        pytest.param({}, {"name": "Field required"}, id="nothing"),
        pytest.param({"name": {"$gt": ""}}, {"name": "Input should be a valid string"}, id="$gt"),
        pytest.param({"name": "x", "size": {}}, {"size.width": "Field required"}, id="embedded"),
        pytest.param(
            {"name": "x", "tags": [1]}, {"tags.0": "Input should be a valid string"}, id="list"
        ),
        pytest.param(
            [],
            {"document": "Input should be a valid dictionary or instance of Item"},
            id="not an object",
        ),
        pytest.param(
            None,
            {"document": "Input should be a valid dictionary or instance of Item"},
            id="null",
        ),
    ],
)
def test_read_document(fields: object, wrong: dict[str, str]) -> None:
    """Invalid data is a 422 that names each field."""
    with pytest.raises(DocumentInvalid) as caught:
        read_document(Item, fields)
    assert (caught.value.code, caught.value.fields) == (422, wrong)
    name, text = next(iter(wrong.items()))
    assert f"{name}: {text}" in str(caught.value)


async def test_id_from_a_client(app: Quart) -> None:
    """A client cannot choose the id of a document, and so overwrite another."""
    async with app.app_context():
        old = await Item(name="old").insert()
        for key in ("id", "_id"):
            sent = read_document(Item, {key: str(old.id), "name": key})
            assert sent.id is None
            await sent.save()
    assert await names(app) == ["_id", "id", "old"]


async def test_unique(app: Quart) -> None:
    """The unique index of a field is in the database."""
    async with app.app_context():
        await Item(name="x").insert()
        with pytest.raises(DuplicateKeyError):
            await Item(name="x").insert()
    assert await names(app) == ["x"]


async def test_indexes_at_start_up(app_class: type[Quart], mongodb_url: str) -> None:
    """Indexes are created at start-up, unless MONGODB_CREATE_INDEXES is False."""

    async def indexes(**config: Any) -> set[str]:
        app = make_app(app_class, mongodb_url, **config)
        async with app.test_app(), app.app_context():
            return set(await mongo.db["item"].index_information())

    assert await indexes(MONGODB_CREATE_INDEXES=False) == set()
    assert await indexes() == {"_id_", "name_1"}
    assert await indexes() == {"_id_", "name_1"}


async def test_duplicates_at_start_up(app_class: type[Quart], mongodb_url: str) -> None:
    """Duplicates of a unique index are an error that names the document class."""
    app = make_app(app_class, mongodb_url)
    async with app.app_context():
        await mongo.db["item"].insert_many([{"name": "x"}, {"name": "x"}])
        with pytest.raises(RuntimeError, match="an index of Item can't be created: drop"):
            await mongo.create_indexes()
    await connection(app).close()


async def test_eight_workers_at_once(app_class: type[Quart], mongodb_url: str) -> None:
    """Several workers can create the same indexes at the same time."""
    apps = [make_app(app_class, mongodb_url) for _ in range(8)]
    await asyncio.gather(*(app.startup() for app in apps))
    await asyncio.gather(*(app.shutdown() for app in apps))


async def test_two_applications(
    app_class: type[Quart], mongodb_url: str, mongodb_server: str
) -> None:
    """Two applications that share a class, and run at the same time, share no document."""
    one = make_app(app_class, mongodb_url)
    two = make_app(app_class, f"{mongodb_url}_two")

    async def work(app: Quart, name: str) -> list[str]:
        async with app.app_context():
            for number in range(20):
                item = await Item(name=f"{name}{number}").insert()
                item.price += 1
                await item.save()
                assert await Item.get(item.id) == item
            return [item.name async for item in Item.find_all()]

    async with one.test_app(), two.test_app():
        found = await asyncio.gather(work(one, "one"), work(two, "two"))
        for name, items in zip(("one", "two"), found, strict=True):
            assert sorted(items) == sorted(f"{name}{number}" for number in range(20))
        async with one.app_context():
            assert mongo.db.name == mongodb_url.rpartition("/")[2]
            # The innermost context counts.
            async with two.app_context():
                assert await Item.find_one({"name": "two1"})
            assert await Item.find_one({"name": "two1"}) is None
        async with two.app_context():
            await mongo.client.drop_database(mongo.db.name)


async def test_second_application_while_the_first_serves(
    app_class: type[Quart], mongodb_url: str
) -> None:
    """The start of an application changes neither queries nor inheritance in another one."""
    first = make_app(app_class, mongodb_url)
    async with first.test_app(), first.app_context():
        await Cat(name="tom").insert()
        await Dog(name="rex").insert()
        stop = asyncio.Event()

        async def query() -> int:
            queries = 0
            while not stop.is_set():
                found = await Animal.find_all(with_children=True).sort("name").to_list()
                assert [type(animal) for animal in found] == [Dog, Cat]
                assert Animal.get_collection_name() == Cat.get_collection_name() == "animal"
                queries += 1
            return queries

        querying = asyncio.create_task(query())
        for _ in range(5):
            async with make_app(app_class, mongodb_url).test_app():
                await asyncio.sleep(0.02)
        stop.set()
        assert await querying >= 1


def test_collection_names() -> None:
    """Collections are named as in MongoEngine, unless the class sets a name."""
    mongo = MongoDB()

    @mongo.register
    class BlogPost(Document):
        title: str

    @mongo.register
    class Named(Document):
        class Settings:
            name = "Else"
            validate_on_save = True

    initialize_classes([BlogPost, Named])
    assert (BlogPost.get_collection_name(), Named.get_collection_name()) == ("blog_post", "Else")
    # As in beanie, save() stores what the attributes hold.
    assert not BlogPost.get_settings().validate_on_save
    assert Named.get_settings().validate_on_save


async def test_links(app_class: type[Quart], mongodb_url: str) -> None:
    """A link is resolved in the database of the application."""
    mongo = MongoDB()

    @mongo.register
    class Author(Document):
        name: str

    @mongo.register
    class Book(Document):
        author: Link[Author]
        token: uuid.UUID = uuid.UUID(int=7)

    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)
    async with app.test_app(), app.app_context():
        author = await Author(name="ada").insert()
        book = await Book(author=author).insert()
        found = await mongo.get_or_404(Book, book.id, fetch_links=True)
        assert isinstance(found.author, Author)
        assert (found.author.name, found.token) == ("ada", uuid.UUID(int=7))


async def test_time_series(app_class: type[Quart], mongodb_url: str) -> None:
    mongo = MongoDB()

    @mongo.register
    class Reading(Document):
        at: datetime

        class Settings:
            timeseries = beanie.TimeSeriesConfig(time_field="at")

    for _ in range(2):
        app = app_class(__name__)
        app.config["MONGODB_URL"] = mongodb_url
        mongo.init_app(app)
        async with app.test_app(), app.app_context():
            await Reading(at=datetime.now(UTC)).insert()
            (found,) = [
                one async for one in await mongo.db.list_collections() if one["name"] == "reading"
            ]
            assert found["type"] == "timeseries"


async def test_shared_base(app_class: type[Quart], mongodb_url: str) -> None:
    """Classes with a common base that is not registered have their own collections."""
    mongo = MongoDB()

    class Base(Document):
        created: int = 0

    @mongo.register
    class One(Base):
        one: int = 1

    @mongo.register
    class Two(Base):
        two: int = 2

    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)
    async with app.app_context():
        await One(created=1).insert()
        assert await Two.find_all().count() == 0
        assert await One.find(One.created == 1).count() == 1
        with pytest.raises(RuntimeError, match=r"Base is not registered.*mongo.register\(Base\)"):
            await Base.find_all().count()
        with pytest.raises(TypeError, match="Three is declared too late: .* is in use already"):

            class Three(Base):
                three: int = 3

    await connection(app).close()


async def test_not_registered(app: Quart) -> None:
    class Unregistered(Document):
        name: str = ""

    async with app.app_context():
        with pytest.raises(RuntimeError, match=r"call mongo.register\(Unregistered\)"):
            await Unregistered().insert()


def test_class_of_beanie() -> None:
    """A class of beanie's own is refused: it would be tied to one database for the process."""

    class Foreign(beanie.Document):
        name: str

    with pytest.raises(TypeError, match="not derived from quartpatterns.mongodb.Document"):
        MongoDB().register(Foreign)
    with pytest.raises(TypeError, match="not derived from"):
        MongoDB().register("Item")  # type: ignore[arg-type]


async def test_unsupported_settings(app_class: type[Quart]) -> None:
    """Settings that store data of one database in the class are refused."""

    class Cached(Document):
        class Settings:
            use_cache = True

    class Union(beanie.UnionDoc):
        pass

    class Part(Document):
        class Settings:
            union_doc = Union

    for document, setting in ((Cached, "use_cache"), (Part, "union_doc")):
        mongo = MongoDB(app := app_class(__name__))
        mongo.register(document)
        message = f"{document.__name__}: Settings.{setting} is not supported"
        with pytest.raises(ValueError, match=message):
            async with app.app_context():
                pass


def test_without_a_context() -> None:
    """A document needs no context; the error of the database says that it needs one."""
    item = Item(name="x")
    assert item.model_dump() == {"id": None, "name": "x", "price": 0, "tags": [], "size": None}
    with pytest.raises(RuntimeError, match="Item needs a context: use it in a request"):
        asyncio.run(item.insert())
    with pytest.raises(RuntimeError, match="mongo.db needs a context"):
        assert mongo.db


async def test_other_mongodb_object(app_class: type[Quart]) -> None:
    async with app_class(__name__).app_context():
        with pytest.raises(RuntimeError, match="has no MongoDB object; call mongo.init_app"):
            assert mongo.db
    MongoDB(app := app_class(__name__))
    async with app.app_context():
        with pytest.raises(RuntimeError, match="initialized with another MongoDB object"):
            assert mongo.client is None


async def test_collection(app: Quart) -> None:
    """PyMongo's collection stores and returns dictionaries."""
    async with app.app_context():
        users = mongo.db["users"]
        result = await users.insert_one({"name": "admin", "email": "admin@localhost"})
        assert isinstance(result.inserted_id, ObjectId)
        user = await users.find_one({"name": "admin"})
        assert user == {"_id": result.inserted_id, "name": "admin", "email": "admin@localhost"}
        assert [one["name"] async for one in users.find()] == ["admin"]
        assert await mongo.client["another"]["users"].find_one() is None


@pytest.mark.slow
async def test_collected_application(app_class: type[Quart], mongodb_url: str) -> None:
    """The client of an application that is garbage collected is closed."""
    before = asyncio.all_tasks()
    app = make_app(app_class, mongodb_url)
    async with app.app_context():
        await Item(name="x").insert()
    assert len(asyncio.all_tasks()) > len(before)
    del app
    async with asyncio.timeout(60):
        while asyncio.all_tasks() != before:
            gc.collect()
            await asyncio.sleep(0.05)
