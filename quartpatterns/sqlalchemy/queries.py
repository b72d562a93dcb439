"""Queries that answer 404 themselves, and pages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from quart import abort, has_request_context, request
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns.sqlalchemy.errors import refuses_value
from quartpatterns.sqlalchemy.estimates import count_rows, estimate_rows
from quartpatterns.sqlalchemy.exports import BATCH, batches, csv_chunks
from quartpatterns.sqlalchemy.keyset import KeysetPage, keyset_page
from quartpatterns.sqlalchemy.pagination import MAX_PER_PAGE, Pagination, page_numbers

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
        count: bool | Literal["estimate"] = True,
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
                one item more being fetched: large tables are slow to count. ``"estimate"`` asks
                PostgreSQL about how many there are, and counts where that is fast.

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

        session, offset = self.session, (page - 1) * per_page
        # Counted first, so that the items wait for nothing: those of many requests that wait at a
        # time would be what the garbage collector is busy with.
        total = await count_rows(session, select) if count is True else None
        items: list[T] = []
        if offset < total if total is not None else offset <= MAX_OFFSET - per_page:
            limited = select.limit(per_page + (count is not True)).offset(offset)
            items = list((await session.scalars(limited)).unique())
        if not items and page > 1 and error_out:
            abort(404)
        found = Pagination[T](
            items=items[:per_page],
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            total=total,
            more=None if count is True else len(items) > per_page,
            fetch=fetch,
        )
        if count == "estimate":
            found.total, found.estimated = await estimate_rows(session, select)
            found.settle(offset)
        return found

    async def keyset_paginate(
        self,
        select: Select[T, *tuple[Any, ...]],
        *,
        cursor: str | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        max_age: int | None = None,
    ) -> KeysetPage[T]:
        """The page of *select* at a cursor: rows that others add or delete don't move it.

        The order of the statement is the order of the list: columns up or down, mixed, with
        NULLs. The primary key is added behind them, so that rows with the same values have an
        order, too. An index on these columns makes the last page as fast as the first.

        Arguments:
            select: A statement that selects a model, or a column of a table, and is ordered.
            cursor: Where the page begins; ``cursor`` of the query string where none is given,
                else the first page.
            per_page: Its size; ``per_page`` of the query string where none is given, else 20.
            max_per_page: The most that *per_page* may be; ``None`` is no limit.
            max_age: Seconds for which a cursor is good; ``None`` is for ever.

        Raises:
            CursorError: The cursor is forged, too old, or of a list in another order: a 400.
            NotFound: *per_page* is no positive number.
            RuntimeError: ``SECRET_KEY`` is not set, by which cursors are signed.
            ValueError: The statement has no order to page by; the message says why.
        """
        args: Mapping[str, str] = request.args if has_request_context() else {}
        _, size = page_numbers(
            args, page=1, per_page=per_page, max_per_page=max_per_page, error_out=True
        )

        def fetch(cursor: str) -> Awaitable[KeysetPage[T]]:
            return self.keyset_paginate(
                select, cursor=cursor, per_page=size, max_per_page=None, max_age=max_age
            )

        return await keyset_page(
            self.session,
            select,
            per_page=size,
            cursor=args.get("cursor") if cursor is None else cursor,
            max_age=max_age,
            fetch=fetch,
        )

    def batches(
        self, statement: TypedReturnsRows[*tuple[Any, ...]], *, size: int = BATCH
    ) -> AsyncGenerator[Sequence[Any]]:
        """The rows of *statement* as they come, in lists, while the database keeps the rest.

        In a streamed response under ``stream_with_context``: the session of the context holds
        its connection until the last row.

        Arguments:
            statement: Selects columns: whole objects would all stay in the session.
            size: Rows in a list.
        """
        return batches(self.session, statement, size=size)

    def csv(
        self,
        statement: TypedReturnsRows[*tuple[Any, ...]],
        *,
        header: bool = True,
        size: int = BATCH,
    ) -> AsyncGenerator[bytes]:
        """The rows of *statement* as CSV in UTF-8 (RFC 4180), a batch at a time.

        Arguments:
            statement: Selects columns.
            header: Begin with their names.
            size: Rows in a chunk.
        """
        return csv_chunks(self.session, statement, header=header, size=size)


def _found(value: T | None, description: str | None) -> T:
    if value is None:
        abort(404, description=description)
    return value
