"""What original and port must answer alike."""

from __future__ import annotations

from quartpatterns.compare.case import Case, Step, same_settings

__all__ = ["CASES", "arrange"]

arrange = same_settings(TRUSTED_HOSTS=["localhost"])

CASES: tuple[Case, ...] = (
    Case("page from a template", Step("/", compare="html"), checks=("DI-2",)),
    Case("style sheet", Step("/static/style.css"), checks=("DI-2",)),
    Case("image", Step("/static/wheel.svg"), checks=("DI-2",)),
    Case("missing static file", Step("/static/nope.css"), checks=("DI-2",)),
    Case("path outside of the static folder", Step("/static/%2e%2e/notice.txt"), checks=("DI-2",)),
    Case("part of a static file", Step("/static/style.css", headers={"Range": "bytes=-4"})),
    Case("version", Step("/version", compare="json"), checks=("DI-5",)),
    Case("HEAD request", Step("/", method="HEAD")),
    Case("OPTIONS request", Step("/", method="OPTIONS")),
    Case("POST request", Step("/", method="POST")),
    Case("a host that is not trusted", Step("/version", headers={"Host": "untrusted.example"})),
    Case("unknown page", Step("/nope")),
)
