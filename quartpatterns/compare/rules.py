"""Cases that nobody has to write: every route that can be asked for with a bare GET."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quartpatterns.compare.case import Case, Step

__all__ = ["get_rules"]


def get_rules(*apps: Callable[..., Any]) -> list[Case]:
    """A case for each rule of *apps* that answers GET and has no arguments, sorted by path.

    Rules of only one of the applications are asked of both: a route that is missing shows.

    Raises:
        LookupError: An application has no ``url_map`` as those of Flask and Quart have, or there
            is no such rule.
    """
    paths: set[str] = set()
    for app in apps:
        url_map = getattr(app, "url_map", None)
        if url_map is None:
            kind = type(app).__name__
            raise LookupError(f"{kind} has no url_map: name the requests with --requests or --har")
        paths |= {
            rule.rule
            for rule in url_map.iter_rules()
            if "GET" in (rule.methods or {"GET"})
            and not rule.arguments
            and not rule.websocket
            and not rule.build_only
        }
    if not paths:
        raise LookupError(
            "no GET rule without arguments: name the requests with --requests or --har"
        )
    return [Case(f"GET {path}", Step(path)) for path in sorted(paths)]
