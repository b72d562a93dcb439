"""Pages of a query, and the numbers that a page widget needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

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


@dataclass(slots=True)
class Pagination(Generic[T]):
    """One page of the results of a query, with the attributes of Flask-SQLAlchemy's class.

    A loop over this object yields the items.

    Arguments:
        items: The items on this page.
        page: The number of this page; the first is 1.
        per_page: The maximum number of items on a page.
        max_per_page: The maximum of *per_page*; ``None`` sets no limit.
        total: The number of items on all pages; ``None`` if they were not counted. You may set it,
            for example to an estimate.
        more: Whether there are items after this page; ``None`` if *total* shows it.
        fetch: A function that fetches another page. It takes the number of the page, and whether
            to raise a 404 if there is no such page.
        estimated: Whether *total* is an estimate. If it is, *more* determines ``has_next``.
    """

    items: list[T]
    page: int
    per_page: int
    max_per_page: int | None
    total: int | None
    more: bool | None = field(repr=False)
    fetch: Callable[[int, bool], Awaitable[Pagination[T]]] = field(repr=False)
    estimated: bool = False

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
        other = await self.fetch(page, error_out)
        if self.total is not None:
            other.total, other.estimated = self.total, self.estimated
            other.more = other.more if self.estimated else None
        return other
