"""Queries that answer 404, pagination, and literal values."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart
from werkzeug.exceptions import NotFound

from quartpatterns.mongodb import Pagination, literal
from tests.mongodb.shop import Item, mongo

UNKNOWN = "0" * 24


async def fill(number: int) -> None:
    await Item.insert_many([Item(name=f"item {n:03}", price=n % 3) for n in range(1, number + 1)])


@pytest.mark.checks("ME-4")
@pytest.mark.parametrize(
    "ident",
    [
        UNKNOWN,
        "x",
        "",
        UNKNOWN + "0",
        10**30,
        -1,
        None,
        {"$ne": None},
        [UNKNOWN],
        b"\xff",
        "\ud800",
    ],
    ids=repr,
)
async def test_no_document(app: Quart, ident: Any) -> None:
    """An unknown id and an invalid id are a 404."""
    async with app.app_context():
        await fill(1)
        with pytest.raises(NotFound, match="gone"):
            await mongo.get_or_404(Item, ident, description="gone")


@pytest.mark.checks("ME-4")
async def test_get_first_one(app: Quart) -> None:
    """A document is found by id, as the first, and as the only one."""
    async with app.app_context():
        await fill(6)
        first = await mongo.first_or_404(Item.find(Item.price == 1).sort("-name"))
        assert first.name == "item 004"
        assert (await mongo.get_or_404(Item, first.id)).name == "item 004"
        assert (await mongo.get_or_404(Item, str(first.id))).name == "item 004"
        assert await mongo.one_or_404(Item.find(Item.name == "item 004")) == first
        for query in (Item.find(Item.name == "x"), Item.find(Item.price == 1)):
            with pytest.raises(NotFound, match="gone"):
                await mongo.one_or_404(query, description="gone")
        with pytest.raises(NotFound, match="gone"):
            await mongo.first_or_404(Item.find(Item.name == "x"), description="gone")


async def test_query_is_not_changed(app: Quart) -> None:
    """Pagination does not change the query that it gets."""
    async with app.app_context():
        await fill(30)
        query = Item.find(Item.price == 1).sort("name").limit(3)
        await mongo.paginate(query, per_page=2)
        with pytest.raises(NotFound):
            await mongo.one_or_404(query)
        assert [item.name for item in await query.to_list()] == ["item 001", "item 004", "item 007"]


def shape(page: Pagination[Item]) -> tuple[object, ...]:
    names = [int(item.name[-3:]) for item in page]
    return (names[:1], len(names), page.first, page.last, page.total, page.pages)


async def test_pages(app: Quart) -> None:
    """The numbers of each page, and the next and previous pages."""
    async with app.app_context():
        await fill(45)
        page = await mongo.paginate(Item.find_all().sort("name"))
        assert shape(page) == ([1], 20, 1, 20, 45, 3)
        assert (page.has_prev, page.prev_num, page.has_next, page.next_num) == (
            False,
            None,
            True,
            2,
        )
        page = await page.next()
        assert shape(page) == ([21], 20, 21, 40, 45, 3)
        page = await page.next()
        assert shape(page) == ([41], 5, 41, 45, 45, 3)
        assert (page.has_next, page.next_num, page.prev_num) == (False, None, 2)
        assert shape(await page.prev()) == ([21], 20, 21, 40, 45, 3)
        assert shape(await page.next()) == ([], 0, 0, 0, 45, 3)
        with pytest.raises(NotFound):
            await page.next(error_out=True)
        some = await mongo.paginate(Item.find(Item.price == 0), per_page=4, page=4)
        assert (len(some.items), some.total, list(some.iter_pages())) == (3, 15, [1, 2, 3, 4])


async def test_pages_without_a_count(app: Quart) -> None:
    """Without a count ``has_next`` is right."""
    async with app.app_context():
        await fill(40)
        query = Item.find_all().sort("name")
        page = await mongo.paginate(query, count=False)
        assert (page.total, page.pages, page.has_next, len(page.items)) == (None, 0, True, 20)
        page = await page.next()
        assert (page.total, page.has_next, len(page.items)) == (None, False, 20)


async def test_missing_page(app: Quart) -> None:
    """An empty collection has a first page; a page after the last is a 404."""
    async with app.app_context():
        page = await mongo.paginate(Item.find_all())
        assert shape(page) == ([], 0, 0, 0, 0, 0)
        await fill(1)
        for number in (0, -1, 2, 2**31, 2**63, 10**30):
            with pytest.raises(NotFound):
                await mongo.paginate(Item.find_all(), page=number)
        page = await mongo.paginate(Item.find_all(), page=10**30, error_out=False)
        assert page.items == []
        page = await mongo.paginate(Item.find_all(), page=-1, error_out=False)
        assert page.page == 1


async def test_query_string(app: Quart) -> None:
    """Page and size come from the query string; an invalid one is a 404."""
    async with app.app_context():
        await fill(45)

    @app.get("/")
    async def view() -> list[object]:
        page = await mongo.paginate(Item.find_all().sort("name"), max_per_page=30)
        return [page.page, page.per_page, len(page.items)]

    client = app.test_client()
    for query, expected in (
        ("", [1, 20, 20]),
        ("?page=3", [3, 20, 5]),
        ("?page=2&per_page=1000", [2, 30, 15]),
    ):
        assert await (await client.get(f"/{query}")).get_json() == expected
    for query in ("page=x", "page=0", "page=4", "per_page=x", "page[$gt]=", "page=%00"):
        status = (await client.get(f"/?{query}")).status_code
        assert status == (200 if "$" in query else 404), query


@pytest.mark.parametrize(
    "value",
    [
        {"$gt": ""},
        {"$ne": None},
        {"$regex": ".*"},
        {"$where": "true"},
        {"$in": ["item 001"]},
        {"$exists": True},
        {"$not": {"$eq": "x"}},
        ["item 001", {"$gt": ""}],
        {"a": {"$gt": ""}},
        None,
        True,
        1,
    ],
    ids=repr,
)
async def test_literal(app: Quart, value: Any) -> None:
    """A literal value matches only itself, even if it looks like an operator."""
    async with app.app_context():
        await fill(3)
        assert await Item.find(Item.name == literal(value)).to_list() == []  # type: ignore[comparison-overlap]
        assert await mongo.db["item"].find_one({"name": literal(value)}) is None
        assert await mongo.db["item"].count_documents({"name": literal("item 001")}) == 1
        await mongo.db["any"].insert_one({"name": value})
        assert await mongo.db["any"].count_documents({"name": literal(value)}) == 1


async def test_aggregation(app: Quart) -> None:
    """beanie's aggregations work."""
    async with app.app_context():
        await fill(6)
        pipeline = [{"$group": {"_id": "$price", "n": {"$sum": 1}}}, {"$sort": {"_id": 1}}]
        assert await Item.aggregate(pipeline).to_list() == [{"_id": n, "n": 2} for n in range(3)]
        assert await Item.find(Item.price == 2).sum(Item.price) == 4
