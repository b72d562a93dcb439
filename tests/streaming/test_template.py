"""A template is sent while it is rendered, in Jinja's pieces, with its context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import jinja2
import pytest
from quart import (
    Quart,
    before_render_template,
    g,
    render_template,
    session,
    template_rendered,
)

from quartpatterns.streaming import stream_template, stream_template_string
from tests.serving import TIMEOUT, eventually, served

ROWS = "<ul>{% for row in rows %}<li>{{ row }}</li>{% endfor %}</ul>"
PAGE = ROWS + "{{ g.mark }} {{ session.mark }} {{ request.path }} {{ url_for('view') }} {{ extra }}"


@pytest.fixture(autouse=True)
def templates(app: Quart) -> None:
    app.jinja_env.loader = jinja2.DictLoader({"rows.html": ROWS, "page.html": PAGE})


@pytest.mark.wire
@pytest.mark.checks("ST-2", "ST-3")
@pytest.mark.parametrize("kind", ["file", "list", "template", "string"])
async def test_context(app: Quart, kind: str) -> None:
    """Request, session, ``g``, ``url_for`` and context processors work until the end."""

    @app.context_processor
    async def extra() -> dict[str, str]:
        return {"extra": "processed"}

    @app.get("/")
    async def view() -> Any:
        g.mark, session["mark"] = "g", "session"
        if kind == "string":
            return await stream_template_string(PAGE, rows=range(3))
        template = app.jinja_env.get_template("page.html")
        names: dict[str, Any] = {
            "file": "page.html",
            "list": ["missing.html", "page.html"],
            "template": template,
        }
        return await stream_template(names[kind], rows=range(3))

    async with served(app) as server:
        response = await server.client.get("/")
    rows = "<ul><li>0</li><li>1</li><li>2</li></ul>"
    assert response.text == f"{rows}g session / / processed"
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-length" not in response.headers


@pytest.mark.wire
@pytest.mark.checks("ST-2")
@pytest.mark.parametrize(("buffering", "first"), [(1, b"<ul>"), (5, b"<ul><li>0</li><li>1</li>")])
async def test_sent_as_rendered(app: Quart, buffering: int, first: bytes) -> None:
    """The client has the first pieces before the other rows exist."""
    go_on = asyncio.Event()
    app.config["RESPONSE_TIMEOUT"] = 0.05

    @app.get("/")
    async def view() -> Any:
        async def rows() -> AsyncGenerator[int, None]:
            yield 0
            yield 1
            await go_on.wait()
            await asyncio.sleep(0.1)  # past the time limit
            yield 2

        return await stream_template("rows.html", buffering=buffering, rows=rows())

    async with served(app) as server, server.client.stream("GET", "/") as response:
        chunks = response.aiter_raw()
        assert await anext(chunks) == first
        go_on.set()
        rest = b"".join([chunk async for chunk in chunks])
    assert first + rest == b"<ul><li>0</li><li>1</li><li>2</li></ul>"


@pytest.mark.checks("ST-2")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("buffering", [2, 5, 100])
async def test_buffering_as_in_jinja(app: Quart, buffering: int, count: int) -> None:
    """The chunks are those of ``enable_buffering()``, up to the end of what a tag follows."""
    source = "{{ nothing }}" + ROWS
    template = jinja2.Template(source)
    expected = template.stream(rows=range(count))
    expected.enable_buffering(buffering)
    async with app.test_request_context("/"):
        stream = await stream_template_string(source, buffering=buffering, rows=range(count))
        chunks = [chunk async for chunk in stream]
    assert "".join(chunks) == "".join(expected)
    for chunk in chunks[:-1]:
        pieces = 2 * chunk.count("<ul>") + 3 * chunk.count("<li>")
        assert buffering <= pieces < buffering + 3
        assert chunk.endswith("</li>") or chunk == "<ul>"


@pytest.mark.wire
@pytest.mark.checks("ST-2")
@pytest.mark.parametrize("source", [ROWS, "{{ rows | join }}"])
async def test_disconnect(app: Quart, source: str) -> None:
    """When the client disconnects, generators among the variables are closed in the context."""
    closed: list[str] = []
    waits = asyncio.Event()

    @app.get("/")
    async def view() -> Any:
        g.mark = "g"

        async def rows() -> AsyncGenerator[str, None]:
            try:
                yield "first"
                waits.set()
                await asyncio.sleep(TIMEOUT)
            finally:
                closed.append(g.mark)

        return await stream_template_string("." + source, buffering=1, rows=rows())

    async with served(app) as server:
        async with server.client.stream("GET", "/") as response:
            await anext(response.aiter_raw())
            await waits.wait()
        await eventually(lambda: closed == ["g"])


async def test_left_early(app: Quart) -> None:
    """A generator that the template has started is closed when the stream is closed."""
    closed: list[str] = []

    async def rows() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "row"
        finally:
            closed.append("rows")

    async with app.test_request_context("/"):
        stream = await stream_template("rows.html", rows=rows())
        await anext(stream)
        await stream.aclose()
    assert closed == ["rows"]


async def test_signals(app: Quart) -> None:
    """``template_rendered`` is sent after complete rendering only."""
    seen: list[str] = []

    async def before(sender: Quart, template: Any, context: Any, **_: Any) -> None:
        seen.append(f"before {context['mark']}")

    def after(sender: Quart, template: Any, context: Any, **_: Any) -> None:
        seen.append(f"after {context['mark']}")

    with (
        before_render_template.connected_to(before, app),
        template_rendered.connected_to(after, app),
    ):
        async with app.test_request_context("/"):
            for ends in (True, False):
                stream = await stream_template_string("{{ mark }}", mark=ends)
                assert await anext(stream) == str(ends)
                if ends:
                    assert await anext(stream, None) is None
                await stream.aclose()
    assert seen == ["before True", "after True", "before False"]


@pytest.mark.wire
@pytest.mark.checks("ST-2")
async def test_missing_template(app: Quart) -> None:
    """An error in the template is raised before the status is sent."""

    @app.get("/missing")
    async def missing() -> Any:
        return await stream_template("missing.html")

    @app.get("/broken")
    async def broken() -> Any:
        return await stream_template_string("{% for %}")

    @app.errorhandler(500)
    async def name_error(error: Any) -> Any:
        return type(error.original_exception).__name__, 500

    async with served(app) as server:
        for path, name in (("/missing", "TemplateNotFound"), ("/broken", "TemplateSyntaxError")):
            response = await server.client.get(path)
            assert (response.status_code, response.text) == (500, name)


async def test_without_a_request(app: Quart) -> None:
    """As in Flask, an application context is enough."""
    async with app.app_context():
        g.mark = "g"
        stream = await stream_template_string("{{ g.mark }} {{ config.TESTING }}")
    assert "".join([chunk async for chunk in stream]) == "g False"


async def test_invalid_buffering(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(ValueError, match="1 or more, not 0"):
            await stream_template_string("", buffering=0)


HEAD = "<!doctype html><html><head>{% block head %}<title>{{ title }}</title>{% endblock %}</head>"
LAYOUT = "{% import 'macros.html' as m %}" + HEAD + "<body>{% block main %}{% endblock %}</body>"
MACROS = "{% macro row(value) %}<li>{{ value }}{{ caller() if caller }}</li>{% endmacro %}"
WITH_MACROS = """{% extends "layout.html" %}{% from "macros.html" import row %}\
{% block head %}{{ super() }}<link href="{{ url_for('view') }}">{% endblock %}\
{% block main %}<ul>{% for value in rows %}{{ row(value) }}{% call row(g.mark) %}!{% endcall %}\
{% set text %}<b>{{ value }}</b>{% endset %}{{ text }}{% filter upper %}{{ value }}x{% endfilter %}\
{% include "part.html" %}{% endfor %}</ul>{{ self.title() }}{% endblock %}\
{% block title %}{{ request.path }}<>{% endblock %}"""


@pytest.mark.wire
@pytest.mark.checks("ST-2")
@pytest.mark.parametrize(
    "page", ["{% extends 'layout.html' %}{% block main %}%s{% endblock %}", "<BODY class=a>%s"]
)
async def test_head_first(app: Quart, page: str) -> None:
    """The first chunk ends with the head, whatever the buffering is, so that styles are loaded."""
    go_on = asyncio.Event()
    app.jinja_env.loader = jinja2.DictLoader(
        {"layout.html": LAYOUT, "macros.html": MACROS, "page.html": page.replace("%s", ROWS)}
    )

    @app.get("/")
    async def view() -> Any:
        async def rows() -> AsyncGenerator[int, None]:
            yield 0
            await go_on.wait()

        return await stream_template("page.html", buffering=1000, rows=rows(), title="<>")

    async with served(app) as server, server.client.stream("GET", "/") as response:
        chunks = response.aiter_raw()
        first = await anext(chunks)
        assert b"<body" in first.lower()
        assert b"<li>" not in first
        go_on.set()
        assert b"".join([chunk async for chunk in chunks]).startswith(b"<ul><li>0</li>") or (
            first.endswith(b"<ul>")
        )


async def test_blocks_and_macros(app: Quart) -> None:
    """Blocks, macros, includes and calls are rendered as by ``render_template``."""
    app.jinja_env.loader = jinja2.DictLoader(
        {
            "layout.html": LAYOUT,
            "macros.html": MACROS,
            "part.html": "{{ value }}, {{ g.mark }}; ",
            "page.html": WITH_MACROS,
        }
    )
    app.add_url_rule("/", "view", view_func=lambda: "")
    async with app.test_request_context("/"):
        g.mark = "<g>"
        expected = await render_template("page.html", rows=["a", "&"], title="t")
        stream = await stream_template("page.html", rows=["a", "&"], title="t")
        chunks = [chunk async for chunk in stream]
    assert "".join(chunks) == expected
    assert "<li>&lt;g&gt;!</li>" in expected
    assert any(chunk.endswith("</head><body>") for chunk in chunks)


async def test_waiting_values(app: Quart) -> None:
    """What is before a value that waits is sent before it."""
    go_on = asyncio.Event()

    async def wait() -> str:
        await go_on.wait()
        return "later"

    app.jinja_env.filters["wait"] = lambda _: wait()
    for source in ("<p>{{ x }} now {{ wait() }}</p>", "<p>{{ x }} now {{ x|wait }}</p>"):
        go_on.clear()
        async with app.test_request_context("/"):
            stream = await stream_template_string(source, buffering=1, x="x", wait=wait)
            assert await anext(stream) == "<p>x now "
            go_on.set()
            assert "".join([chunk async for chunk in stream]) == "later</p>"


async def test_options_of_the_environment(app: Quart) -> None:
    """Filters, globals, extensions and options are those of the application, also later ones."""
    async with app.test_request_context("/"):

        async def streamed(source: str) -> str:
            return "".join([chunk async for chunk in await stream_template_string(source)])

        assert await streamed("{{ '<' }}{{ x }}!") == "&lt;!"
        app.jinja_env.filters["twice"] = lambda value: value * 2
        app.jinja_env.globals["x"] = "global"
        assert await streamed("{{ 'a'|twice }}{{ x }}!") == "aaglobal!"
        app.jinja_env.add_extension("jinja2.ext.do")
        assert await streamed("{% do [].append(1) %}{{ x }}.") == "global."
        app.jinja_env.undefined = jinja2.StrictUndefined
        with pytest.raises(jinja2.UndefinedError):
            await streamed("{{ y }} {{ y }}")
        app.jinja_env.loader = jinja2.DictLoader({"rows.html": "other {{ x }}"})
        stream = await stream_template("rows.html")
        assert "".join([chunk async for chunk in stream]) == "other global"
        # Templates that are not streamed are compiled as before.
        assert app.jinja_env.code_generator_class is type(app.jinja_env).code_generator_class
