"""Pages of a query, and the numbers that a page widget needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from inspect import isawaitable, iscoroutinefunction
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar, cast

from quart import abort, has_request_context, request

__all__ = ["MAX_PER_PAGE", "PER_PAGE", "Pagination", "page_numbers"]

PER_PAGE = 20
MAX_PER_PAGE = 100

T = TypeVar("T")


def page_numbers(
    *,
    page: int | None = None,
    per_page: int | None = None,
    max_per_page: int | None = MAX_PER_PAGE,
    error_out: bool = True,
) -> tuple[int, int]:
    """Return the number of the page to show, and its size.

    Arguments:
        page: The page, from 1. If ``None``, ``page`` of the query string of the current request,
            or else 1.
        per_page: Its size. If ``None``, ``per_page`` of the query string, or else 20.
        max_per_page: The maximum of the size; ``None`` means no limit.
        error_out: Raise an error for a value that is not a positive number, instead of using the
            default.

    Raises:
        NotFound: A value is not a positive number, and *error_out* is true.
    """
    args: Mapping[str, str] = request.args if has_request_context() else {}

    def positive(value: int | str, default: int) -> int:
        try:
            if (number := int(value)) >= 1:
                return number
        except ValueError:
            pass
        if error_out:
            abort(404)
        return default

    page = positive(args.get("page", 1) if page is None else page, 1)
    size = args.get("per_page", PER_PAGE) if per_page is None else per_page
    per_page = positive(size, PER_PAGE)
    return page, per_page if max_per_page is None else min(per_page, max_per_page)


class Pagination(Generic[T]):
    """One page of the results of a query, with the attributes of Flask-SQLAlchemy's class.

    A loop over this object yields the items. A subclass for another source has the methods
    ``_query_items``, which returns the items from ``_query_offset`` on, and ``_query_count``, which
    returns the number of all items, as with Flask-SQLAlchemy. If they are coroutines, write
    ``await MyPagination.create(...)`` instead of ``MyPagination(...)``.

    Arguments:
        page: The number of this page, from 1. By default ``page`` of the query string, or 1.
        per_page: The maximum number of items. By default ``per_page`` of the query string, or 20.
        max_per_page: The maximum of *per_page*; ``None`` sets no limit.
        error_out: Whether to answer 404 for a page after the last, and for an invalid number.
        count: Whether to count all items.
        query_args: What the methods of a subclass need, as ``self._query_args``.

    Attributes:
        items: The items on this page.
        total: The number of items on all pages; ``None`` if they were not counted. You may set it,
            for example to an estimate.
        more: Whether there are items after this page; ``None`` if *total* shows it.
        estimated: Whether *total* is an estimate. If it is, *more* determines ``has_next``.

    Raises:
        NotFound: The page does not exist, and *error_out* is true.
        TypeError: The methods are coroutines.
    """

    items: list[T]
    page: int
    per_page: int
    max_per_page: int | None
    total: int | None
    more: bool | None = None
    estimated: bool = False
    _fetch: Callable[[int, bool], Awaitable[Pagination[T]]] | None = None
    _query_args: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        page: int | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        error_out: bool = True,
        count: bool = True,
        **query_args: Any,
    ) -> None:
        if self._is_async():
            name = type(self).__name__
            raise TypeError(
                f"the methods of {name} are coroutines: write `await {name}.create(...)` instead of"
                f" `{name}(...)`"
            )
        self._prepare(page, per_page, max_per_page, error_out, query_args)
        self.items = cast("list[T]", self._query_items())
        self._require_items(error_out)
        self.total = cast("int", self._query_count()) if count else None

    @classmethod
    async def create(
        cls,
        page: int | None = None,
        per_page: int | None = None,
        max_per_page: int | None = MAX_PER_PAGE,
        error_out: bool = True,
        count: bool = True,
        **query_args: Any,
    ) -> Self:
        """Return a page of a subclass; the arguments are those of the class.

        Its methods may be coroutines. The ``__init__`` of the subclass is not called.
        """
        self = cls.__new__(cls)
        self._prepare(page, per_page, max_per_page, error_out, query_args)
        self.items = await _awaited(self._query_items())
        self._require_items(error_out)
        self.total = await _awaited(self._query_count()) if count else None
        return self

    @classmethod
    def of(
        cls,
        items: list[T],
        page: int,
        per_page: int,
        max_per_page: int | None,
        total: int | None,
        more: bool | None,
        fetch: Callable[[int, bool], Awaitable[Pagination[T]]],
        estimated: bool = False,
    ) -> Pagination[T]:
        """Return a page whose items are known; the arguments are those of the class, and:

        Arguments:
            fetch: A function that fetches another page. It takes the number of the page, and
                whether to raise a 404 if there is no such page.
        """
        self: Pagination[T] = cls.__new__(cls)
        self.items, self.page, self.per_page = items, page, per_page
        self.max_per_page, self.total, self.more = max_per_page, total, more
        self.estimated, self._fetch = estimated, fetch
        return self

    def __repr__(self) -> str:
        count = "not counted" if self.total is None else f"{self.total} items"
        return f"<{type(self).__name__} page {self.page}, {self.per_page} per page, {count}>"

    @property
    def _query_offset(self) -> int:
        """The number of items before this page."""
        return (self.page - 1) * self.per_page

    def _query_items(self) -> list[T] | Awaitable[list[T]]:
        raise self._incomplete()

    def _query_count(self) -> int | Awaitable[int]:
        raise self._incomplete()

    @classmethod
    def _is_async(cls) -> bool:
        return any(map(iscoroutinefunction, (cls._query_items, cls._query_count)))

    def _incomplete(self) -> TypeError:
        return TypeError(
            f"{type(self).__name__} needs the methods _query_items and _query_count; for a page of"
            " a statement write `await db.paginate(select)`"
        )

    def _prepare(
        self,
        page: int | None,
        per_page: int | None,
        max_per_page: int | None,
        error_out: bool,
        query_args: Mapping[str, Any],
    ) -> None:
        self._query_args, self.max_per_page = query_args, max_per_page
        self.page, self.per_page = page_numbers(
            page=page, per_page=per_page, max_per_page=max_per_page, error_out=error_out
        )

    def _require_items(self, error_out: bool) -> None:
        if not self.items and self.page > 1 and error_out:
            abort(404)

    @property
    def first(self) -> int:
        """The number of the first item on this page, counted from 1; 0 if the page is empty."""
        return (self.page - 1) * self.per_page + 1 if self.items else 0

    @property
    def last(self) -> int:
        """The number of the last item on this page; 0 if the page is empty."""
        return self.first + len(self.items) - 1 if self.items else 0

    @property
    def pages(self) -> int:
        """The number of pages; 0 if there are no items, or if they were not counted."""
        return -(-(self.total or 0) // self.per_page)

    @property
    def has_prev(self) -> bool:
        """Whether there is a page before this one."""
        return self.page > 1

    @property
    def prev_num(self) -> int | None:
        """The number of the page before this one; ``None`` on the first page."""
        return self.page - 1 if self.has_prev else None

    async def prev(self, *, error_out: bool = False) -> Pagination[T]:
        """Fetch the previous page; items are not counted again."""
        return await self._turn(self.page - 1, error_out)

    @property
    def has_next(self) -> bool:
        """Whether there is a page after this one. It is known even if items were not counted."""
        if self.more is not None and (self.total is None or self.estimated):
            return self.more
        return self.page < self.pages

    @property
    def next_num(self) -> int | None:
        """The number of the page after this one; ``None`` on the last page."""
        return self.page + 1 if self.has_next else None

    async def next(self, *, error_out: bool = False) -> Pagination[T]:
        """Fetch the next page; items are not counted again."""
        return await self._turn(self.page + 1, error_out)

    def iter_pages(
        self,
        *,
        left_edge: int = 2,
        left_current: int = 2,
        right_current: int = 4,
        right_edge: int = 2,
    ) -> Iterator[int | None]:
        """Iterate over the page numbers that a page shows as links; ``None`` stands for a gap.

        Page 7 of 20 gives ``1, 2, None, 5, 6, 7, 8, 9, 10, 11, None, 19, 20``.

        Arguments:
            left_edge: The number of page numbers at the beginning.
            left_current: The number of page numbers before this page.
            right_current: The number of page numbers after this page.
            right_edge: The number of page numbers at the end.
        """
        end = self.pages + 1
        right = min(self.page + right_current + 1, end)
        shown = {
            *range(1, min(1 + left_edge, end)),
            *range(max(1, self.page - left_current), right),
            *range(max(right, end - right_edge), end),
        }
        before = 0
        for number in sorted(shown):
            if number > before + 1:
                yield None
            yield number
            before = number
        if before < self.pages:
            yield None

    def settle(self, offset: int) -> None:
        """Correct an estimated ``total`` if the items of this page contradict it.

        Arguments:
            offset: The number of items before this page.
        """
        seen = offset + len(self.items)
        if self.more:
            self.total = max(self.total or 0, seen + 1)
        elif self.items or not offset:
            self.total, self.estimated = seen, False

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    async def _turn(self, page: int, error_out: bool) -> Pagination[T]:
        other: Pagination[T]
        if self._fetch is not None:
            other = await self._fetch(page, error_out)
        else:
            make = type(self).create if self._is_async() else type(self)
            made = make(
                page=page,
                per_page=self.per_page,
                max_per_page=self.max_per_page,
                error_out=error_out,
                count=False,
                **self._query_args,
            )
            other = await _awaited(made)
        if self.total is not None:
            other.total, other.estimated = self.total, self.estimated
            other.more = other.more if self.estimated else None
        return other


async def _awaited(value: T | Awaitable[T]) -> T:
    result: Any = await value if isawaitable(value) else value
    return cast("T", result)
