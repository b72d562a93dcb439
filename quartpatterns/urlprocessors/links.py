"""Links to a page in its other languages, for search engines and for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

__all__ = ["Alternate", "as_html"]


@dataclass(frozen=True, slots=True)
class Alternate:
    """A page in one of its languages.

    Arguments:
        language: The tag of the language, or ``x-default`` for everybody else.
        url: The absolute URL.
    """

    language: str
    url: str


def as_html(canonical: str | None, alternates: Iterable[Alternate]) -> Markup:
    """The ``<link>`` elements for the head of a page (RFC 6596, HTML 4.6.7.1)."""
    lines = [Markup('<link rel="canonical" href="{}">').format(canonical)] if canonical else []
    lines += (
        Markup('<link rel="alternate" hreflang="{}" href="{}">').format(one.language, one.url)
        for one in alternates
    )
    return Markup("\n").join(lines)
