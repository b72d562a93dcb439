"""Queries that answer 404 themselves, and pages."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING
from typing import Any
from typing import TypeVar

import sqlalchemy as sa
from quart import abort
from quart import has_request_context
from quart import request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import MultipleResultsFound
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import lazyload

from quartpatterns.sqlalchemy.errors import refuses_value
from quartpatterns.sqlalchemy.pagination import MAX_PER_PAGE
from quartpatterns.sqlalchemy.pagination import Pagination
from quartpatterns.sqlalchemy.pagination import page_numbers

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.sql.selectable import TypedReturnsRows

__all__ = ["Queries"]

T = TypeVar("T")

MAX_OFFSET = 2**63 - 1
"""The largest offset that databases understand; what lies beyond is an empty page."""


class Queries(ABC):
    """The queries of Flask-SQLAlchemy's object, awaited, on the session of the context."""

    @property
    @abstractmethod
    def session(self) -> AsyncSession:
        """The session to query."""

    async def get_or_404(
        self, entity: type[T], ident: Any, *, description: str | None = None, **options: Any
    ) -> T:
        """The row with the primary key *ident*.

        Arguments:
            entity: The model.
            ident: Its primary key.
            description: What the error page says.
            options: For :meth:`AsyncSession.get`, such as ``with_for_update=True``.

        Raises:
            NotFound: There is none; also where the database can't hold such a key.
        """
        try:
            value = await self.session.get(entity, ident, **options)
        except DBAPIError as error:
            if not refuses_value(error):
                raise
            value = None
        return _found(value, description)

    async def first_or_404(
        self, statement: Select[T, *tuple[Any, ...]], *, description: str | None = None
    ) -> T:
        """The first result of *statement*, of which one row is fetched.

        Raises:
            NotFound: There is none.
        """
        results = await self.session.scalars(statement.limit(1))
        value: T | None = results.unique().first()
        return _found(value, description)

    async def one_or_404(
        self, statement: TypedReturnsRows[T, *tuple[Any, ...]], *, description: str | None = None
    ) -> T:
        """The only result of *statement*.

        Raises:
            NotFound: There is none, or more than one.
        """
        results = await self.session.scalars(statement)
        try:
            value: T = results.unique().one()
        except (NoResultFound, MultipleResultsFound):
            abort(404, description=description)
        return value

    async def paginate(
        self,
        select: Select[T, *tuple[Any, ...]],
        *,
        page: int | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        error_out: bool = True,
        count: bool = True,
    ) -> Pagination[T]:
        """One page of the results of *select*, which should be ordered.

        Arguments:
            select: A statement that selects a model or a column.
            page: The page, from 1; ``page`` of the query string where none is given, else 1.
            per_page: Its size; ``per_page`` of the query string where none is given, else 20.
            max_per_page: The most that *per_page* may be; ``None`` is no limit.
            error_out: Answer 404 for a number below 1, for what is no number, and for a page
                after the last.
            count: Count all items. Without, there is no total, and the next page is known from
                one item more being fetched: large tables are slow to count.

        Raises:
            NotFound: There is no such page, and *error_out* is true.
        """
        page, per_page = page_numbers(
            request.args if has_request_context() else {},
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            error_out=error_out,
        )

        def fetch(page: int, error_out: bool) -> Awaitable[Pagination[T]]:
            return self.paginate(
                select,
                page=page,
                per_page=per_page,
                max_per_page=max_per_page,
                error_out=error_out,
                count=False,
            )

        items: list[T] = []
        if (offset := (page - 1) * per_page) <= MAX_OFFSET - per_page:
            limited = select.limit(per_page + (not count)).offset(offset)
            items = list((await self.session.scalars(limited)).unique())
        if not items and page > 1 and error_out:
            abort(404)
        return Pagination[T](
            items=items[:per_page],
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            total=await self._count(select) if count else None,
            more=len(items) > per_page,
            fetch=fetch,
        )

    async def _count(self, select: Select[*tuple[Any, ...]]) -> int:
        rows = select.options(lazyload("*")).order_by(None).subquery()
        counted = sa.select(sa.func.count()).select_from(rows)
        return (await self.session.execute(counted)).scalar_one()


def _found(value: T | None, description: str | None) -> T:
    if value is None:
        abort(404, description=description)
    return value
