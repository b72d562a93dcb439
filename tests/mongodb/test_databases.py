"""Several databases of one application, each with its alias."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated

import beanie
import pytest
from beanie import Indexed, Link
from quart import Quart

from quartpatterns.mongodb import Document, MongoDB

mongo = MongoDB()


@mongo.register
class Account(Document):
    name: str


@mongo.register
class Entry(Document):
    text: Annotated[str, Indexed(unique=True)]
    account: Link[Account] | None = None

    class Settings:
        db_alias = "logs"
        is_root = True


@mongo.register
class Reading(Document):
    at: datetime

    class Settings:
        db_alias = "logs"
        timeseries = beanie.TimeSeriesConfig(time_field="at")


@mongo.register
class Warned(Entry):
    level: int = 1


@pytest.fixture
async def app(app_class: type[Quart], mongodb_url: str) -> AsyncIterator[Quart]:
    """An application with two databases."""
    app = app_class(__name__)
    app.config["MONGODB_SETTINGS"] = [
        {"host": mongodb_url},
        {"host": f"{mongodb_url}_logs", "alias": "logs"},
    ]
    mongo.init_app(app)
    async with app.test_app():
        yield app
        async with app.app_context():
            await mongo.client.drop_database(mongo.database("logs").name)


async def test_alias(app: Quart) -> None:
    """A document is in the database of its alias, as are its index and its subclass."""
    async with app.app_context():
        main, logs = mongo.db, mongo.database("logs")
        assert logs.name == f"{main.name}_logs"
        assert mongo.database("default") == main
        account = await Account(name="x").insert()
        await Entry(text="a", account=account).insert()
        await Warned(text="b").insert()
        await Reading(at=datetime.now(UTC)).insert()
        assert await main.list_collection_names() == ["account"]
        assert {"entry", "reading"} < set(await logs.list_collection_names())
        assert set(await logs.entry.index_information()) == {"_id_", "text_1"}
        options = [one async for one in await logs.list_collections(filter={"name": "reading"})]
        assert options[0]["type"] == "timeseries"
        found = await Entry.find(with_children=True).sort("text").to_list()
        assert [type(one) for one in found] == [Entry, Warned]
        entry = await mongo.get_or_404(Entry, found[0].id)
        # A link is fetched from the database of its class.
        await entry.fetch_all_links()  # type: ignore[no-untyped-call]
        assert isinstance(entry.account, Account)


async def test_unknown_alias(app: Quart) -> None:
    other = MongoDB()

    @other.register
    class Lost(Document):
        class Settings:
            db_alias = "lost"

    async with app.app_context():
        with pytest.raises(RuntimeError, match="no database has the alias 'lost'; .* default, log"):
            mongo.database("lost")
    second = Quart(__name__)
    second.config["MONGODB_DB"] = "x"
    other.init_app(second)
    async with second.app_context():
        with pytest.raises(RuntimeError, match="no database has the alias 'lost'"):
            await Lost.find_all().to_list()


async def test_transaction_of_an_alias(app_class: type[Quart], replica_set: str) -> None:
    app = app_class(__name__)
    app.config["MONGODB_SETTINGS"] = [
        {"db": "unused"},
        {"host": replica_set, "db": "logs", "alias": "logs"},
    ]
    mongo = MongoDB(app)
    async with app.app_context():
        logs = mongo.database("logs")
        await logs.x.delete_many({})
        with pytest.raises(ZeroDivisionError):
            async with mongo.transaction(alias="logs") as session:
                await logs.x.insert_one({}, session=session)
                raise ZeroDivisionError
        assert await logs.x.find_one() is None
    for function in app.after_serving_funcs:
        await app.ensure_async(function)()
