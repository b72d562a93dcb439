"""A cached view that returns a stream, and a cached fragment in a stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quart import Quart, request

from quartpatterns.caching import Cache
from quartpatterns.streaming import stream_template_string, stream_with_context


def create_app(app_class: type[Quart]) -> tuple[Quart, list[str]]:
    """Return an application with a cache and streams, and what was called."""
    app = app_class(__name__)
    cache = Cache(app)
    calls: list[str] = []

    @app.get("/rows")
    @cache.cached(60)
    async def rows() -> Any:
        @stream_with_context
        async def generate() -> AsyncIterator[str]:
            calls.append("rows")
            yield "first,"
            yield request.path

        return generate()

    @app.get("/template")
    async def template() -> Any:
        def count() -> str:
            calls.append("part")
            return ""

        source = "{% cache 60, 'rows' %}{{ count() }}rows{% endcache %} of {{ request.path }}"
        return await stream_template_string(source, count=count)

    return app, calls


async def test_stream(app_class: type[Quart], caplog: pytest.LogCaptureFixture) -> None:
    """Each visitor gets the whole stream; the log says once that nothing is stored, and why."""
    app, calls = create_app(app_class)
    app.debug = True
    for _ in range(3):
        response = await app.test_client().get("/rows")
        assert await response.get_data(as_text=True) == "first,/rows"
        assert response.headers["Cache-Status"].endswith('detail="a stream or file"')
    assert calls == ["rows"] * 3
    (warning,) = [record.getMessage() for record in caplog.records if "stored" in record.message]
    assert "can be read only once: a stream or file. Cache the values" in warning


async def test_fragment(app_class: type[Quart]) -> None:
    """A fragment is cached in a template that is streamed."""
    app, calls = create_app(app_class)
    for _ in range(3):
        response = await app.test_client().get("/template")
        assert await response.get_data(as_text=True) == "rows of /template"
    assert calls == ["part"]
