"""Find the pages, links and URLs in responses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from quartpatterns.compare.pages import HTMLPage, read_page
from quartpatterns.compare.responses import Response

READ = 1_000_000
"""How many bytes of a body are searched."""


def page_of(response: Response, url: str) -> HTMLPage | None:
    """Return the HTML page in *response* to a request for *url*."""
    if not _media_type(response).startswith(("text/html", "application/xhtml+xml")):
        return None
    return read_page(response.body[:READ].decode(errors="replace"), url)


def links_of(response: Response, page: HTMLPage | None) -> list[str]:
    """Return the target of a redirect, and the links of the page or of a JSON document."""
    redirects = [value for name, value in response.headers if name == "location"]
    return [*redirects, *(page.links if page else _links_in_json(response))]


def _links_in_json(response: Response) -> Iterator[str]:
    """Yield the texts of a JSON document that are paths or URLs."""
    if "json" not in _media_type(response) or len(response.body) > READ:
        return
    try:
        open_values: list[Any] = [json.loads(response.body)]
    except (ValueError, RecursionError):
        return
    while open_values:
        match open_values.pop():
            case dict() as found:
                open_values += found.values()
            case list() as found:
                open_values += found
            case str() as text if re.match(r"(?:https?:/)?/\S+$", text):
                yield text
            case _:
                pass


def _media_type(response: Response) -> str:
    return next((value for name, value in response.headers if name == "content-type"), "").lower()
