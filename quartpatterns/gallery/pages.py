"""The pages of the gallery: the index, those about a pattern, and those about differences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from quart import (
    Blueprint,
    abort,
    has_websocket_context,
    redirect,
    render_template,
    request,
    url_for,
)
from quart.typing import ResponseReturnValue
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from quartpatterns import __version__, catalog
from quartpatterns._shared.threads import run_sync
from quartpatterns.gallery import chart
from quartpatterns.gallery.code import as_text
from quartpatterns.gallery.content import (
    declared_cases,
    pattern_code,
    pattern_content,
    source_files,
    source_text,
)
from quartpatterns.gallery.declared import (
    KINDS,
    DifferenceGroup,
    declared_differences,
    differences_of,
    grouped,
)
from quartpatterns.gallery.exchanges import EXCHANGES, exchange
from quartpatterns.gallery.lookup import find_pattern
from quartpatterns.gallery.quart_guides import QUART, quart_guides
from quartpatterns.gallery.recorded import benchmark, parity, totals
from quartpatterns.gallery.search import SORTS, Search

__all__ = ["pages"]

pages = Blueprint("gallery", __name__)

FLASK_PATTERNS = "https://flask.palletsprojects.com/en/stable/patterns/"
GROUPS_OF_PAGE = 60  # of differences that have the same reason

T = TypeVar("T")

pages.add_app_template_filter(as_text)


@pages.app_context_processor
def variables() -> dict[str, Any]:
    """Return the variables of every template."""
    return {"version": __version__, "chart": chart}


async def _read(function: Callable[..., T], *args: Any) -> T:
    """Call a function that reads files, or the cache of what it has read."""
    result: T = await run_sync(function)(*args)
    return result


@pages.get("/")
async def index() -> str:
    """Return the index: the patterns that match the search, by group or in another order."""
    comparisons, speed = await _read(lambda: (parity(), benchmark()))
    search = Search.of(request.args)
    return await render_template(
        "gallery/index.html",
        search=search,
        groups=search.groups(comparisons, speed),
        all_groups=catalog.GROUPS,
        sorts=SORTS,
        totals=totals(comparisons),
        comparisons=comparisons,
        speed=speed,
    )


@pages.get("/gallery/")
async def home() -> ResponseReturnValue:
    """Redirect to the index."""
    return redirect(url_for("gallery.index"))


@pages.get("/gallery/<name>")
async def pattern(name: str) -> str:
    """Return the page about a pattern: its import, its README and its numbers."""
    found = find_pattern(name)
    comparisons, speed = await _read(lambda: (parity(), benchmark()))
    return await render_template(
        "gallery/pattern.html",
        pattern=found,
        content=await _read(pattern_content, found),
        parity=comparisons.get(name),
        benchmark=speed,
        speeds=speed.of(name),
        flask_patterns=FLASK_PATTERNS,
        quart=QUART,
        guides=quart_guides(name),
    )


@pages.get("/gallery/<name>/code")
async def code(name: str) -> str:
    """Return the page with original and port side by side, and the files of the helper."""
    found = find_pattern(name)
    return await render_template(
        "gallery/code.html",
        pattern=found,
        content=await _read(pattern_content, found),
        hunks=await _read(pattern_code, found),
    )


@pages.get("/gallery/<name>/code/<path:path>")
async def source(name: str, path: str) -> str:
    """Return the page with a file of a pattern."""
    found = find_pattern(name)
    file = next((each for each in await _read(source_files, found) if each.path == path), None)
    if file is None:
        abort(404, description=f"{found.title} has no such file.")
    return await render_template(
        "gallery/source.html",
        pattern=found,
        content=await _read(pattern_content, found),
        file=file,
        text=await _read(source_text, found, file),
    )


@pages.get("/gallery/<name>/cases")
async def cases(name: str) -> str:
    """Return the page with the cases of a pattern and what both applications answered."""
    found = find_pattern(name)
    comparisons = await _read(parity)
    return await render_template(
        "gallery/cases.html",
        pattern=found,
        content=await _read(pattern_content, found),
        cases=await _read(declared_cases, found),
        groups=grouped(await _read(differences_of, found)),
        parity=comparisons.get(name),
    )


@pages.get("/gallery/differences")
async def differences() -> str:
    """Return the page with the declared differences of all patterns that match the filter."""
    everything = await _read(declared_differences)
    search = Search.of(request.args)
    found = search.differences(everything)
    groups = grouped(found)
    last = max(1, math.ceil(len(groups) / GROUPS_OF_PAGE))
    number = min(max(request.args.get("page", 1, type=int), 1), last)
    return await render_template(
        "gallery/differences.html",
        search=search,
        count=len(found),
        groups=_by_pattern(groups[(number - 1) * GROUPS_OF_PAGE : number * GROUPS_OF_PAGE]),
        number=number,
        last=last,
        everything=everything,
        kinds=KINDS,
        counts=Counter(each.difference.kind for each in everything),
        patterns=sorted({each.pattern.name for each in everything}),
    )


def _by_pattern(groups: Iterable[DifferenceGroup]) -> dict[str, list[DifferenceGroup]]:
    found: dict[str, list[DifferenceGroup]] = {}
    for group in groups:
        found.setdefault(group.pattern.name, []).append(group)
    return found


@pages.get("/gallery/faithful")
async def faithful() -> str:
    """Return the page about FaithfulQuart, with the exchange that the visitor has selected."""
    selected = EXCHANGES.get(request.args.get("exchange", ""), next(iter(EXCHANGES.values())))
    return await render_template(
        "gallery/faithful.html",
        exchanges=EXCHANGES,
        selected=selected,
        answers=await exchange(selected),
    )


@pages.get("/favicon.ico")
async def favicon() -> ResponseReturnValue:
    """Redirect to the icon."""
    return redirect(url_for("static", filename="icon.svg"))


@pages.app_errorhandler(HTTPException)
async def http_error(error: HTTPException) -> ResponseReturnValue:
    """Return the page of an error, such as an unknown URL; of a websocket only the name."""
    if has_websocket_context():
        return f"{error.name}\n", error.code or 500, {"Content-Type": "text/plain"}
    page = await render_template(
        "gallery/error.html", name=error.name, description=error.description
    )
    headers = Headers(error.get_headers())
    headers.pop("Content-Type")
    return page, error.code or 500, headers
