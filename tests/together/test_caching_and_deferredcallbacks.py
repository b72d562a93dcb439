"""Callbacks of requests for cached views."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from quartpatterns.caching import Cache
from quartpatterns.deferredcallbacks import after_response, after_this_request


def create_app(app_class: type[Quart]) -> tuple[Quart, list[str]]:
    """Return an application with a cache and callbacks, and what was called."""
    app = app_class(__name__)
    cache = Cache(app)
    calls: list[str] = []

    @app.before_request
    async def before() -> None:
        @after_this_request
        def mark(response: Any) -> None:
            response.headers["X-Before"] = "1"

    @app.get("/page")
    @cache.cached(60)
    async def page() -> str:
        calls.append("page")
        return "page"

    @app.get("/header")
    @cache.cached(60)
    async def header() -> str:
        calls.append("header")

        @after_this_request
        def mark(response: Any) -> None:
            response.headers["X-View"] = "1"

        return "header"

    @cache.memoize(60)
    async def number() -> int:
        after_response(calls.append, "work of the function")
        return 1

    @app.get("/work")
    @cache.cached(60)
    async def work() -> str:
        after_response(calls.append, "work")
        return "work"

    @app.get("/number")
    async def number_view() -> str:
        return str(await number())

    return app, calls


@pytest.mark.parametrize("times", [3])
async def test_before(app_class: type[Quart], times: int) -> None:
    """A callback that a hook registers is called for each response, also for a stored one."""
    app, calls = create_app(app_class)
    for _ in range(times):
        response = await app.test_client().get("/page")
        assert response.headers["X-Before"] == "1"
    assert calls == ["page"]


async def test_in_the_view(app_class: type[Quart], caplog: pytest.LogCaptureFixture) -> None:
    """A response whose view registers a callback is not stored, because it would lack it."""
    app, calls = create_app(app_class)
    for _ in range(2):
        response = await app.test_client().get("/header")
        assert response.headers["X-View"] == "1"
    assert calls == ["header", "header"]
    assert caplog.text.count("a callback of after_this_request") == 1
    assert "Call that function in a before_request function" in caplog.text


@pytest.mark.parametrize("path", ["/work", "/number"])
async def test_work(app_class: type[Quart], path: str, caplog: pytest.LogCaptureFixture) -> None:
    """Work after the response is done for each request, also that of a memoized function."""
    app, calls = create_app(app_class)
    async with app.test_app():
        for _ in range(2):
            await app.test_client().get(path)
    assert len(calls) == 2
    assert "a callback of after_response" in caplog.text
