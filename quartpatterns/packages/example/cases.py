"""The cases of this pattern."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Step, same_settings

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

CASES: tuple[Case, ...] = (
    Case("the index", Step("/"), checks=("PKG-1", "PKG-4")),
    Case("a static file", Step("/static/style.css"), checks=("PKG-1", "PKG-4")),
    Case("HEAD of the index", Step("/", method="HEAD"), checks=("PKG-4",)),
    Case("POST to the index", Step("/", method="POST"), checks=("PKG-4",)),
    Case("OPTIONS of the index", Step("/", method="OPTIONS"), checks=("PKG-4",)),
    Case("an unknown path", Step("/nope"), checks=("PKG-4",)),
    Case("a missing static file", Step("/static/nope.css"), checks=("PKG-4",)),
    Case("out of the static folder", Step("/static/%2e%2e/views.py"), checks=("PKG-4",)),
    Case("a blueprint", Step("/news/"), checks=("PKG-6",)),
    Case("a blueprint without its slash", Step("/news"), checks=("PKG-6",)),
    Case("a view of a blueprint", Step("/news/2"), checks=("PKG-6",)),
    Case("the first item", Step("/news/1"), checks=("PKG-6",)),
    Case("an item before the first", Step("/news/0"), checks=("PKG-6",)),
    Case("a missing item in a blueprint", Step("/news/3"), checks=("PKG-6",)),
    Case("an invalid number in a blueprint", Step("/news/%C3%A9"), checks=("PKG-6",)),
    Case("a huge number in a blueprint", Step(f"/news/{'9' * 4000}"), checks=("PKG-6",)),
    Case("another blueprint", Step("/users/Ada"), checks=("PKG-6",)),
    Case("a percent-encoded name", Step("/users/Gr%61ce"), checks=("PKG-6",)),
    Case("a name that is not ASCII", Step("/users/%D0%96"), checks=("PKG-6",)),
    Case("a host that is not trusted", Step("/", headers={"Host": "untrusted.example"})),
    Case("DELETE in a blueprint", Step("/users/Ada", method="DELETE"), checks=("PKG-6",)),
)
