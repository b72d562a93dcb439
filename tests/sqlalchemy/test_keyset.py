"""Keyset pages: every order, both ways, while rows come and go; and cursors that are none."""

from __future__ import annotations

import datetime as dt
import enum
import itertools
import random
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from itsdangerous import URLSafeTimedSerializer
from quart import Quart
from sqlalchemy import Select, delete, select
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, joinedload, mapped_column, relationship

from quartpatterns.sqlalchemy import CursorError, KeysetPage, Model, SQLAlchemy
from quartpatterns.sqlalchemy.cursors import Cursor, read_cursor, write_cursor


class Base(Model, DeclarativeBase):
    pass


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Thing(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int | None] = mapped_column(sa.BigInteger)
    group: Mapped[str] = mapped_column(sa.String(5))
    weight: Mapped[float]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2))
    born: Mapped[dt.datetime]
    day: Mapped[dt.date]
    at: Mapped[dt.time]
    key: Mapped[UUID]
    done: Mapped[bool]
    colour: Mapped[Colour]
    data: Mapped[bytes]
    tags: Mapped[Any] = mapped_column(sa.JSON)  # which can neither be hashed nor compared
    notes: Mapped[list[Note]] = relationship(lazy="raise", order_by="Note.id")


class Note(Base):
    id: Mapped[int] = mapped_column(primary_key=True)
    thing_id: Mapped[int] = mapped_column(sa.ForeignKey("thing.id"))
    text: Mapped[str]


db = SQLAlchemy(model_class=Base)


def make_thing(number: int, dice: random.Random) -> Thing:
    """Return a row with values that others have, too, and NULL where it is allowed."""
    day = dt.date(2026, 1, dice.randint(1, 9))
    return Thing(
        id=number,
        rank=dice.choice([None, 1, 2, 3, 10**15]),
        group=dice.choice("abc"),
        weight=dice.choice([0.1, 0.1 + 0.2, 1e300]),
        price=Decimal(dice.choice(["0.10", "12345678.90"])),
        born=dt.datetime(2026, 1, 1, dice.randint(0, 3), 0, 0, dice.randint(0, 2)),
        day=day,
        at=dt.time(dice.randint(0, 3)),
        key=UUID(int=dice.randint(0, 3)),
        done=dice.random() < 0.5,
        colour=dice.choice(list(Colour)),
        data=dice.choice([b"", b"\0\xff", b"x"]),
        tags={},
        notes=[Note(text=f"{number}.{n}") for n in range(number % 3)],
    )


@pytest.fixture
async def app(app_class: type[Quart], url: str) -> AsyncIterator[Quart]:
    """An application with sixty things."""
    app = app_class(__name__)
    app.config.from_mapping(SQLALCHEMY_DATABASE_URI=url, SECRET_KEY="secret")
    db.init_app(app)
    dice = random.Random(7)
    async with app.app_context():
        await db.create_all()
        db.session.add_all(make_thing(number, dice) for number in range(1, 61))
        await db.session.commit()
    yield app
    await app.extensions["sqlalchemy"].close()


ORDERS: list[Any] = [
    pytest.param((), id="primary key"),
    pytest.param((Thing.id.desc(),), id="primary key down"),
    pytest.param((Thing.group,), id="ties"),
    pytest.param((Thing.group.desc(), Thing.weight), id="mixed"),
    pytest.param((Thing.group, Thing.weight.desc(), Thing.id.desc()), id="mixed, named key"),
    pytest.param((Thing.group.desc(), Thing.weight.desc(), Thing.id.desc()), id="all down"),
    pytest.param((Thing.rank,), id="NULL"),
    pytest.param((Thing.rank.desc(),), id="NULL down"),
    pytest.param((Thing.rank.nulls_first(), Thing.group.desc()), id="NULL first"),
    pytest.param((Thing.rank.desc().nulls_last(), Thing.group), id="NULL down, last"),
    pytest.param((Thing.rank.nulls_last(), Thing.rank.desc()), id="twice"),
    pytest.param((Thing.price.desc(), Thing.born), id="decimals, times"),
    pytest.param((Thing.day, Thing.at.desc()), id="dates"),
    pytest.param((Thing.done.desc(), Thing.key), id="booleans, UUIDs"),
    pytest.param((Thing.colour,), id="enumeration"),
    pytest.param((Thing.data.desc(),), id="bytes"),
    pytest.param((sa.func.coalesce(Thing.rank, -1).desc(), Thing.group), id="expression"),
    pytest.param((sa.func.lower(Thing.group).label("name"),), id="label"),
    pytest.param((-Thing.weight,), id="negative"),
]


async def walk(page: KeysetPage[Any], *, forwards: bool = True) -> list[list[int]]:
    """The keys of *page* and of all that follow."""
    pages, current = [], page
    while True:
        pages.append([item.id for item in current])
        following = await (current.next() if forwards else current.prev())
        if following is None:
            return pages
        current = following


async def last(page: KeysetPage[Any]) -> KeysetPage[Any]:
    while following := await page.next():
        page = following
    return page


@pytest.mark.parametrize("order", ORDERS)
async def test_orders(app: Quart, order: tuple[Any, ...]) -> None:
    """Pages in both directions show each row once, in the order of the database."""
    async with app.app_context():
        # Ties are told apart in the direction of the last column.
        tie = Thing.id.desc() if order and "DESC" in str(order[-1]) else Thing.id.asc()
        wanted = list(await db.session.scalars(select(Thing.id).order_by(*order, tie)))
        for size in (7, 20, 60):
            first = await db.keyset_paginate(select(Thing).order_by(*order), per_page=size)
            assert not first.has_prev and first.prev_cursor is None and await first.prev() is None
            pages = await walk(first)
            assert [key for page in pages for key in page] == wanted
            assert len(pages) == -(-60 // size)
            end = await last(first)
            assert not end.has_next and end.next_cursor is None
            assert await walk(end, forwards=False) == pages[::-1]


async def test_stable(app: Quart) -> None:
    """Rows inserted and deleted meanwhile cause no repeated and no skipped row."""
    dice = random.Random(3)
    numbers = itertools.count(1000)
    statement = select(Thing).order_by(Thing.group.desc(), Thing.rank)
    async with app.app_context():
        before = set(await db.session.scalars(select(Thing.id)))
        gone: set[int] = set()
        seen: list[int] = []
        page: KeysetPage[Thing] | None = await db.keyset_paginate(statement, per_page=4)
        while page is not None:
            seen += [thing.id for thing in page]
            await db.session.commit()
            async with db.new_session() as other:
                other.add_all(make_thing(next(numbers), dice) for _ in range(3))
                # Also the very row that the cursor is at.
                lost = {seen[-1], dice.choice(sorted(before))}
                await other.execute(delete(Note).where(Note.thing_id.in_(lost)))
                await other.execute(delete(Thing).where(Thing.id.in_(lost)))
                await other.commit()
                gone |= lost
            page = await page.next()
            assert len(seen) < 1000
        assert len(seen) == len(set(seen))
        assert before - gone <= set(seen)


async def test_deleted_rows(app: Quart) -> None:
    """A cursor beyond an end shows an empty page, with a link back."""
    statement = select(Thing).order_by(Thing.id)
    async with app.app_context():
        page = await db.keyset_paginate(statement, per_page=50)
        after, second = page.next_cursor, await page.next()
        assert second is not None
        before = second.prev_cursor
        await db.session.execute(delete(Note))
        await db.session.execute(delete(Thing).where(Thing.id > 50))
        empty = await db.keyset_paginate(statement, per_page=50, cursor=after)
        assert (empty.items, empty.has_next, empty.has_prev) == ([], False, True)
        back = await empty.prev()
        assert back is not None
        assert [thing.id for thing in back] == list(range(1, 51))
        await db.session.execute(delete(Thing))
        empty = await db.keyset_paginate(statement, per_page=50, cursor=before)
        assert (empty.items, empty.has_next, empty.has_prev) == ([], True, False)
        onwards = await empty.next()
        assert onwards is not None and onwards.items == []
        none = await db.keyset_paginate(statement)
        assert (none.items, none.has_next, none.has_prev) == ([], False, False)
        assert (none.next_cursor, none.prev_cursor) == (None, None)


async def test_statements(app: Quart) -> None:
    """Conditions, joins, eager loading, aliases and columns may be paged."""
    other = aliased(Thing)
    statements: list[tuple[Select[Any], int]] = [
        (select(Thing).where(Thing.group == "a").order_by(Thing.rank), 0),
        (select(Thing).join(Note).where(Note.text.endswith(".1")).order_by(Thing.weight), 0),
        (select(other).order_by(other.group.desc()), 60),
        (select(Thing).options(joinedload(Thing.notes)).order_by(Thing.group), 60),
        (select(Thing).outerjoin(Note).where(sa.or_(Note.id.is_(None), Note.text != "")), 0),
        (select(Thing), 60),
    ]
    async with app.app_context():
        for statement, expected in statements:
            wanted = set((await db.session.scalars(statement.order_by(None))).unique())
            found = [
                key
                for page in await walk(await db.keyset_paginate(statement, per_page=9))
                for key in page
            ]
            assert len(wanted) == expected or not expected
            assert set(found) == {thing.id for thing in wanted}
        table = Thing.__table__
        columns: Select[int] = select(table.c.id).order_by(table.c.rank.desc())
        page: KeysetPage[int] | None = await db.keyset_paginate(columns, per_page=11)
        numbers: list[int] = []
        while page is not None:
            numbers += page
            page = await page.next()
        assert sorted(numbers) == list(range(1, 61))
        groups: Select[str] = select(Thing.group).order_by(Thing.group)
        assert len((await db.keyset_paginate(groups, per_page=60)).items) == 60
        loaded = await db.keyset_paginate(
            select(Thing).options(joinedload(Thing.notes)).order_by(Thing.id), per_page=3
        )
        assert [len(thing.notes) for thing in loaded] == [1, 2, 0]


async def test_order_by_outer_column(app: Quart) -> None:
    """A NOT NULL column of an outer join may contain NULL."""
    statement = (
        select(Thing)
        .outerjoin(Note, sa.and_(Note.thing_id == Thing.id, Note.text.endswith(".0")))
        .order_by(Note.text)
    )
    async with app.app_context():
        wanted = list(
            await db.session.scalars(statement.order_by(Thing.id).with_only_columns(Thing.id))
        )
        pages = await walk(await db.keyset_paginate(statement, per_page=7))
        assert [key for page in pages for key in page] == wanted


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        pytest.param(select(Thing).limit(3), "limit", id="limit"),
        pytest.param(select(Thing).offset(3), "limit", id="offset"),
        pytest.param(select(Thing.group).group_by(Thing.group), "subquery", id="group"),
        pytest.param(select(Thing).order_by(sa.text("rank")), "not by the text", id="text"),
        pytest.param(select(Thing).order_by("rank"), "not by the text", id="name"),
        pytest.param(select(sa.literal(1)), "add order_by", id="no order"),
    ],
)
async def test_refused(app: Quart, statement: Select[Any], message: str) -> None:
    async with app.app_context():
        with pytest.raises(ValueError, match=message):
            await db.keyset_paginate(statement)


async def test_unsupported_values(app: Quart) -> None:
    """Values of other types and long values are refused."""
    async with app.app_context():
        with pytest.raises(TypeError, match="order by another column"):
            write_cursor(Cursor(">", ({},)), "")
        with pytest.raises(ValueError, match="shorter columns"):
            write_cursor(Cursor(">", (random.Random(0).randbytes(3000),)), "")


@pytest.fixture
def listed(app: Quart) -> Quart:
    """The application with a list."""

    @app.get("/")
    async def index() -> dict[str, Any]:
        page = await db.keyset_paginate(select(Thing).order_by(Thing.rank), max_age=100)
        return {"ids": [thing.id for thing in page], "next": page.next_cursor}

    @app.get("/other")
    async def other() -> str:
        await db.keyset_paginate(select(Thing).order_by(Thing.rank.desc()))
        return ""

    return app


async def test_over_http(listed: Quart) -> None:
    """Cursor and size come from the query string."""
    client = listed.test_client()
    found: list[int] = []
    cursor = ""
    for _ in range(4):
        answer = await client.get("/", query_string={"per_page": 20, "cursor": cursor})
        data = await answer.get_json()
        found += data["ids"]
        cursor = data["next"]
        if cursor is None:
            break
    assert sorted(found) == list(range(1, 61))
    data = await (await client.get("/?per_page=1000")).get_json()
    assert len(data["ids"]) == 60
    assert (await client.get("/?per_page=0")).status_code == 404


def forge(key: str = "secret", salt: str = "quartpatterns.sqlalchemy.cursor") -> str:
    return str(URLSafeTimedSerializer(key, salt=salt).dumps(["", ">", [1, 1]]))


@pytest.mark.parametrize(
    "cursor",
    [
        pytest.param("x", id="no cursor"),
        pytest.param("....", id="dots"),
        pytest.param("\0", id="NUL"),
        pytest.param("é\ud7ff", id="not ASCII"),
        pytest.param("a" * 100_000, id="large"),
        pytest.param(forge("guessed"), id="another key"),
        pytest.param(forge(salt="session"), id="another purpose"),
        pytest.param("WyIiLCI-IixbMSwxXV0", id="no signature"),
        pytest.param(".eJyr.x.x", id="compressed"),
    ],
)
async def test_forged(listed: Quart, cursor: str) -> None:
    """An invalid cursor answers 400, without a query."""
    answer = await listed.test_client().get("/", query_string={"cursor": cursor})
    assert answer.status_code == 400
    assert "Start from the first page" in await answer.get_data(as_text=True)


async def test_changed(listed: Quart) -> None:
    """A cursor with a changed character is refused."""
    client = listed.test_client()
    cursor = (await (await client.get("/")).get_json())["next"]
    assert (await client.get("/", query_string={"cursor": cursor})).status_code == 200
    for index in range(0, len(cursor) - 1, 5):
        other = "A" if cursor[index] != "A" else "B"
        changed = cursor[:index] + other + cursor[index + 1 :]
        answer = await client.get("/", query_string={"cursor": changed})
        assert answer.status_code == 400, index


async def test_another_list(listed: Quart) -> None:
    """A cursor is valid only for its order."""
    client = listed.test_client()
    cursor = (await (await client.get("/")).get_json())["next"]
    answer = await client.get("/other", query_string={"cursor": cursor})
    assert answer.status_code == 400
    assert "another order" in await answer.get_data(as_text=True)


async def test_expired(app: Quart) -> None:
    async with app.app_context():
        text = write_cursor(Cursor(">", (1,)), "order")
        assert read_cursor(text, "order", max_age=1) == Cursor(">", (1,))
        with pytest.raises(CursorError, match="expired"):
            read_cursor(text, "order", max_age=-1)


async def test_keys(app: Quart) -> None:
    """SECRET_KEY_FALLBACKS are accepted, and a missing SECRET_KEY is an error."""
    async with app.app_context():
        text = write_cursor(Cursor("<", (None, 1)), "order")
        app.config.update(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["secret"])
        assert read_cursor(text, "order") == Cursor("<", (None, 1))
        app.config.update(SECRET_KEY_FALLBACKS=None)
        with pytest.raises(CursorError):
            read_cursor(text, "order")
        app.config["SECRET_KEY"] = None
        with pytest.raises(RuntimeError, match="SECRET_KEY"):
            write_cursor(Cursor(">", (1,)), "order")


VALUES = (
    None,
    True,
    -(2**63),
    0.1 + 0.2,
    "ü\0",
    dt.datetime(2026, 2, 3, 4, 5, 6, 7, dt.UTC),
    dt.date(1, 1, 1),
    dt.time(23, 59, 59, 999999),
    dt.timedelta(days=-1, microseconds=1),
    Decimal("1.10"),
    UUID(int=7),
    b"\0\xff",
)


async def test_values(app: Quart) -> None:
    """All supported values survive a round trip."""
    async with app.app_context():
        cursor = Cursor(">", VALUES)
        assert read_cursor(write_cursor(cursor, ""), "") == cursor
