"""Template fragments are cached in templates that are rendered asynchronously."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from jinja2 import DictLoader
from jinja2.exceptions import TemplateSyntaxError, UndefinedError
from quart import Quart, render_template, render_template_string, stream_template

from quartpatterns.caching import Cache, make_template_fragment_key


class Count:
    """Counts how often a template asks for it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def __call__(self, name: Any = "") -> str:
        self.calls.append(name)
        await asyncio.sleep(0)
        return f"<{name} {len(self.calls)}>"


@pytest.fixture
def count(app: Quart) -> Count:
    made = Count()
    app.jinja_env.globals["count"] = made
    return made


async def render(app: Quart, source: str, **values: Any) -> str:
    async with app.app_context():
        return await render_template_string(source, **values)


@pytest.mark.checks("CA-7")
async def test_cached_fragment(app: Quart, cache: Cache, count: Count) -> None:
    """The block is escaped once, and only the block is cached."""
    source = "{{ n }}{% cache 60, 'key' %}<b>{{ count('a') }}</b>{% endcache %}{{ n }}"
    assert await render(app, source, n=1) == "1<b>&lt;a 1&gt;</b>1"
    assert await render(app, source, n=2) == "2<b>&lt;a 1&gt;</b>2"
    assert len(count.calls) == 1


@pytest.mark.checks("CA-7")
async def test_timeouts(app: Quart, cache: Cache, count: Count) -> None:
    source = (
        "{% cache seconds, 'key' %}{{ count() | length }}{{ count.calls | length }}{% endcache %}"
    )
    await render(app, source, seconds=0.05)
    await asyncio.sleep(0.1)
    assert await render(app, source, seconds=None) == await render(app, source, seconds=None)
    assert len(count.calls) == 2
    await render(app, source, seconds="del")
    await render(app, source, seconds=0)
    assert len(count.calls) == 4
    with pytest.raises(ValueError, match="'soon' is not a valid timeout"):
        await render(app, source, seconds="soon")


@pytest.mark.checks("CA-7")
async def test_keys(app: Quart, cache: Cache, count: Count) -> None:
    """Keys may be variables of any type, and different keys never collide."""
    source = "{% cache 60, 'a', one, two %}{{ count(one) }}{% endcache %}"
    pairs = [("x_y", "z"), ("x", "y_z"), (1, "1"), ("1", 1), (None, []), ("", []), ("é", {"a": 1})]
    for _ in range(2):
        for one, two in pairs:
            await render(app, source, one=one, two=two)
    assert len(count.calls) == len(pairs)
    assert await cache.delete(make_template_fragment_key("a", ["x", "y_z"]))
    await render(app, source, one="x", two="y_z")
    await render(app, source, one="x_y", two="z")
    assert len(count.calls) == len(pairs) + 1
    with pytest.raises(UndefinedError, match="key 2 of {% cache %} is undefined"):
        await render(app, source, two=1)


@pytest.mark.checks("CA-7")
async def test_without_a_key(app: Quart, cache: Cache, count: Count) -> None:
    """The template and the line are the key; a template without a name needs a key."""
    block = "{% cache 60 %}{{ count() }}{% endcache %}\n"
    app.jinja_env.loader = DictLoader({"one.html": block * 2, "two.html": "\n" + block})
    async with app.app_context():
        for _ in range(2):
            await render_template("one.html")
            await render_template("two.html")
        assert len(count.calls) == 3
        with pytest.raises(TemplateSyntaxError, match="needs a key: {% cache 60, 'key' %}"):
            await render_template_string(block)


@pytest.mark.checks("CA-7")
async def test_nested(app: Quart, cache: Cache, count: Count) -> None:
    source = (
        "{% cache 60, 'outer', n %}{{ count('outer') }}"
        "{% cache 60, 'inner' %}{{ count('inner') }}{% endcache %}{% endcache %}"
    )
    for n in (1, 2, 1, 2):
        await render(app, source, n=n)
    assert count.calls == ["outer", "inner", "outer"]


@pytest.mark.checks("CA-7", "CA-12")
async def test_same_key_inside(app: Quart, cache: Cache, count: Count) -> None:
    """A fragment inside one with the same key does not wait for it."""
    source = (
        "{% cache 60, 'same' %}{{ count('o') }}"
        "{% cache 60, 'same' %}{{ count('i') }}{% endcache %}{% endcache %}"
    )
    async with asyncio.timeout(10):
        first = await render(app, source)
        assert await render(app, source) == first == "&lt;o 1&gt;&lt;i 2&gt;"


@pytest.mark.checks("CA-7")
async def test_error(app: Quart, cache: Cache, count: Count) -> None:
    """An error in the block is raised once, and not cached."""

    async def fail(name: str) -> str:
        await count(name)
        if len(count.calls) == 1:
            raise LookupError(name)
        return "well"

    source = "{% cache 60, 'key' %}{{ fail('x') }}{% endcache %}"
    with pytest.raises(LookupError):
        await render(app, source, fail=fail)
    assert len(count.calls) == 1
    assert await render(app, source, fail=fail) == await render(app, source, fail=fail) == "well"
    assert len(count.calls) == 2


@pytest.mark.checks("CA-7")
async def test_places(app: Quart, cache: Cache, count: Count) -> None:
    """It works in blocks, loops, macros, includes, filters and streamed templates."""
    app.jinja_env.loader = DictLoader(
        {
            "base.html": "[{% block body %}{% endblock %}]",
            "part.html": "{% cache 60, 'part' %}{{ count('part') }}{% endcache %}",
            "page.html": (
                "{% extends 'base.html' %}{% macro m(n) %}{% cache 60, 'macro', n %}{{ count(n) }}"
                "{% endcache %}{% endmacro %}{% block body %}"
                "{% for n in (1, 2, 1) %}{% cache 60, 'loop', n %}{{ count(n) }}{% endcache %}"
                "{{ m(n) }}{% endfor %}{% include 'part.html' %}"
                "{% filter upper %}{% cache 60, 'f' %}{{ count('f') }}{% endcache %}{% endfilter %}"
                "{% endblock %}"
            ),
        }
    )
    async with app.test_request_context("/"):
        page = await render_template("page.html")
        assert page == await render_template("page.html")
        assert "".join([part async for part in await stream_template("page.html")]) == page
    assert "&LT;F 6&GT;" in page
    assert len(count.calls) == 6


@pytest.mark.checks("CA-12")
async def test_rendered_once(app: Quart, cache: Cache, count: Count) -> None:
    source = "{% cache 60, 'key' %}{{ count() }}{% endcache %}"
    pages = await asyncio.gather(*(render(app, source) for _ in range(50)))
    assert len(set(pages)) == len(count.calls) == 1


async def test_without_extension(app: Quart) -> None:
    Cache(app, with_jinja2_ext=False)
    with pytest.raises(TemplateSyntaxError):
        await render(app, "{% cache 60, 'key' %}{% endcache %}")
