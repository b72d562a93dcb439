"""Page numbers are read from the query string; pages know their neighbours."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart
from werkzeug.exceptions import NotFound

from quartpatterns._shared.pagination import Pagination, page_numbers


async def fetch(page: int, error_out: bool) -> Pagination[int]:
    return made(page=page, total=None, more=page < 5)


def made(
    *, page: int = 1, total: int | None = 95, more: bool | None = None, **other: Any
) -> Pagination[int]:
    first = (page - 1) * 10
    items = list(range(first, first + 10))
    return Pagination.of(items, page, 10, 100, total, more, fetch, **other)


@pytest.mark.parametrize(
    ("query", "options", "numbers"),
    [
        ("", {}, (1, 20)),
        ("page=3&per_page=50", {}, (3, 50)),
        ("page=3&per_page=50", {"page": 2, "per_page": 10}, (2, 10)),
        ("per_page=500", {}, (1, 100)),
        ("per_page=500", {"max_per_page": None}, (1, 500)),
        ("page=0&per_page=many", {"error_out": False}, (1, 20)),
    ],
)
async def test_page_numbers(query: str, options: dict[str, Any], numbers: tuple[int, int]) -> None:
    async with Quart(__name__).test_request_context(f"/?{query}"):
        assert page_numbers(**options) == numbers


@pytest.mark.parametrize("query", ["page=0", "page=-1", "page=x", "per_page=0", "per_page="])
async def test_page_numbers_that_are_none(query: str) -> None:
    async with Quart(__name__).test_request_context(f"/?{query}"):
        with pytest.raises(NotFound):
            page_numbers()


def test_page_numbers_outside_of_a_request() -> None:
    assert page_numbers(page=2) == (2, 20)


def test_the_attributes() -> None:
    page = made(page=2)
    assert (page.first, page.last, page.pages) == (11, 20, 10)
    assert (page.has_prev, page.prev_num, page.has_next, page.next_num) == (True, 1, True, 3)
    assert list(page) == page.items
    assert (made().prev_num, made(page=10).next_num) == (None, None)
    assert list(made(page=5, total=200).iter_pages()) == [1, 2, *range(3, 10), None, 19, 20]


@pytest.mark.parametrize(
    ("total", "more", "estimated", "has_next"),
    [
        (None, True, False, True),
        (None, False, False, False),
        (20, None, False, True),
        (10, None, False, False),
        (20, False, False, True),  # A total that the application has set.
        (20, False, True, False),
        (5, True, True, True),
    ],
)
def test_the_next_page(
    total: int | None, more: bool | None, estimated: bool, has_next: bool
) -> None:
    assert made(total=total, more=more, estimated=estimated).has_next is has_next


async def test_turning_keeps_the_total() -> None:
    page = await made().next()
    assert (page.page, page.total, page.more, page.estimated) == (2, 95, None, False)
    page = await made(page=3, more=True, estimated=True).prev()
    assert (page.page, page.total, page.more, page.estimated) == (2, 95, True, True)
    page = await made(total=None, more=True).next()
    assert (page.total, page.more) == (None, True)


def test_an_estimate_is_held_against_the_page() -> None:
    page = made(page=2, total=15, more=True, estimated=True)
    page.settle(10)
    assert (page.total, page.estimated) == (21, True)
    page.more = False
    page.settle(10)
    assert (page.total, page.estimated) == (20, False)
