"""Pages of a statement: what their items are, how many there are, and one page of them."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import sqlalchemy as sa
from quart import abort
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapper, lazyload
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.elements import ClauseElement

from quartpatterns._shared.pagination import MAX_PER_PAGE, Pagination, page_numbers

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from sqlalchemy import Select

__all__ = ["StatementPages", "first_items", "joined_keys", "paginate", "rows_of"]

MAX_OFFSET = 2**63 - 1
"""The largest offset of a database. Pages beyond it are empty."""

EXACT = 10_000
"""Estimates below this number are replaced by a count, which is fast then."""

Count = bool | Literal["estimate"]


class StatementPages:
    """The results of a statement that pages are made of.

    An entity that a join repeats is one item, with all its rows: a page is made of the primary
    keys of its entities. Flask-SQLAlchemy counts and cuts rows there.

    Arguments:
        session: Executes the statement.
        select: A statement that selects a model or columns.
        rows: Whether an item is the whole row; otherwise it is its first element.
    """

    def __init__(
        self, session: AsyncSession, select: Select[*tuple[Any, ...]], *, rows: bool = False
    ) -> None:
        if not isinstance(cast("object", select), sa.GenerativeSelect):
            raise TypeError(
                f"a page of {type(select).__name__} is not possible, because it can't be limited:"
                " write select(...); text().columns(...).subquery() can be selected from"
            )
        self.session = session
        self._select = select
        self._rows = rows
        self._columns = _entity(select)
        self._keys = _keys(select, self._columns) if self._columns is not None else []

    @property
    def is_joined(self) -> bool:
        """Whether the statement may have several rows of its entity."""
        return bool(self._keys)

    async def items(self, limit: int, offset: int) -> list[Any]:
        """Return *limit* items after the first *offset*."""
        if self._keys:
            result = await self.session.execute(self._with_keys(limit, offset))
            return list(result.unique().scalars())
        result = await self.session.execute(self._select.limit(limit).offset(offset))
        if self._columns is not None and not self._rows:
            return list(result.unique().scalars())
        # Equal rows of columns are different items: they were counted one by one. Rows with an
        # entity are repeated by joinedload().
        rows = result.unique() if _selects_entity(self._select) else result
        return list(rows) if self._rows else [row[0] for row in rows]

    async def count(self) -> int:
        """Return the number of items."""
        if self._limits_distinct():
            items = self._places()
        elif self._keys:
            keys = self._rows_of(*self._keys).subquery()
            items = sa.select(*keys.c).distinct().subquery()
        else:
            items = _unlocked(self._select.options(lazyload("*")).order_by(None)).subquery()
        counted = sa.select(sa.func.count()).select_from(items)
        return (await self.session.execute(counted)).scalar_one()

    async def estimate(self) -> tuple[int, bool]:
        """Return the number of items, and whether it is an estimate of PostgreSQL's planner."""
        dialect = self.session.get_bind(clause=self._select).dialect.name
        if dialect != "postgresql" or self._keys:
            return await self.count(), False
        explain = _Explain(self._select.options(lazyload("*")).order_by(None))
        plans = (await self.session.execute(explain)).scalar_one()
        [plan] = json.loads(plans) if isinstance(plans, str) else plans
        if (rows := int(plan["Plan"]["Plan Rows"])) < EXACT:
            return await self.count(), False
        return rows, True

    def _with_keys(self, limit: int, offset: int) -> Select[*tuple[Any, ...]]:
        """Return the statement for the entities of one page, which are those of *limit* keys."""
        *keys, place = self._places().c
        page = sa.select(*keys).order_by(place).limit(limit).offset(offset)
        # A derived table, because MySQL has no LIMIT in the subquery of IN.
        wanted = sa.select(*page.subquery().c)
        key = self._keys[0] if len(self._keys) == 1 else sa.tuple_(*self._keys)
        return self._select.limit(None).offset(None).where(key.in_(wanted))

    def _places(self) -> sa.Subquery:
        """Return the keys of all entities, each with its place, which is that of its first row."""
        number: Any = sa.func.row_number().over(order_by=self._select._order_by_clauses or None)
        rows = self._rows_of(*self._keys, number)
        if self._limits_distinct():
            rows = rows.limit(None).offset(None)
        *keys, number = rows.subquery().c
        place = sa.func.min(number)
        places = sa.select(*keys, place).group_by(*keys)
        if self._limits_distinct():
            limit, offset = self._select._limit_clause, self._select._offset_clause
            places = places.order_by(place).limit(limit).offset(offset)
        return places.subquery()

    def _rows_of(self, *columns: Any) -> Select[*tuple[Any, ...]]:
        """Return the statement with other columns."""
        rows = rows_of(self._select, *columns)
        # The order decides what a limit and DISTINCT ON cut off. Otherwise it costs time, and
        # PostgreSQL refuses it if the statement is DISTINCT and does not select its columns.
        needed = _is_limited(rows) and not self._limits_distinct()
        return rows if needed or _has_distinct_on(rows) else rows.order_by(None)

    def _limits_distinct(self) -> bool:
        # Such a limit is a number of entities, not of rows.
        if not self._keys or not _is_limited(self._select):
            return False
        return self._select._distinct is True and not _has_distinct_on(self._select)


def _is_limited(select: Select[*tuple[Any, ...]]) -> bool:
    return select._limit_clause is not None or select._offset_clause is not None


def _has_distinct_on(select: Select[*tuple[Any, ...]]) -> bool:
    # SQLAlchemy 2.1 has an extension of the syntax for it.
    return bool(select._distinct_on or getattr(select, "_pre_columns_clause", None) is not None)


def _unlocked(select: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """Remove ``FOR UPDATE`` from *select*: PostgreSQL refuses it in such subqueries."""
    select._for_update_arg = None
    return select


def rows_of(select: Select[*tuple[Any, ...]], *columns: Any) -> Select[*tuple[Any, ...]]:
    """Return *select* with other columns, without the rows that ``joinedload()`` adds."""
    rows = _unlocked(select.options(lazyload("*")))
    return rows.with_only_columns(*columns, maintain_column_froms=True)


def joined_keys(select: Select[*tuple[Any, ...]]) -> list[Any]:
    """Return the primary key of the entity of *select*, if a join may repeat the entity."""
    entity = _entity(select)
    return _keys(select, entity) if entity is not None else []


async def first_items(session: AsyncSession, statement: Any) -> list[Any]:
    """Return the first item of *statement*, or nothing."""
    if not isinstance(statement, sa.GenerativeSelect):
        # select().from_statement() and text() can't be limited.
        return list((await session.scalars(statement)).unique().fetchmany(1))
    select = cast("Select[*tuple[Any, ...]]", statement)
    if isinstance(statement, sa.Select) and select._with_options:
        # contains_eager() fills a collection with the rows of a join, which a limit would cut.
        pages = StatementPages(session, select)
        if pages.is_joined:
            return await pages.items(1, 0)
    return list((await session.scalars(select.limit(1))).unique())


async def paginate(
    pages: StatementPages,
    *,
    page: int | None,
    per_page: int | None,
    max_per_page: int | None = MAX_PER_PAGE,
    error_out: bool = True,
    count: Count = True,
) -> Pagination[Any]:
    """Return one page; the arguments are those of ``db.paginate``.

    Raises:
        NotFound: The page does not exist, and *error_out* is true.
    """
    page, per_page = page_numbers(
        page=page, per_page=per_page, max_per_page=max_per_page, error_out=error_out
    )

    def fetch(page: int, error_out: bool) -> Awaitable[Pagination[Any]]:
        return paginate(
            pages,
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            error_out=error_out,
            count=False,
        )

    offset = (page - 1) * per_page
    # Counting comes first, so that the items of many waiting requests are not in memory, where
    # each garbage collection would visit them.
    total = await pages.count() if count is True else None
    items: list[Any] = []
    if offset < total if total is not None else offset <= MAX_OFFSET - per_page:
        items = await pages.items(per_page + (count is not True), offset)
    if not items and page > 1 and error_out:
        abort(404)
    pagination = Pagination[Any].of(
        items=items[:per_page],
        page=page,
        per_page=per_page,
        max_per_page=max_per_page,
        total=total,
        more=None if count is True else len(items) > per_page,
        fetch=fetch,
    )
    if count == "estimate":
        pagination.total, pagination.estimated = await pages.estimate()
        pagination.settle(offset)
    return pagination


# Does a statement repeat its entity?


def _entity(select: Select[*tuple[Any, ...]]) -> Any:
    """Return what is known of the only entity that *select* selects, or None."""
    if not isinstance(cast("object", select), sa.Select):  # a UNION
        return None
    first, *others = select.column_descriptions
    if others or first.get("entity") is None or first["entity"] is not first["expr"]:
        return None
    return sa.inspect(first["entity"])


def _selects_entity(select: Select[*tuple[Any, ...]]) -> bool:
    if not isinstance(cast("object", select), sa.Select):  # a UNION
        return False
    found = select.column_descriptions
    return any(one.get("entity") is not None and one["entity"] is one["expr"] for one in found)


def _keys(select: Select[*tuple[Any, ...]], entity: Any) -> list[Any]:
    """Return the primary key of *entity*, if *select* may have several rows of it, or a limit."""
    limited = _is_limited(select)
    if not limited and not _may_join(select, entity.mapper):
        return []
    froms = select.options(lazyload("*")).get_final_froms()
    if not limited and len(froms) == 1 and _is_one_row(froms[0], entity):
        return []
    mapper: Mapper[Any] = entity.mapper
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    return [getattr(entity.entity, name) for name in names]


def _may_join(select: Select[*tuple[Any, ...]], mapper: Mapper[Any]) -> bool:
    # get_final_froms() knows exactly, but takes half a millisecond.
    if select._setup_joins or select._from_obj:
        return True
    if select.whereclause is None:
        return False
    elements: Iterator[Any] = visitors.iterate(select.whereclause)
    tables = (element.table for element in elements if isinstance(element, sa.Column))
    return any(table not in mapper.tables for table in tables)


def _is_one_row(source: Any, entity: Any) -> bool:
    """Return whether *source*, a table or join, has one row for each row of *entity*."""
    if source == entity.selectable:
        return True
    if not isinstance(source, sa.Join):
        return source in entity.mapper.tables and entity.is_mapper
    if source.full or not _is_one_row(source.left, entity):
        return False
    right: Any = source.right
    if right in entity.mapper.tables and entity.is_mapper:
        return True  # A table of a parent or subclass, with the same primary key.
    keys = {column.name for column in right.primary_key}
    return bool(keys) and keys <= _equated(source.onclause, right)


def _equated(condition: Any, table: Any) -> set[str]:
    """Return the columns of *table* that *condition* sets equal to columns of other tables."""
    names: set[str] = set()
    parts: Sequence[Any] = [condition]
    if getattr(condition, "operator", None) is operators.and_:
        parts = condition.clauses
    for part in parts:
        if getattr(part, "operator", None) is operators.eq:
            columns = [part.left, part.right]
            own = [side for side in columns if getattr(side, "table", None) == table]
            if len(own) == 1:
                names.add(own[0].name)
    return names


class _Explain(Executable, ClauseElement):
    """The plan of a statement, as JSON: https://www.postgresql.org/docs/current/sql-explain.html"""

    inherit_cache = False

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self.statement = statement


@compiles(_Explain)
def _compile_explain(element: _Explain, compiler: Any, **options: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"
