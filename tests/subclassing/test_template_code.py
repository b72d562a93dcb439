"""The code of templates: everything that Jinja writes works, and anything in it can be awaited.

Each template is rendered by Flask with plain values, and by FaithfulQuart with plain values and
with values that have to be awaited.
"""

from __future__ import annotations

import asyncio
import gc
import traceback
import weakref
from collections.abc import AsyncIterator
from typing import Any

import flask
import pytest
import quart
from jinja2 import DictLoader

from quartpatterns.streaming import stream_template_string
from quartpatterns.subclassing import FaithfulQuart

FILES = {
    "base": (
        "<{% block head %}{{ wait('head') }}{% block title %}base{% endblock %}{% endblock %}|"
        "{% block body %}{% endblock %}|{% block foot %}{{ wait('foot') }}{% endblock %}>"
    ),
    "middle": (
        "{% extends wait('base') %}{% block head %}m{{ super() }}m{% endblock %}"
        "{% block body %}[{% block inner %}{{ wait('in') }}{% endblock %}]{% endblock %}"
    ),
    "list": "{% for x in items(3) %}{{ x }}{{ name }}{% endfor %}",
    "no context": "{{ wait(1) }}{{ name }}{% set kept = wait(2) %}",
    "macros": (
        "{% set secret = wait('s') %}"
        "{% macro field(name, value=wait('v')) %}<{{ name }}={{ wait(value) }}>{% endmacro %}"
        "{% macro box(title) %}({{ title }}:{{ caller(wait('c')) }}){% endmacro %}"
        "{% macro deep(n) %}{% if n %}{{ n }}{{ deep(wait(n - 1)) }}{% endif %}{% endmacro %}"
        "{% macro including() %}{% include 'list' %}{% endmacro %}"
        "{% macro many() %}{{ varargs|join('+') }}{{ kwargs|dictsort }}{% endmacro %}"
    ),
    "scoped": "{% for x in items(2) %}{% block item scoped %}{{ x }}{% endblock %}{% endfor %}",
    "required": "{% block must required %}{% endblock %}",
}
SOURCES = (
    "plain",
    "{{ wait(1) }}{{ wait('<') }}{{ wait(2)|string|upper }}",
    "{{ nested.a }}{{ nested['a'] }}{{ nested.b[0] }}{{ nested.a|upper|lower }}",
    "{{ wait(1) + wait(2) }}{{ wait(1) < wait(2) < wait(3) }}{{ not wait('') }}{{ -wait(3) }}",
    "{{ [wait(1), {'a': wait(2)}, (wait(3),)] }}{{ wait(1) ~ wait('x') }}{{ wait('a') in 'abc' }}",
    "{{ wait('y') if wait(1) else wait('n') }}{{ wait('y') if wait(0) else wait('n') }}",
    "{{ wait(0) or wait('x') }}{{ wait(1) and wait('y') }}{{ wait('abc')[1:2] }}",
    "{% if wait(0) %}a{% elif wait(1) %}b{% else %}c{% endif %}",
    "{% set x = wait(4) %}{{ x }}{% set a, b = wait((1, 2)) %}{{ a }}{{ b }}",
    "{% set x %}<{{ wait(4) }}>{% include 'list' %}{% endset %}{{ x }}{{ x }}",
    "{% set x | upper %}<{{ wait('a') }}>{% endset %}{{ x }}",
    "{% set ns = namespace(n=wait(1)) %}{% for x in items(3) %}{% set ns.n = wait(ns.n + x) %}"
    "{% endfor %}{{ ns.n }}",
    "{% filter upper %}a{{ wait('b') }}{% for x in items(2) %}{{ x }}c{% endfor %}{% endfilter %}",
    "{% filter upper %}{% include 'list' %}{% endfilter %}",
    "{% with x = wait(1), y = 2 %}{{ x }}{{ y }}{% endwith %}",
    "{% autoescape false %}{{ wait('<') }}{% endautoescape %}{{ wait('<') }}",
    "{% autoescape wait(0) %}{{ wait('<') }}{{ '<' }}{% endautoescape %}",
    "{% for x in items(3) %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in items(0) %}{{ x }}{% else %}{{ wait('none') }}{% endfor %}",
    "{% for x in items(5) if wait(x % 2) %}{{ wait(x) }}{% else %}none{% endfor %}",
    "{% for x in items(5) if x > wait(7) %}{{ x }}{% else %}none{% endfor %}",
    "{% for x in items(3) %}{{ loop.index }}{{ loop.first }}{{ loop.cycle('a', wait('b')) }}"
    "{% endfor %}",
    "{% for x in items(3) %}{% for y in items(2) %}{{ x }}{{ y }}{{ loop.index }}{% endfor %}"
    "{% endfor %}",
    "{% for x in items(3) %}{% set outer = loop %}{% for y in wait([1]) %}{{ outer.index }}{{ y }}"
    "{% endfor %}{% endfor %}",
    "{% for x in wait([3, 4]) %}{{ x }}{% endfor %}{% for k, v in wait({'a': 1}).items() %}"
    "{{ k }}{{ v }}{% endfor %}",
    "{% for n in tree recursive %}{{ n.name }}{% if n.sub %}({{ loop(n.sub) }}){% endif %}"
    "{% endfor %}",
    "{% for n in wait(tree) recursive %}{{ wait(n.name) }}{{ loop.depth }}"
    "{{ loop(wait(n.sub)) }}{% else %}-{% endfor %}",
    "{% set x %}{% for n in tree recursive %}{{ wait(n.name) }}{{ loop(n.sub) }}{% endfor %}"
    "{% endset %}{{ x }}",
    "{% for x in items(9) %}{% if x == wait(1) %}{% continue %}{% endif %}{% if x > 3 %}"
    "{% break %}{% endif %}"
    "{{ x }}{% endfor %}",
    "{% do seen.append(wait(1)) %}{{ seen|length > 0 }}",
    "{% include 'list' %}{% include ['missing', 'list'] %}{% include 'missing' ignore missing %}.",
    "{% include wait('list') %}{% include wait('list') without context %}",
    "{% include 'no context' without context %}{% include 'base' %}",
    "{% import 'macros' as m %}{{ m.field('a') }}{{ m.field(wait('b'), wait(1)) }}{{ m.secret }}",
    "{% import wait('macros') as m with context %}{{ m.including() }}{{ m.deep(3) }}",
    "{% from 'macros' import field as f, box %}{{ f('a', value=wait('<')) }}"
    "{% call(c) box(wait('t')) %}{{ c }}{{ wait('!') }}{% for x in items(2) %}{{ x }}"
    "{% endfor %}{% endcall %}",
    "{% from 'macros' import many %}"
    "{{ many(wait(1), 2, *wait([3]), k=wait('w'), **wait({'q': 1})) }}",
    "{% from 'macros' import including %}{{ including() }}",
    "{% macro m(x) %}{% set y %}{{ wait(x) }}{% endset %}{{ y|upper }}{% endmacro %}{{ m('a') }}"
    "{% set s %}{{ m('b') }}{% endset %}{{ s }}{% for x in items(2) %}{{ m('c') }}{% endfor %}",
    "{% macro inner() %}{% for x in items(2) if wait(1) %}{{ x }}{% endfor %}"
    "{% filter upper %}{{ wait('z') }}{% endfilter %}{% include 'base' %}{% endmacro %}"
    "{{ inner() }}",
    "{% extends 'base' %}{% block title %}{{ wait('t') }}{{ super() }}{% endblock %}"
    "{% block body %}"
    "{% for x in items(2) %}{{ x }}{% endfor %}{% endblock %}ignored {{ wait(1) }}",
    "{% extends 'middle' %}{% block head %}c{{ super() }}{{ super() }}c{% endblock %}"
    "{% block inner %}{{ super() }}{{ wait('child') }}{% endblock %}",
    "{% extends 'middle' %}{% block head %}{{ super.super() }}{% endblock %}",
    "{% extends 'middle' %}{% block body %}{{ self.title() }}{{ self.foot()|upper }}{% endblock %}",
    "{% extends wait('base') if wait(1) else 'middle' %}{% block title %}x{% endblock %}",
    "{% if wait(1) %}{% extends 'base' %}{% endif %}{% block title %}x{% endblock %}",
    "{% if wait(0) %}{% extends 'base' %}{% endif %}a{% block title %}x{{ wait('y') }}"
    "{% endblock %}b",
    "{% extends 'base' %}{% set x = wait(7) %}{% block title %}{{ x }}{% endblock %}",
    "{% extends 'base' %}{% from 'macros' import field %}{% block title %}{{ field('a') }}"
    "{% endblock %}",
    "{% extends 'scoped' %}{% block item %}[{{ wait(x) }}]{{ super() }}{% endblock %}",
    "{% extends 'required' %}{% block must %}{{ wait(1) }}{% endblock %}",
    "{% set x %}{% block own %}{{ wait('b') }}{% endblock %}{% endset %}{{ x }}{{ self.own() }}",
    "{% trans n=wait(2) %}one {{ n }}{% pluralize %}{{ n }} many{% endtrans %}{{ gettext('a') }}",
    "{{ missing }}{{ missing is defined }}{{ wait(none) is none }}"
    "{{ wait(3) is divisibleby(wait(3)) }}",
    "{{ 'a %s'|format(wait(1)) }}{{ wait([1, 2])|join(wait('-')) }}{{ wait([3, 1])|sort|first }}",
    "{{ range(wait(3))|list }}{{ dict(a=wait(1)) }}{{ lipsum is defined }}"
    "{{ url_for('page', a=wait(1)) }}",
    "{% raw %}{{ wait }}{% endraw %}{# {{ wait(1) }} #}{{ '{{' }}",
)
RAISING = (
    "{{ fail() }}",
    "{% set x %}{{ fail() }}{% endset %}",
    "{% for x in items(2) if fail() %}{% endfor %}",
    "{% macro m() %}{{ fail() }}{% endmacro %}{{ m() }}",
    "{% extends 'base' %}{% block title %}{{ fail() }}{% endblock %}",
    "{% include fail() ignore missing %}",
    "{% import fail() as x %}",
    "{% for x in failing() %}{{ x }}{% endfor %}",
    "{% extends 'required' %}",
    "{% extends 'base' %}{% extends 'base' %}",
    "{{ missing.attribute }}",
)


class Node:
    def __init__(self, name: str, *sub: Node) -> None:
        self.name = name
        self.sub = sub


class FailureError(Exception):
    """What a value raises."""


def values() -> dict[str, Any]:
    def fail() -> Any:
        raise FailureError

    def failing() -> Any:
        yield 1
        raise FailureError

    return {
        "wait": lambda value: value,
        "items": lambda count: list(range(count)),
        "nested": {"a": "x", "b": ["y"]},
        "seen": [],
        "tree": [Node("a", Node("b", Node("c")), Node("d")), Node("e")],
        "fail": fail,
        "failing": failing,
    }


async def wait(value: Any) -> Any:
    await asyncio.sleep(0)
    return value


async def items(count: int) -> AsyncIterator[int]:
    for each in range(count):
        await asyncio.sleep(0)
        yield each


async def failing() -> AsyncIterator[int]:
    yield 1
    await asyncio.sleep(0)
    raise FailureError


async def fail() -> None:
    await asyncio.sleep(0)
    raise FailureError


class Waiting:
    """Its attributes and items have to be awaited."""

    def __getattr__(self, name: str) -> Any:
        return wait({"a": "x", "b": ["y"]}[name])

    __getitem__ = __getattr__


def awaited_values() -> dict[str, Any]:
    return values() | {
        "wait": wait,
        "items": items,
        "nested": Waiting(),
        "fail": fail,
        "failing": failing,
    }


def prepare(app: Any, values: dict[str, Any]) -> Any:
    app.secret_key = "test"
    app.jinja_loader = DictLoader(FILES)
    for name in ("do", "loopcontrols", "i18n"):
        app.jinja_env.add_extension(f"jinja2.ext.{name}")
    app.jinja_env.install_null_translations(newstyle=True)
    app.jinja_env.globals.update(values)
    app.add_url_rule("/page/<int:a>", "page", lambda a: "")
    return app


FLASK = prepare(flask.Flask(__name__), values())
PLAIN = prepare(FaithfulQuart(__name__), values())
AWAITING = prepare(FaithfulQuart(__name__), awaited_values())


def in_flask(source: str) -> str:
    with FLASK.test_request_context("/"):
        return flask.render_template_string(source, name="n")


@pytest.mark.parametrize("app", [PLAIN, AWAITING], ids=["plain", "awaited"])
@pytest.mark.parametrize("source", SOURCES)
async def test_as_in_flask(source: str, app: FaithfulQuart) -> None:
    """A template has the same result, rendered and streamed."""
    async with app.test_request_context("/"):
        rendered = await quart.render_template_string(source, name="n")
        stream = await stream_template_string(source, name="n")
        streamed = "".join([chunk async for chunk in stream])
    expected = in_flask(source)
    assert (rendered, streamed) == (expected, expected)


@pytest.mark.parametrize("app", [PLAIN, AWAITING], ids=["plain", "awaited"])
@pytest.mark.parametrize("source", RAISING)
async def test_errors(source: str, app: FaithfulQuart) -> None:
    """An error in what is awaited is an error of the template, and names its line."""
    with pytest.raises(Exception) as theirs:
        in_flask(source)
    async with app.test_request_context("/"):
        with pytest.raises(theirs.type) as ours:
            await quart.render_template_string(source, name="n")
    assert str(ours.value) == str(theirs.value)
    assert [frame.name for frame in traceback.extract_tb(ours.tb) if "template" in frame.name] == [
        frame.name for frame in traceback.extract_tb(theirs.tb) if "template" in frame.name
    ]


async def test_stop_async_iteration() -> None:
    """A value that raises StopAsyncIteration is an error, and not the end of the text."""

    async def stop() -> None:
        raise StopAsyncIteration

    for source in ("a{{ stop() }}b", "{% macro m() %}{{ stop() }}{% endmacro %}a{{ m() }}b"):
        async with PLAIN.test_request_context("/"):
            with pytest.raises(StopAsyncIteration):
                await quart.render_template_string(source, stop=stop)
            stream = await stream_template_string(source, stop=stop)
            with pytest.raises(RuntimeError, match="StopAsyncIteration"):
                [chunk async for chunk in stream]


async def test_cancellation() -> None:
    """A template that is cancelled ends at once, and so does the loop that it is in."""
    started, ended = asyncio.Event(), asyncio.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            while True:
                started.set()
                yield 1
                await asyncio.Event().wait()
        finally:
            ended.set()

    async with PLAIN.test_request_context("/"):
        source = "{% for x in endless() %}{{ x }}{% endfor %}"
        task = asyncio.create_task(quart.render_template_string(source, endless=endless))
        await started.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    del task
    gc.collect()
    await asyncio.wait_for(ended.wait(), 10)


async def test_nothing_is_kept() -> None:
    """What a template awaited is freed with the response, also if it failed."""

    class Value:
        pass

    async def get(value: Value) -> Value:
        return value

    async def fail_with(value: Value) -> Value:
        raise FailureError(value)

    values = [Value(), Value()]
    references = [weakref.ref(value) for value in values]
    gc.disable()
    try:
        async with PLAIN.test_request_context("/"):
            await quart.render_template_string("{{ get(value) }}", get=get, value=values[0])
            with pytest.raises(FailureError):
                await quart.render_template_string("{{ get(v) }}", get=fail_with, v=values[1])
        values.clear()
        assert references[0]() is None
    finally:
        gc.enable()
    gc.collect()
    assert references[1]() is None


async def test_code_of_another_environment() -> None:
    """A template whose code Quart has compiled can be the parent or the child of another one."""
    files = {
        "base": "<{% block x %}{% endblock %}{% include 'part' %}>",
        "part": "{{ wait(1) }}",
        "page": "{% extends 'base' %}{% block x %}{% for i in items(2) %}{{ i }}{% endfor %}"
        "{% endblock %}",
    }
    other = quart.Quart("other").jinja_env
    for compiled in ({"base"}, {"page"}, {"part"}, {"base", "part"}, set[str](), {*files}):
        app = FaithfulQuart(__name__)
        code = {name: other.compile(files[name], name) for name in compiled}
        environment = app.jinja_env
        environment.loader = Loader(files, code)
        async with app.test_request_context("/"):
            page = await quart.render_template("page", items=items, wait=wait)
        assert page == "<011>", compiled


class Loader(DictLoader):
    """Loads some templates from code, as a bytecode cache does."""

    def __init__(self, files: dict[str, str], code: dict[str, Any]) -> None:
        super().__init__(files)
        self.code = code

    def load(self, environment: Any, name: str, globals: Any = None) -> Any:
        if (code := self.code.get(name)) is None:
            return super().load(environment, name, globals)
        return environment.template_class.from_code(environment, code, globals or {})
