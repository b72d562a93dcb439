"""Queries that answer 404 themselves, pages, and values that stay values."""

from __future__ import annotations

import copy
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

from beanie.odm.queries.find import FindMany
from pydantic import BaseModel, TypeAdapter, ValidationError
from quart import abort, has_request_context, request

from quartpatterns.mongodb.documents import Document
from quartpatterns.mongodb.errors import refuses_value
from quartpatterns.mongodb.pagination import MAX_PER_PAGE, Pagination, page_numbers

__all__ = ["Queries", "literal"]

D = TypeVar("D", bound=Document)
M = TypeVar("M", bound=BaseModel)

MAX_SKIP = 2**31 - 1
"""The most documents that every server can skip; what lies beyond is an empty page."""


def literal(value: Any) -> dict[str, Any]:
    """*value* as a part of a query that is met by this value only.

    A client that sends ``{"name": {"$ne": null}}`` where a name is expected asks MongoDB for
    everybody, if the value goes into a query as it is:
    ``mongo.db["users"].find_one({"name": literal(fields["name"])})`` asks for the one whose
    name that is.
    """
    return {"$eq": value}


class Queries:
    """The queries of Flask-MongoEngine's documents, awaited."""

    async def get_or_404(
        self, document: type[D], ident: Any, *, description: str | None = None, **options: Any
    ) -> D:
        """The document with the id *ident*.

        Arguments:
            document: Its class.
            ident: The id, also as text.
            description: What the error page says.
            options: For :meth:`beanie.Document.get`, such as ``fetch_links=True``.

        Raises:
            NotFound: There is none; also where *ident* is no id at all.
        """
        try:
            id = TypeAdapter(cast("Any", document.model_fields["id"].annotation))
            found = document.find_one({"_id": literal(id.validate_python(ident))}, **options)
            value: D | None = await found
        except (OverflowError, ValidationError, ValueError) as error:
            if not (isinstance(error, ValidationError) or refuses_value(error)):
                raise
            value = None
        return _found(value, description)

    async def first_or_404(self, query: FindMany[M], *, description: str | None = None) -> M:
        """The first document that *query* finds, of which one is fetched.

        Raises:
            NotFound: There is none.
        """
        return _found(await query.first_or_none(), description)

    async def one_or_404(self, query: FindMany[M], *, description: str | None = None) -> M:
        """The only document that *query* finds.

        Raises:
            NotFound: There is none, or more than one.
        """
        found = await _part(query, 0, 2).to_list()
        return _found(found[0] if len(found) == 1 else None, description)

    async def paginate(
        self,
        query: FindMany[M],
        *,
        page: int | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        error_out: bool = True,
        count: bool = True,
    ) -> Pagination[M]:
        """One page of what *query* finds; it should be sorted.

        Arguments:
            query: Such as ``Movie.find(...).sort("title")``; skip and limit of its own are
                replaced.
            page: The page, from 1; ``page`` of the query string where none is given, else 1.
            per_page: Its size; ``per_page`` of the query string where none is given, else 20.
            max_per_page: The most that *per_page* may be; ``None`` is no limit.
            error_out: Answer 404 for a number below 1, for what is no number, and for a page
                after the last.
            count: Count all documents. Without, there is no total, and the next page is known
                from one document more being fetched: large collections are slow to count.

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

        def fetch(page: int, error_out: bool) -> Awaitable[Pagination[M]]:
            return self.paginate(
                query,
                page=page,
                per_page=per_page,
                max_per_page=max_per_page,
                error_out=error_out,
                count=False,
            )

        items: list[M] = []
        if (skip := (page - 1) * per_page) <= MAX_SKIP - per_page:
            items = await _part(query, skip, per_page + (not count)).to_list()
        if not items and page > 1 and error_out:
            abort(404)
        return Pagination[M](
            items=items[:per_page],
            page=page,
            per_page=per_page,
            max_per_page=max_per_page,
            total=await _part(query, 0, 0).count() if count else None,
            more=len(items) > per_page,
            fetch=fetch,
        )


def _part(query: FindMany[M], skip: int, limit: int) -> FindMany[M]:
    """*query* for a part of its documents; itself it stays as it is."""
    part = copy.copy(query)
    part.skip_number, part.limit_number = skip, limit
    return part


def _found(value: M | None, description: str | None) -> M:
    if value is None:
        abort(404, description=description)
    return value
