"""Queries that answer 404, pages with numbers, and results of any size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from quart import abort, has_request_context, request
from sqlalchemy.exc import DBAPIError, MultipleResultsFound, NoResultFound
from sqlalchemy.ext.asyncio import AsyncSession

from quartpatterns._shared.csv_lines import CSVFormat
from quartpatterns._shared.pagination import MAX_PER_PAGE, Pagination, page_numbers
from quartpatterns._shared.rows import RowStream
from quartpatterns.sqlalchemy.errors import is_invalid_value
from quartpatterns.sqlalchemy.keyset import KeysetPage, keyset_page
from quartpatterns.sqlalchemy.pages import StatementPages, first_items, paginate
from quartpatterns.sqlalchemy.postgresql import BatchConnection
from quartpatterns.sqlalchemy.sessions import RoutedSession
from quartpatterns.streaming import coalesce
from quartpatterns.streaming.exports import CHUNK_SIZE, READ_AHEAD, encode_csv

if TYPE_CHECKING:
    from sqlalchemy import Row, Select, TextClause
    from sqlalchemy.ext.asyncio import AsyncResult
    from sqlalchemy.sql.selectable import TypedReturnsRows

__all__ = ["Queries"]

T = TypeVar("T")

BATCH = 500
"""Rows in a batch. With more, garbage collections and cache misses make a row slower."""


class Queries(ABC):
    """The queries of Flask-SQLAlchemy's extension object, with the session of the context."""

    @property
    @abstractmethod
    def session(self) -> Any:
        """The session that executes the queries."""

    @abstractmethod
    def _session_for_export(self) -> tuple[Any, bool]:
        """Return the session of an export, and whether the export has it for itself.

        That gives its connection back as soon as the last row is read. It would end a transaction,
        so an export in one uses the session of the context, and sees what is not committed.
        """

    async def get_or_404(
        self, entity: type[T], ident: Any, *, description: str | None = None, **options: Any
    ) -> T:
        """Return the row with the primary key *ident*.

        Arguments:
            entity: The model.
            ident: The primary key.
            description: The text of the error page.
            options: Options of :meth:`AsyncSession.get`, such as ``with_for_update=True``.

        Raises:
            NotFound: There is no such row, or the database can't store such a key.
        """
        try:
            value: T | None = await self.session.get(entity, ident, **options)
        except DBAPIError as error:
            if not is_invalid_value(error):
                raise
            value = None
        return _or_404(value, description)

    async def first_or_404(
        self, statement: Select[T, *tuple[Any, ...]], *, description: str | None = None
    ) -> T:
        """Return the first result of *statement*, and fetch only one row.

        A collection that ``contains_eager()`` fills is complete: then all rows of the first entity
        are fetched.

        Raises:
            NotFound: There is no result.
        """
        items = await first_items(self.session, statement)
        value: T | None = items[0] if items else None
        return _or_404(value, description)

    async def one_or_404(
        self, statement: TypedReturnsRows[T, *tuple[Any, ...]], *, description: str | None = None
    ) -> T:
        """Return the only result of *statement*.

        Raises:
            NotFound: There is no result, or more than one.
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
        """Return one page of the results of *select*, which should be ordered.

        An entity that a join repeats is one item.

        Arguments:
            select: A statement that selects a model or a column.
            page: The number of the page, from 1. By default ``page`` of the query string, or 1.
            per_page: Its size. By default ``per_page`` of the query string, or 20.
            max_per_page: The maximum of *per_page*; ``None`` means no limit.
            error_out: Whether to answer 404 for a page after the last, and for an invalid number.
            count: Whether to count all items, which is slow for large tables. Without a count
                there is no total, and one more item is fetched to know whether a page follows.
                ``"estimate"`` asks PostgreSQL for an estimate, and counts if that is fast.

        Raises:
            NotFound: The page does not exist, and *error_out* is true.
        """
        return await paginate(
            StatementPages(self.session, select),
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            error_out=error_out,
            count=count,
        )

    async def keyset_paginate(
        self,
        select: Select[T, *tuple[Any, ...]],
        *,
        cursor: str | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        max_age: int | None = None,
    ) -> KeysetPage[T]:
        """Return the page of *select* at a cursor. Inserted and deleted rows don't move it.

        The order of the statement is the order of the list. Columns may be ascending and
        descending, and contain NULL. The primary key is added, so that equal rows have an order,
        too. With an index on these columns the last page is as fast as the first.

        Arguments:
            select: An ordered statement that selects a model, or a column of a table.
            cursor: The cursor of the page. By default ``cursor`` of the query string, or the
                first page.
            per_page: Its size. By default ``per_page`` of the query string, or 20.
            max_per_page: The maximum of *per_page*; ``None`` means no limit.
            max_age: The age in seconds at which a cursor expires; ``None`` means never.

        Raises:
            CursorError: 400: the cursor is invalid, has expired, or belongs to another list.
            NotFound: *per_page* is not a positive number.
            RuntimeError: ``SECRET_KEY`` is not set, which signs cursors.
            ValueError: The statement can't be paged by its order; the message says why.
        """
        _, size = page_numbers(page=1, per_page=per_page, max_per_page=max_per_page)
        if cursor is None and has_request_context():
            cursor = request.args.get("cursor")

        def fetch(cursor: str) -> Awaitable[KeysetPage[T]]:
            return self.keyset_paginate(
                select, cursor=cursor, per_page=size, max_per_page=None, max_age=max_age
            )

        return await keyset_page(
            self.session, select, per_page=size, cursor=cursor, max_age=max_age, fetch=fetch
        )

    def batches(
        self,
        statement: TypedReturnsRows[*tuple[Any, ...]] | TextClause,
        *,
        size: int = BATCH,
        timeout: float | None = None,
    ) -> AsyncGenerator[Sequence[Any]]:
        """Return the rows of *statement* in lists; the database keeps the rest until it is needed.

        The session holds its connection until the last row. In a response, use it under
        ``stream_with_context``.

        Arguments:
            statement: A statement that selects columns; objects would all stay in the session.
            size: The number of rows in a list. About twice as many are in memory.
            timeout: How long to wait for each list on PostgreSQL, in seconds. By default it is
                ``SQLALCHEMY_STATEMENT_TIMEOUT``. The whole result may take any time.
        """
        return _batches(self.session, statement, size, timeout)

    def rows(
        self,
        statement: TypedReturnsRows[*tuple[Any, ...]] | TextClause,
        *,
        size: int = BATCH,
        timeout: float | None = None,
    ) -> RowStream[Row[*tuple[Any, ...]]]:
        """Return the rows of *statement* for an export, such as ``csv_response(db.rows(...))``.

        The query begins with the first row. It has a connection of its own, and returns it to the
        pool after the last row. If ``db.session`` has begun a transaction, the query is part of
        it.

        Arguments:
            statement: A statement that selects columns, or a model for all of its columns.
            size: The number of rows that are fetched together.
            timeout: As for :meth:`batches`.
        """
        return RowStream(partial(_row_batches, self, statement, size, timeout))

    def csv(
        self,
        statement: TypedReturnsRows[*tuple[Any, ...]] | TextClause,
        *,
        header: bool = True,
        size: int = BATCH,
        timeout: float | None = None,
    ) -> AsyncGenerator[bytes]:
        """Return the rows of *statement* as CSV in UTF-8 (RFC 4180).

        It reads ahead of the client by up to 1 MiB. For a response with a file name and other
        formats, see :func:`quartpatterns.streaming.csv_response`.

        Arguments:
            statement: A statement that selects columns, or a model for all of its columns.
            header: Whether to begin with the names of the columns.
            size: The number of rows in a batch.
            timeout: As for :meth:`batches`.
        """
        rows = self.rows(statement, size=size, timeout=timeout)
        chunks = encode_csv(rows, CSVFormat(header=header))
        return coalesce(chunks, size=CHUNK_SIZE, read_ahead=READ_AHEAD)


def _or_404(value: T | None, description: str | None) -> T:
    if value is None:
        abort(404, description=description)
    return value


# Results of any size.


async def _batches(
    session: AsyncSession,
    statement: TypedReturnsRows[*tuple[Any, ...]] | TextClause,
    size: int,
    seconds: float | None,
) -> AsyncGenerator[Sequence[Row[*tuple[Any, ...]]]]:
    await _prepare_cursor(session, statement, seconds)
    result: AsyncResult[Any] = await session.stream(
        statement, execution_options={"yield_per": size}
    )
    try:
        async for rows in result.partitions(size):
            yield rows
    finally:
        await result.close()


async def _row_batches(
    queries: Queries,
    statement: TypedReturnsRows[*tuple[Any, ...]] | TextClause,
    size: int,
    seconds: float | None,
    stream: RowStream[Row[*tuple[Any, ...]]],
) -> AsyncGenerator[Sequence[Row[*tuple[Any, ...]]]]:
    session, is_own = queries._session_for_export()  # pyright: ignore[reportPrivateUsage]
    async with AsyncExitStack() as stack:
        if is_own:
            await stack.enter_async_context(session)
        await _prepare_cursor(session, statement, seconds)
        # The connection executes it, because the session would look for objects in each row.
        connection = await session.connection(bind_arguments={"clause": statement})
        result = await connection.stream(statement, execution_options={"yield_per": size})
        stack.push_async_callback(result.close)
        stream.names = tuple(result.keys())
        async for rows in result.partitions(size):
            yield rows


async def _prepare_cursor(session: AsyncSession, statement: Any, seconds: float | None) -> None:
    if isinstance(session.sync_session, RoutedSession):
        await session.run_sync(lambda sync: cast("RoutedSession", sync).begin_for_cursor(statement))
    if seconds is not None:
        connection: Any = await session.connection(bind_arguments={"clause": statement})
        adapter = connection.sync_connection.connection.dbapi_connection
        if isinstance(adapter, BatchConnection):
            adapter.cursor_timeout = seconds
