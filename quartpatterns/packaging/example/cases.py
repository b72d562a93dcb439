"""What original and port must answer alike."""

from __future__ import annotations

from quartpatterns.compare import Case, Step

__all__ = ["CASES"]

CASES: tuple[Case, ...] = (
    Case("a page from a template", Step("/", compare="html"), checks=("DI-2",)),
    Case("its style", Step("/static/style.css"), checks=("DI-2",)),
    Case("its picture", Step("/static/wheel.svg"), checks=("DI-2",)),
    Case("no such static file", Step("/static/nope.css"), checks=("DI-2",)),
    Case("out of the static folder", Step("/static/%2e%2e/notice.txt"), checks=("DI-2",)),
    Case("a part of a static file", Step("/static/style.css", headers={"Range": "bytes=-4"})),
    Case("the version", Step("/version", compare="json"), checks=("DI-5",)),
    Case("HEAD of the page", Step("/", method="HEAD")),
    Case("OPTIONS of the page", Step("/", method="OPTIONS")),
    Case("POST to the page", Step("/", method="POST")),
    Case("an unknown page", Step("/nope")),
)
