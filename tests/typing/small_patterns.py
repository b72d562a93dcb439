"""Types of packages, urlprocessors, lazyloading, deferredcallbacks, errorpages and others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, assert_type

from markupsafe import Markup
from quart import Blueprint, Quart, Response, request

from quartpatterns.ajax import require_json
from quartpatterns.deferredcallbacks import after_response, after_this_request, after_this_websocket
from quartpatterns.errorpages import APIError, request_id
from quartpatterns.favicon import add_favicon
from quartpatterns.flashing import flash, get_flashed_messages
from quartpatterns.lazyloading import LazyView, lazy_url
from quartpatterns.packages import register_blueprints
from quartpatterns.requestchecksum import Checksum, generate_checksum, verify_digest
from quartpatterns.singlepageapplications import has_hash, is_client_route
from quartpatterns.templateinheritance import render_block
from quartpatterns.urlprocessors import Alternate, LanguageURLs, lookup


def check_ajax() -> None:
    """A decorated view keeps its parameters and is always awaitable."""

    @require_json
    async def async_view(id: int) -> str:
        return str(id)

    @require_json
    def sync_view(id: int, *, name: str = "") -> bytes:
        return name.encode()

    assert_type(async_view(1), Awaitable[str])
    assert_type(sync_view(1, name="a"), Awaitable[bytes])
    async_view("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_deferredcallbacks(callback: Callable[[Response], None]) -> None:
    """The functions are decorators that don't change the callback, and check arguments."""

    async def work(email: str, *, copy: bool = False) -> int:
        return len(email)

    assert_type(after_this_request(callback), Callable[[Response], None])
    assert_type(after_this_websocket(callback), Callable[[Response], None])
    after_response(work, "a", copy=True)
    after_response(work, 1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def check_errorpages() -> None:
    """Errors become dictionaries."""
    assert_type(request_id(), str)
    assert_type(APIError("no").to_dict(), dict[str, Any])


async def check_flashing() -> None:
    """The result depends on ``with_categories``; ``flash`` may be awaited."""
    assert_type(await flash("a"), None)
    assert_type(get_flashed_messages(), list[str])
    assert_type(get_flashed_messages(with_categories=True), list[tuple[str, str]])


async def check_lazyloading(app: Quart) -> None:
    """Registering a view returns it, and loading it returns a function."""
    view = lazy_url(app, ".views.index", ["/"])
    assert_type(view, LazyView)
    assert_type(await view.load(), Callable[..., Any])


def check_packages(app: Quart) -> None:
    """The blueprints are Quart's."""
    assert_type(register_blueprints(app, ".blueprints"), tuple[Blueprint, ...])


async def check_requestchecksum() -> None:
    """The digests are bytes and strings."""
    checksum = generate_checksum(request)
    assert_type(checksum, Checksum)
    assert_type(await checksum.digest(), bytes)
    assert_type(await checksum.hexdigest(), str)
    assert_type(checksum.name, str)
    assert_type(await verify_digest(request), None)


async def check_templates_and_files(app: Quart) -> None:
    """Blocks are strings."""
    assert_type(await render_block("news.html", "items", items=[]), str)
    assert_type(add_favicon(app), None)
    assert_type(has_hash("a.js"), bool)
    assert_type(is_client_route("a"), bool)


def check_urlprocessors(app: Quart) -> None:
    """Languages are strings, links are markup."""
    languages = LanguageURLs(app, languages=["en"])
    assert_type(languages.current, str)
    assert_type(languages.negotiate(), str)
    assert_type(languages.canonical(), str | None)
    assert_type(languages.alternates(), tuple[Alternate, ...])
    assert_type(languages.links(), Markup)
    assert_type(lookup([("de", 1.0)], ["de"], "de"), str)
