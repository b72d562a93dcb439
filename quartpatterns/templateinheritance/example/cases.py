"""The cases of this pattern."""

from __future__ import annotations

from quartpatterns.compare import Case, Step
from quartpatterns.compare.case import same_settings

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

CASES: tuple[Case, ...] = (
    Case("a child of the layout", Step("/"), checks=("TI-1", "TI-2", "TI-3")),
    Case("another child", Step("/news"), checks=("TI-1", "TI-2")),
    Case("its last page", Step("/news?page=3"), checks=("TI-2",)),
    Case("a page beyond the last", Step("/news?page=4"), checks=("TI-2",)),
    Case("page 0", Step("/news?page=0"), checks=("TI-2",)),
    Case("a page that is not a number", Step("/news?page=x"), checks=("TI-2",)),
    Case("a page of many digits", Step(f"/news?page={'9' * 4000}"), checks=("TI-2",)),
    Case("two pages", Step("/news?page=2&page=3"), checks=("TI-2",)),
    Case("a block", Step("/news/items"), checks=("TI-4",)),
    Case("a block with variables", Step("/news/items?page=2"), checks=("TI-4",)),
    Case("a block of a missing page", Step("/news/items?page=-1"), checks=("TI-4",)),
    Case("a block of the layout that the child fills", Step("/title"), checks=("TI-4",)),
    Case("a macro", Step("/hello"), checks=("TI-6",)),
    Case("a macro escapes", Step("/hello", query={"name": "<b>Änne</b>"}), checks=("TI-6",)),
    Case("a host that is not trusted", Step("/", headers={"Host": "other.example"})),
    Case("HEAD", Step("/news", method="HEAD"), checks=("TI-2",)),
    Case("OPTIONS", Step("/news", method="OPTIONS"), checks=("TI-2",)),
    Case("another method", Step("/news/items", method="POST"), checks=("TI-4",)),
)
