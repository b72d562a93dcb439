"""Pages that begin after a row instead of after a number of rows.

A page with an offset reads all the rows before it, and shows one twice, or none, when others are
added or deleted meanwhile. A keyset page asks for the rows that come after the last one that was
seen, which an index finds at once, and which nothing that happens before it can move.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy.cursors import Cursor, Way, read_cursor, write_cursor
from quartpatterns.sqlalchemy.order import Key, order_of, selects_objects

__all__ = ["KeysetPage", "keyset_page"]

T = TypeVar("T")

_TUPLES = {"mariadb", "mysql", "postgresql", "sqlite"}
"""The databases that compare ``(a, b) > (1, 2)``, and use an index for it."""
_BACK: dict[Way, Way] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[T]):
    """One page of a list, made by ``await db.keyset_paginate(select)``.

    Iterating over it iterates over its items. There are no numbers: a page is found by its
    cursor.

    Arguments:
        items: What is on this page.
        per_page: How many items a page has at most.
        has_next: Whether a page comes after this one.
        has_prev: Whether one comes before.
    """

    items: list[T]
    per_page: int
    has_next: bool
    has_prev: bool
    _order: str = field(repr=False)
    _ends: tuple[Cursor | None, Cursor | None] = field(repr=False)
    _fetch: Callable[[str], Awaitable[KeysetPage[T]]] = field(repr=False)

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the page after this one; ``None`` on the last."""
        return self._written(self._ends[1]) if self.has_next else None

    @property
    def prev_cursor(self) -> str | None:
        """The cursor of the page before this one; ``None`` on the first."""
        return self._written(self._ends[0]) if self.has_prev else None

    async def next(self) -> KeysetPage[T] | None:
        """Fetch the page after this one; ``None`` where this is the last."""
        cursor = self.next_cursor
        return await self._fetch(cursor) if cursor else None

    async def prev(self) -> KeysetPage[T] | None:
        """Fetch the page before this one; ``None`` where this is the first."""
        cursor = self.prev_cursor
        return await self._fetch(cursor) if cursor else None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def _written(self, end: Cursor | None) -> str | None:
        return write_cursor(end, self._order) if end else None


async def keyset_page(
    session: AsyncSession,
    select: Select[T, *tuple[Any, ...]],
    *,
    per_page: int,
    cursor: str | None,
    max_age: int | None,
    fetch: Callable[[str], Awaitable[KeysetPage[T]]],
) -> KeysetPage[T]:
    """The page of *select* at *cursor*, the first where there is none.

    Arguments:
        session: Where to execute it.
        select: An ordered statement.
        per_page: How many items a page has.
        cursor: What the client has sent.
        max_age: Seconds for which a cursor is good.
        fetch: Fetches another page, given its cursor.

    Raises:
        CursorError: The cursor is none of this list's.
        ValueError: The statement is not one that can be paged by its order.
    """
    dialect = session.get_bind(clause=select).dialect.name
    keys = order_of(select, dialect)
    order = "; ".join(map(str, keys))
    place = read_cursor(cursor, order, max_age=max_age) if cursor else None
    backwards = place is not None and place.way.startswith("<")
    source = _Source(session, select, keys, backwards, tuples=dialect in _TUPLES)
    rows = await source.rows(place, per_page + 1)
    more = len(rows) > per_page
    rows = rows[:per_page][:: -1 if backwards else 1]
    return KeysetPage(
        items=[row[0] for row in rows],
        per_page=per_page,
        has_next=backwards or more,
        has_prev=more if backwards else place is not None,
        _order=order,
        _ends=_ends([source.keys_of(row) for row in rows], place),
        _fetch=fetch,
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """The rows of a statement, from some place on.

    Arguments:
        session: Where to execute it.
        select: The statement.
        keys: Its order.
        backwards: Read it from behind.
        tuples: The database compares tuples.
    """

    session: AsyncSession
    select: Select[*tuple[Any, ...]]
    keys: Sequence[Key]
    backwards: bool
    tuples: bool

    async def rows(self, place: Cursor | None, count: int) -> list[Any]:
        """*count* rows from *place* on, or all there are; each object once."""
        rows: list[Any] = []
        while len(rows) < count:
            found, read = await self._read(place, wanted := count - len(rows))
            rows += found
            if read < wanted or len(found) == wanted:
                break
            # A join has an object several times: there may be more behind its last row.
            place = Cursor("<" if self.backwards else ">", self.keys_of(rows[-1]))
        return rows

    def keys_of(self, row: Any) -> tuple[Any, ...]:
        """The values that *row* is ordered by."""
        return tuple(row[-len(self.keys) :])

    async def _read(self, place: Cursor | None, count: int) -> tuple[list[Any], int]:
        """Rows, and how many the database has sent for them."""
        keys = [key.reversed() for key in self.keys] if self.backwards else self.keys
        page = self.select.order_by(None).order_by(*(key.clause() for key in keys)).limit(count)
        if place is not None:
            page = page.where(_beyond(keys, place, tuples=self.tuples))
        labelled = (
            key.expression.label(f"keyset_{number}") for number, key in enumerate(self.keys)
        )
        result = await self.session.execute(page.add_columns(*labelled))
        if not selects_objects(self.select):
            rows: list[Any] = list(result.all())
            return rows, len(rows)
        read: list[int] = []

        def identity(row: Any) -> int:
            read.append(key := id(row[0]))
            return key

        rows = list(result.unique(identity).all())
        return rows, len(read)


def _ends(
    rows: Sequence[tuple[Any, ...]], place: Cursor | None
) -> tuple[Cursor | None, Cursor | None]:
    """The cursors of the pages before and after one with *rows*, that was found at *place*."""
    if rows:
        return Cursor("<", rows[0]), Cursor(">", rows[-1])
    if place is None:
        return None, None
    # Nothing is left there: what was there before begins where this cursor is.
    back = Cursor(_BACK[place.way], place.values)
    return (place, back) if place.way.startswith("<") else (back, place)


def _beyond(keys: Sequence[Key], place: Cursor, *, tuples: bool) -> ColumnElement[bool]:
    """The condition for the rows that come after *place*, in the order of *keys*."""
    inclusive = place.way.endswith("=")
    pairs = list(zip(keys, place.values, strict=True))
    alike = len({key.descending for key in keys}) == 1 and not any(key.nullable for key in keys)
    if tuples and alike and len(keys) > 1:
        return _tuples(pairs, inclusive)
    terms = [
        sa.and_(*(key.equals(value) for key, value in pairs[:number]), key.beyond(value))
        for number, (key, value) in enumerate(pairs)
    ]
    if inclusive:
        terms.append(sa.and_(*(key.equals(value) for key, value in pairs)))
    # The second half says the same again, in the way that an index of the first column is for.
    key, value = pairs[0]
    return sa.and_(sa.or_(*terms), sa.or_(key.equals(value), key.beyond(value)))


def _tuples(pairs: Sequence[tuple[Key, Any]], inclusive: bool) -> ColumnElement[bool]:
    left = sa.tuple_(*(key.expression for key, _ in pairs))
    right = sa.tuple_(*(key.bound(value) for key, value in pairs))
    if pairs[0][0].descending:
        return left <= right if inclusive else left < right
    return left >= right if inclusive else left > right
