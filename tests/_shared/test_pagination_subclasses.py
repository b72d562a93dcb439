"""Subclasses of ``Pagination``, as applications of Flask-SQLAlchemy have them."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.exceptions import NotFound

from quartpatterns._shared.pagination import Pagination


class Numbers(Pagination[int]):
    def _query_items(self) -> list[int]:
        numbers: range = self._query_args["numbers"]
        return list(numbers[self._query_offset : self._query_offset + self.per_page])

    def _query_count(self) -> int:
        return len(self._query_args["numbers"])


class AsyncNumbers(Pagination[int]):
    async def _query_items(self) -> list[int]:
        numbers: range = self._query_args["numbers"]
        return list(numbers[self._query_offset : self._query_offset + self.per_page])

    async def _query_count(self) -> int:
        return len(self._query_args["numbers"])


async def made(kind: type[Pagination[int]], **options: Any) -> Pagination[int]:
    options = {"per_page": 10, "numbers": range(25), **options}
    return await kind.create(**options) if kind is AsyncNumbers else kind(**options)


@pytest.mark.parametrize("kind", [Numbers, AsyncNumbers])
async def test_pages(kind: type[Pagination[int]]) -> None:
    page = await made(kind)
    assert (page.items, page.total, page.pages) == (list(range(10)), 25, 3)
    page = await page.next()
    assert type(page) is kind
    assert (page.items, page.total, page.page) == (list(range(10, 20)), 25, 2)
    assert (await (await page.next()).prev()).items == page.items
    uncounted = await made(kind, count=False)
    assert (uncounted.total, uncounted.pages) == (None, 0)
    limited = await made(kind, per_page=500)
    assert limited.per_page == 100
    with pytest.raises(NotFound):
        await made(kind, page=4)
    assert (await made(kind, page=4, error_out=False)).items == []


def test_errors() -> None:
    """Each mistake is an error that names the remedy."""
    with pytest.raises(TypeError, match=r"await AsyncNumbers.create\(...\)"):
        AsyncNumbers(numbers=range(3))
    with pytest.raises(TypeError, match=r"await db.paginate\(select\)"):
        Pagination[int]()
