"""Pages that begin after a row, instead of after a number of rows.

A page with an offset reads all the rows before it, and repeats or skips a row when others are
inserted or deleted meanwhile. A keyset page asks for the rows that come after the last one that
was shown. An index finds them at once, and changes before it don't move it.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import operators

from quartpatterns.sqlalchemy.cursors import (
    Comparison,
    Cursor,
    read_cursor,
    write_cursor,
)
from quartpatterns.sqlalchemy.pages import joined_keys, rows_of

__all__ = ["KeysetPage", "keyset_page"]

T = TypeVar("T")

_COMPARE_TUPLES = {"mariadb", "mysql", "postgresql", "sqlite"}
"""The databases that compare ``(a, b) > (1, 2)``, and use an index for it."""
_NULLS_ARE_LARGE = {"oracle", "postgresql"}
"""The databases that sort NULL as larger than all values; others sort it as smaller."""
_OPPOSITE: dict[Comparison, Comparison] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
_DELETED: Any = object()
"""An entity that another transaction has deleted since its key was read."""
_END: ColumnElement[Any] = sa.literal_column("0")


@dataclass(frozen=True, slots=True)
class KeysetPage(Generic[T]):
    """One page of a list, from ``await db.keyset_paginate(select)``. It has no number.

    Iterating over it iterates over its items.

    Arguments:
        items: The items on this page.
        per_page: The maximum number of items on a page.
        has_next: Whether a page follows this one.
        has_prev: Whether a page precedes this one.

    .. versionadded:: 0.1
    """

    items: list[T]
    per_page: int
    has_next: bool
    has_prev: bool
    _order: str = field(repr=False)
    _cursors: tuple[Cursor | None, Cursor | None] = field(repr=False)
    _fetch: Callable[[str], Awaitable[KeysetPage[T]]] = field(repr=False)

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the page after this one; ``None`` on the last."""
        return self._write(self._cursors[1]) if self.has_next else None

    @property
    def prev_cursor(self) -> str | None:
        """The cursor of the page before this one; ``None`` on the first."""
        return self._write(self._cursors[0]) if self.has_prev else None

    async def next(self) -> KeysetPage[T] | None:
        """Return the page after this one, or ``None`` on the last."""
        cursor = self.next_cursor
        return await self._fetch(cursor) if cursor else None

    async def prev(self) -> KeysetPage[T] | None:
        """Return the page before this one, or ``None`` on the first."""
        cursor = self.prev_cursor
        return await self._fetch(cursor) if cursor else None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def _write(self, cursor: Cursor | None) -> str | None:
        return write_cursor(cursor, self._order) if cursor else None


async def keyset_page(
    session: AsyncSession,
    select: Select[T, *tuple[Any, ...]],
    *,
    per_page: int,
    cursor: str | None,
    max_age: int | None,
    fetch: Callable[[str], Awaitable[KeysetPage[T]]],
) -> KeysetPage[T]:
    """Return a page, as :meth:`SQLAlchemy.keyset_paginate` does; *fetch* returns another page."""
    if not isinstance(cast("object", select), sa.Select):
        raise ValueError(
            "a keyset page needs rows of a select(): write select() from the subquery() of a union,"
            " or select(aliased(Model, union.subquery()))"
        )
    dialect = session.get_bind(clause=select).dialect.name
    columns = _sort_columns(select, dialect)
    order = "; ".join(map(str, columns))
    position = read_cursor(cursor, order, max_age=max_age) if cursor else None
    backwards = position is not None and position.comparison.startswith("<")
    keys = joined_keys(select)
    compare_tuples = dialect in _COMPARE_TUPLES
    reader: _Reader | _EntityReader
    if keys:
        reader = _EntityReader(session, select, keys, columns, backwards, compare_tuples)
    else:
        reader = _Reader(session, select, columns, backwards, compare_tuples)
    rows = await reader.read(position, per_page + 1)
    more = len(rows) > per_page
    rows = rows[:per_page][:: -1 if backwards else 1]
    return KeysetPage(
        items=[row[0] for row in rows if row[0] is not _DELETED],
        per_page=per_page,
        has_next=backwards or more,
        has_prev=more if backwards else position is not None,
        _order=order,
        _cursors=_page_cursors([tuple(row[-len(columns) :]) for row in rows], position),
        _fetch=fetch,
    )


def _page_cursors(
    rows: Sequence[tuple[Any, ...]], position: Cursor | None
) -> tuple[Cursor | None, Cursor | None]:
    """Return the cursors of the previous and the next page of a page with *rows*."""
    if rows:
        return Cursor("<", rows[0]), Cursor(">", rows[-1])
    if position is None:
        return None, None
    # The rows of this page have been deleted. The rows on the other side begin at its own cursor.
    other = Cursor(_OPPOSITE[position.comparison], position.values)
    return (position, other) if position.comparison.startswith("<") else (other, position)


# Reading rows.


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads rows of a statement from a position on."""

    session: AsyncSession
    select: Select[*tuple[Any, ...]]
    columns: Sequence[_SortColumn]
    backwards: bool
    compare_tuples: bool

    async def read(self, position: Cursor | None, count: int) -> list[Any]:
        """Return *count* rows, or fewer at the end: an item, and the values that it sorts by."""
        rows: list[Any] = []
        while len(rows) < count:
            limit = count - len(rows)
            unique, fetched = await self._execute(position, limit)
            rows += unique
            if fetched < limit or len(unique) == limit:
                break
            # Several elements of a row repeat the first one: there may be more objects.
            values = tuple(rows[-1][-len(self.columns) :])
            position = Cursor("<" if self.backwards else ">", values)
        return rows

    async def _execute(self, position: Cursor | None, limit: int) -> tuple[list[Any], int]:
        """Return the unique rows, and how many rows the database has returned."""
        columns = [column.reverse() for column in self.columns] if self.backwards else self.columns
        page = self.select.order_by(None).order_by(*(column.clause() for column in columns))
        if position is not None:
            page = page.where(_after(columns, position, self.compare_tuples))
        labelled = (
            column.expression.label(f"keyset_{number}")
            for number, column in enumerate(self.columns)
        )
        result = await self.session.execute(page.limit(limit).add_columns(*labelled))
        if not _is_entity(self.select):
            rows: list[Any] = list(result.all())
            return rows, len(rows)
        identities: list[int] = []

        def identity(row: Any) -> int:
            identities.append(key := id(row[0]))
            return key

        rows = list(result.unique(identity).all())
        return rows, len(identities)


@dataclass(frozen=True, slots=True)
class _EntityReader:
    """Reads entities that a join may repeat. The place of each one is that of its first row.

    A first statement finds the keys of the page, and a second one the entities with all their
    rows. A limit would cut the rows that ``contains_eager()`` fills a collection with.
    """

    session: AsyncSession
    select: Select[*tuple[Any, ...]]
    keys: Sequence[Any]
    columns: Sequence[_SortColumn]
    backwards: bool
    compare_tuples: bool

    async def read(self, position: Cursor | None, count: int) -> list[Any]:
        """Return *count* rows, or fewer at the end: an entity, and the values that it sorts by."""
        found = (await self.session.execute(self._page(position).limit(count))).all()
        if not found:
            return []
        keys = [tuple(row[: len(self.keys)]) for row in found]
        select = self.select.where(self._has_key(keys))
        if select._distinct and not self._has_own_order():
            select = select.order_by(None)  # PostgreSQL refuses this order.
        result = await self.session.execute(select)
        entities = {sa.inspect(one).identity: one for one in result.unique().scalars()}
        return [
            (entities.get(key, _DELETED), *row[len(self.keys) :])
            for key, row in zip(keys, found, strict=True)
        ]

    def _page(self, position: Cursor | None) -> Select[*tuple[Any, ...]]:
        """Return a statement for the keys and the values after *position*."""
        names = [f"keyset_{number}" for number in range(len(self.columns))]
        values = [
            column.expression.label(name) for name, column in zip(names, self.columns, strict=True)
        ]
        if self._has_own_order():
            # All rows of an entity have the same values, so that an index can be used.
            columns = self.columns
            page = rows_of(self.select, *self.keys, *values).distinct()
        else:
            number = sa.func.row_number().over(
                partition_by=list(self.keys), order_by=[one.clause() for one in self.columns]
            )
            rows = rows_of(self.select, *self.keys, *values, number).order_by(None).subquery()
            *keys, place = (one for one in rows.c if one.name not in names)
            columns = [
                replace(column, expression=rows.c[name])
                for name, column in zip(names, self.columns, strict=True)
            ]
            page = sa.select(*keys, *(one.expression for one in columns)).where(place == 1)
        if self.backwards:
            columns = [column.reverse() for column in columns]
        if position is not None:
            page = page.where(_after(columns, position, self.compare_tuples))
        return page.order_by(None).order_by(*(column.clause() for column in columns))

    def _has_own_order(self) -> bool:
        return all(column.own for column in self.columns)

    def _has_key(self, keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
        if len(self.keys) == 1:
            return cast("ColumnElement[bool]", self.keys[0].in_([key for (key,) in keys]))
        return sa.or_(
            *(
                sa.and_(*(column == value for column, value in zip(self.keys, key, strict=True)))
                for key in keys
            )
        )


def _after(
    columns: Sequence[_SortColumn], position: Cursor, compare_tuples: bool
) -> ColumnElement[bool]:
    """Return the condition for the rows after *position* in the order of *columns*."""
    inclusive = position.comparison.endswith("=")
    pairs = list(zip(columns, position.values, strict=True))
    one_direction = len({column.descending for column in columns}) == 1
    nullable = any(column.nullable for column in columns)
    if compare_tuples and len(columns) > 1 and one_direction and not nullable:
        left = sa.tuple_(*(column.expression for column in columns))
        right = sa.tuple_(*(column.literal(value) for column, value in pairs))
        if columns[0].descending:
            return left <= right if inclusive else left < right
        return left >= right if inclusive else left > right
    terms = [
        sa.and_(*(other.equals(value) for other, value in pairs[:number]), column.after(value))
        for number, (column, value) in enumerate(pairs)
    ]
    if inclusive:
        terms.append(sa.and_(*(column.equals(value) for column, value in pairs)))
    # The second half is implied by the first. It lets the database use an index.
    column, value = pairs[0]
    return sa.and_(sa.or_(*terms), sa.or_(column.equals(value), column.after(value)))


# The order of a statement.


@dataclass(frozen=True, slots=True)
class _SortColumn:
    """A column that a list is ordered by."""

    expression: ColumnElement[Any]
    descending: bool
    nulls_first: bool
    explicit: bool
    """Whether the statement says where NULL comes; otherwise it is the database's default."""
    nullable: bool
    own: bool
    """Whether it is a column of the selected model, and not of a joined one."""

    def __str__(self) -> str:
        direction = "DESC" if self.descending else "ASC"
        return f"{self.expression} {self.expression.type!r} {direction} {self.nulls_first}"

    def reverse(self) -> _SortColumn:
        return replace(self, descending=not self.descending, nulls_first=not self.nulls_first)

    def clause(self) -> ColumnElement[Any]:
        """Return the element of the ``ORDER BY`` clause."""
        clause = self.expression.desc() if self.descending else self.expression.asc()
        if not self.explicit:
            return clause
        return clause.nulls_first() if self.nulls_first else clause.nulls_last()

    def literal(self, value: Any) -> ColumnElement[Any]:
        """Return *value* as a parameter with the type of the column."""
        type_: Any = self.expression.type
        if isinstance(type_, sa.Enum) and type_.enum_class is not None and isinstance(value, str):
            value = type_.enum_class[value]
        return sa.literal(value, type_)

    def equals(self, value: Any) -> ColumnElement[bool]:
        """Return the condition for rows with *value*."""
        return (
            self.expression.is_(None) if value is None else self.expression == self.literal(value)
        )

    def after(self, value: Any) -> ColumnElement[bool]:
        """Return the condition for rows after those with *value*."""
        if value is None:
            return self.expression.is_not(None) if self.nulls_first else sa.false()
        literal = self.literal(value)
        after = self.expression < literal if self.descending else self.expression > literal
        if self.nullable and not self.nulls_first:
            return sa.or_(after, self.expression.is_(None))
        return after


def _sort_columns(select: Select[*tuple[Any, ...]], dialect: str) -> list[_SortColumn]:
    """Return the columns that *select* is ordered by, and the primary key, which makes it unique.

    Raises:
        ValueError: The statement can't be paged by its order; the message says why.
    """
    # The clauses have no public names. A statement without a clause has fewer children, and the
    # order is where another one takes its place.
    children = list(select.get_children())
    plain = select.limit(None).offset(None).group_by(None)
    if len(list(plain.get_children())) < len(children):
        raise ValueError(
            "a keyset page has a limit of its own, and needs rows of a table: use limit(), offset()"
            " and group_by() only in a subquery"
        )
    unordered = list(select.order_by(None).order_by(_END).get_children())
    start = next(index for index, child in enumerate(unordered) if child is _END)
    order_by = children[start : start + 1 + len(children) - len(unordered)]

    table, primary_key = _table_and_primary_key(select)
    columns = [_sort_column(clause, table, dialect) for clause in order_by]
    if not primary_key and not columns:
        raise ValueError("a keyset page needs an order: add order_by()")
    descending = bool(columns) and columns[-1].descending
    named = {column.expression for column in columns}
    if select._distinct and not _is_entity(select):
        # With a primary key, equal rows would no longer be equal.
        selected = [_unlabelled(column) for column in select.selected_columns]
        if not named <= set(selected):
            raise ValueError("with distinct(), a keyset page is ordered by selected columns only")
        others = (column for column in selected if column not in named)
        return columns + [
            _sort_column(column.desc() if descending else column.asc(), table, dialect)
            for column in others
        ]
    return columns + [
        _SortColumn(column, descending, nulls_first=False, explicit=False, nullable=False, own=True)
        for column in primary_key
        if column not in named
    ]


def _is_entity(select: Select[*tuple[Any, ...]]) -> bool:
    first = select.column_descriptions[0]
    return first.get("entity") is not None and first["entity"] is first["expr"]


def _unlabelled(column: Any) -> ColumnElement[Any]:
    while column.__visit_name__ == "label":
        column = column.element
    return cast("ColumnElement[Any]", column)


def _table_and_primary_key(select: Any) -> tuple[Any, list[ColumnElement[Any]]]:
    first = select.column_descriptions[0]
    entity = first.get("entity")
    if entity is None:
        table = getattr(first["expr"], "table", None)
        return table, list(getattr(table, "primary_key", ()))
    inspected: Any = sa.inspect(entity)
    mapper: Mapper[Any] = inspected.mapper
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    columns = [sa.inspect(getattr(entity, name)).__clause_element__() for name in names]
    return inspected.selectable, columns


def _sort_column(clause: Any, table: Any, dialect: str) -> _SortColumn:
    descending, nulls_first = False, None
    while clause.__visit_name__ in ("unary", "label_reference", "label"):
        modifier = getattr(clause, "modifier", None)
        if modifier in (operators.desc_op, operators.asc_op):
            descending = modifier is operators.desc_op
        elif modifier in (operators.nulls_first_op, operators.nulls_last_op):
            nulls_first = modifier is operators.nulls_first_op
        elif clause.__visit_name__ == "unary":
            break  # such as -column
        clause = clause.element
    if clause.__visit_name__ in ("textclause", "textual_label_reference"):
        raise ValueError(f"order by columns, not by the text {str(clause)!r}")
    default = descending is (dialect in _NULLS_ARE_LARGE)
    # An outer join adds NULL to other tables, also to columns that are NOT NULL.
    own = table is not None and table.columns.contains_column(clause)
    return _SortColumn(
        clause,
        descending,
        nulls_first=default if nulls_first is None else nulls_first,
        explicit=nulls_first is not None,
        nullable=not own or clause.nullable,
        own=own,
    )
