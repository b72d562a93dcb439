"""Templates: expressions have Flask's results, and asynchronous values still work."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import flask
import pytest
from jinja2 import BytecodeCache, DictLoader
from jinja2.bccache import Bucket
from markupsafe import Markup
from quart import render_template, render_template_string

from quartpatterns.streaming import stream_template_string
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.templates import get_template_attribute

MAPPED = "users|map(attribute='name')"
SELECTED = "users|selectattr('admin')|map(attribute='name')"
# What follows a map, select or reject.
AFTER = (
    "|sort|join(',')",
    "|sort(reverse=true)|first",
    "|max",
    "|min",
    "|reverse|join(',')",
    "|reverse|list",
    "|batch(2)|list",
    "|batch(2, '-')|map('join')|list",
    "|slice(2)|list",
    "|slice(2, '-')|map('list')|list",
    "|join",
    "|join('/')",
    "|list",
    "|list|length",
    "|length",
    "|count",
    "|first",
    "|last",
    "|random",
    "|sum(start='')",
    "|unique|join(',')",
    "|unique|list",
    "|unique|sort|list",
    "|groupby(0)|list",
    "|map('upper')|list",
    "|map('upper')|sort|join(',')",
    "|map('length')|sum",
    "|map('length')|max",
    "|map('first')|unique|sort|join",
    "|map('replace', 'a', 'b')|map('title')|join(' ')",
    "|select|list",
    "|select|sort|list",
    "|select('in', ['ada', 'bob'])|list",
    "|select('equalto', 'ada')|first",
    "|reject('equalto', 'ada')|sort|join",
    "|reject|list",
    "|reject|first",
    "|reject|max",
    "|select('equalto', 'nobody')|sort",
    "|select('equalto', 'nobody')|first",
    "|select('equalto', 'nobody')|list",
    "|tojson",
    "|list|tojson",
    "|dictsort",
    "|items|list",
    "|default('x')|join",
    "|shout",
    "|keep|sort|list",
    "|count_items",
    "|pairs|list",
    "|keep|map('upper')|list",
    "|list|sort|unique|reverse|batch(1)|list",
    "|min == 'ada'",
    "|list == ['bob', 'ada', 'cyd']",
    "|sort == ['ada', 'bob', 'cyd']",
    " is iterable",
    " is sequence",
    " is mapping",
    " is string",
    " is defined",
    " is none",
    " is callable",
    " is undefined",
)
ROOTS = (
    MAPPED,
    SELECTED,
    "names",
    "names|map('lower')",
    "names|select",
    "names|reject('none')",
    "names|select('string')",
    "users|rejectattr('admin')|map(attribute='name')",
    "users|rejectattr('admin', 'equalto', true)|map(attribute='name')",
    "users|map(attribute='missing', default='n')",
    "users|map(attribute='address.city')",
    "names|unique",
    "(names|batch(2)|map('first'))",
    "(names|slice(2)|map('join'))",
    "empty",
    "empty|map('upper')",
    "generate()",
    "generate()|map('upper')",
    "[]|select",
    "names|map('map_one')",
)
# Whole templates.
TEMPLATES = (
    "{{ 'ada' in users|map(attribute='name') }}",
    "{{ 'eve' not in users|map(attribute='name')|select }}",
    "{% if 'bob' in users|selectattr('admin')|map(attribute='name') %}y{% else %}n{% endif %}",
    "{% set a, b, c = users|map(attribute='name') %}{{ c }}{{ b }}{{ a }}",
    "{% set a, b = names|map('upper') %}{{ a }}",
    "{% for a, b in names|batch(2) %}{{ a }}-{{ b }};{% endfor %}",
    "{% for a, b in users|map(attribute='pair') %}{{ a }}{{ b }}{% endfor %}",
    "{{ dict(users|map(attribute='pair')) }}",
    "{{ dict(users|map(attribute='pair'))|dictsort }}",
    "{{ dict(users|map(attribute='pair')).ada }}",
    "{{ function(users|map(attribute='name')) }}",
    "{{ function(users|selectattr('admin')) }}",
    "{{ arguments(*users|map(attribute='name')) }}",
    "{{ '%s %s %s'|format(*users|map(attribute='name')) }}",
    "{{ ', '.join(users|map(attribute='name')) }}",
    "{{ cycler(*names|map('upper')).next() }}",
    "{{ (users|map(attribute='name')|list) + ['x'] }}",
    "{{ users|map(attribute='name')|list|length > 2 }}",
    "{% for n in users|map(attribute='name') %}{{ loop.index }}/{{ loop.length }}{{ n }}"
    "{% if not loop.last %},{% endif %}{% endfor %}",
    "{% for n in users|selectattr('admin') %}{{ loop.revindex }}{{ loop.revindex0 }}"
    "{{ loop.first }}{{ loop.last }}{{ loop.previtem.name }}{{ loop.nextitem.name }}{% endfor %}",
    "{% for n in names|map('upper') if n != 'BOB' %}{{ loop.index }}{{ loop.length }}{{ n }}"
    "{{ loop.cycle('a', 'b') }}{{ loop.changed(n) }}{% else %}empty{% endfor %}",
    "{% for n in names|select('none') %}x{% else %}empty{% endfor %}",
    "{% for n in names|map('upper')|sort %}{{ n }}{{ loop.length }}{% endfor %}",
    "{% for key, group in users|groupby('admin') %}{{ key }}:{{ group|map(attribute='name')|sort"
    "|join('+') }};{% endfor %}",
    "{% for g in users|groupby('admin') %}{{ g.grouper }}{{ g.list|length }}{% endfor %}",
    "{% for row in users|map(attribute='name')|batch(2, '&nbsp;') %}{{ row|join('|') }};"
    "{% endfor %}",
    "{% for column in names|map('upper')|slice(2) %}{{ column|join }}{{ loop.length }}{% endfor %}",
    "{% set it = names|map('upper') %}{{ it|first }}{{ it|list }}{{ it|list }}",
    "{% set it = names|select %}{{ it|first }}{{ it|join }}{{ it|join }}",
    "{% set it = names|map('upper') %}{% for a in it %}{{ a }}{% endfor %}|{{ it|list }}",
    "{% if empty|map('upper') %}true{% else %}false{% endif %}",
    "{% if names|select('none') %}true{% else %}false{% endif %}",
    "{% macro m(xs) %}{{ xs|sort|join }}{{ varargs|map('upper')|join }}{% endmacro %}"
    "{{ m(names|map('upper'), 'a', 'b') }}",
    "{% macro m(xs) %}<{{ caller(xs|map('title')|max) }}>{% endmacro %}"
    "{% call(x) m(names|map('upper')) %}{{ x }}{{ names|map('upper')|min }}{% endcall %}",
    "{% macro m(x) %}[{{ x }}]{% endmacro %}{{ names|map('upper')|map('lower')|map('e')|join }}"
    "{{ m(m(names|map('upper')|max))|upper }}",
    "{% macro m(n=names|map('upper')|max) %}{{ n }}{{ kwargs }}{% endmacro %}{{ m(b=1) }}",
    "{% import 'macros.html' as lib %}{{ lib.largest(names|map('upper')) }}{{ lib.value }}",
    "{% from 'macros.html' import largest, value %}{{ largest(names|reject('none')) }}{{ value }}",
    "{% from 'macros.html' import context_names with context %}{{ context_names() }}",
    "{% set shown = names|map('upper') %}{% include 'shown.html' %}",
    "{% include ['missing.html', 'shown.html'] %}",
    "{% include 'missing.html' ignore missing %}x",
    "{% extends 'base.html' %}{% block body %}{{ super() }}{{ names|map('upper')|max }}"
    "{{ self.title() }}{% endblock %}",
    "{% filter upper %}{{ names|map('lower')|sort|join }}{% endfilter %}",
    "{% set text %}{{ names|map('upper')|max }}{% endset %}{{ text|lower }}",
    "{% set text|upper %}{{ names|min }}{% endset %}{{ text }}",
    "{% set ns = namespace(n=0) %}{% for x in names|map('length') %}{% set ns.n = ns.n + x %}"
    "{% endfor %}{{ ns.n }}",
    "{% for n in tree recursive %}{{ n.name }}{% if n.children %}({{ loop(n.children) }})"
    "{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for n in tree|map(attribute='name') recursive %}{{ n }}{% endfor %}",
    "{% with a = names|map('upper')|max, b = names|map('upper')|min %}{{ a }}{{ b }}{% endwith %}",
    "{{ users[0].name }}{{ users[0]['name'] }}{{ users[-1].address.city }}{{ users[9].name }}",
    "{{ pairs|map(attribute=1)|sum }}",
    "{{ users[0].greet('hello') }}{{ users|map('attr', 'name')|sort|first }}",
    "{{ users|sum(attribute='age') }}{{ users|map(attribute='age')|sum }}",
    "{{ users|sort(attribute='name')|map(attribute='name')|join }}",
    "{{ users|max(attribute='age')|attr('name') }}{{ (users|min(attribute='age')).name }}",
    "{{ users|unique(attribute='admin')|map(attribute='name')|list }}",
    "{{ users|join(', ', attribute='name') }}",
    "{{ names|map('upper')|join('<') }}{{ markup|map('upper')|join('<') }}",
    "{{ money }}{{ day }}{{ markup }}{{ nothing }}{{ nothing|default('d') }}{{ none }}",
    "{{ undefined_name|map('upper')|list }}{{ undefined_name|list }}{{ undefined_name|sort }}"
    "{{ undefined_name|first }}{{ undefined_name|join }}{{ undefined_name|select|list }}",
    "{{ undefined_name.attribute }}",
    "{{ undefined_name|default('x') }}{{ undefined_name|length }}",
    "{% for x in undefined_name %}x{% else %}none{% endfor %}",
    "{{ 1 if names|map('upper')|first is equalto('BOB') else 2 }}",
    "{{ names|map('no_such_filter')|list }}",
    "{{ names|map|list }}",
    "{{ names|select('no_such_test')|list }}",
    "{{ names|map('upper', 1, 2)|list }}",
    "{{ users|map(attribute='name', other=1)|list }}",
    "{{ names|map('upper')|sort|map('lower')|reverse|map('title')|unique|list|tojson }}",
    "{{ 'abc'|map('upper')|join }}{{ 'abc'|list }}{{ 'cab'|sort }}{{ 'abc'|reverse }}",
    "{{ {'b': 1, 'a': 2}|map('upper')|sort }}{{ {'b': 1, 'a': 2}|list }}",
    "{{ 5|map('upper')|list }}",
    "{{ 5|sort }}",
    "{{ range(5)|select('odd')|map('string')|join }}{{ range(5)|reject('odd')|sum }}",
    "{{ lipsum is callable }}{{ range(3)|list }}{{ joiner(',')() }}",
    "{{ names|map('upper')|xmlattr }}",
    "{{ (names|map('upper'))[0] }}",
    "{{ names[:2]|map('upper')|list }}{{ names[1:]|select|list }}",
    "{{ names|map('upper')|map('upper')|map('lower')|select|reject('none')|sort|first }}",
    "{{ names|map('upper')|select('in', names|map('upper')|list)|list }}",
    "{{ url_for('static', filename='a.css') }}{{ config.DEBUG }}{{ config['TESTING'] }}",
    "{{ request.path }}{{ request.args.get('x', 'none') }}{{ g.x|default('unset') }}",
    "{% autoescape false %}{{ names|map('upper')|join('<') }}{{ '<b>' }}{% endautoescape %}",
    "{{ '<b>'|e }}{{ '<b>'|safe }}{{ names|join('<b>'|safe) }}{{ names|map('e')|join('<') }}",
)
FILES = {
    "macros.html": "{% macro largest(xs) %}{{ xs|max }}{% endmacro %}{% set value = 7 %}"
    "{% macro context_names() %}{{ names|map('upper')|sort|join }}{% endmacro %}",
    "shown.html": "{{ shown|sort|join }}{{ names|map('title')|max }}",
    "base.html": "<{% block title %}{{ names|map('upper')|min }}{% endblock %}>"
    "{% block body %}{{ names|select('equalto', 'ada')|join }}{% endblock %}",
}


class User:
    """A user with attributes and a method."""

    def __init__(self, name: str, age: int, *, admin: bool) -> None:
        self.name = name
        self.age = age
        self.admin = admin
        self.pair = (name, age)
        self.address = SimpleNamespace(city=f"{name}ville")

    def greet(self, word: str) -> str:
        return f"{word} {self.name}"


def generate() -> Iterator[str]:
    yield "eve"
    yield "dan"


def values() -> dict[str, Any]:
    """Return the variables of the templates, new ones for each rendering."""
    leaf = SimpleNamespace(name="leaf", children=[])
    return {
        "users": [
            User("bob", 3, admin=True),
            User("ada", 36, admin=False),
            User("cyd", 7, admin=True),
        ],
        "names": ["bob", "ada", "cyd", "ada"],
        "pairs": [("a", 1), ("b", 2)],
        "empty": [],
        "generate": generate,
        "function": lambda xs: [getattr(x, "name", x) for x in xs],
        "arguments": lambda *xs: "-".join(xs),
        "tree": [SimpleNamespace(name="root", children=[leaf, leaf]), leaf],
        "money": Decimal("1.50"),
        "day": date(2024, 2, 29),
        "markup": [Markup("<b>"), "<i>"],
        "nothing": None,
    }


def prepare(app: Any) -> Any:
    """Add filters and templates to *app*."""
    app.jinja_options = {"loader": DictLoader(FILES)}
    app.add_template_filter(lambda xs: [f"{x}!" for x in xs], "shout")
    app.add_template_filter(lambda xs: xs, "keep")
    app.add_template_filter(lambda xs: sum(1 for _ in xs), "count_items")
    app.add_template_filter(lambda xs: zip(xs, xs, strict=True), "pairs")
    app.add_template_filter(lambda x: [x], "map_one")
    return app


FLASK = prepare(flask.Flask(__name__))
FAITHFUL = prepare(FaithfulQuart(__name__))


def in_flask(source: str) -> str:
    with FLASK.test_request_context("/"):
        try:
            return flask.render_template_string(source, **values())
        except Exception as error:
            return f"{type(error).__name__}"


async def in_faithful(source: str) -> str:
    async with FAITHFUL.test_request_context("/"):
        try:
            return await render_template_string(source, **values())
        except Exception as error:
            return f"{type(error).__name__}"


@pytest.mark.parametrize("root", ROOTS)
async def test_expressions(root: str) -> None:
    """Each filter that follows gives Flask's result, or an error of the same type."""
    different = {}
    for after in AFTER:
        source = f"{{{{ ({root}){after} }}}}"
        results = [in_flask(source), await in_faithful(source)]
        if "|random" in after:
            results = ["" if each.isalpha() and len(each) < 9 else each for each in results]
        if results[0] != results[1]:
            different[source] = results
    assert different == {}


@pytest.mark.parametrize("source", TEMPLATES)
async def test_templates(source: str) -> None:
    """Each template is rendered as by Flask."""
    assert await in_faithful(source) == in_flask(source)


class Rows:
    """An asynchronous iterable that notes how many rows were read."""

    def __init__(self, count: int = 3) -> None:
        self.count = count
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[Any]:
        for number in range(self.count):
            await asyncio.sleep(0)
            self.read += 1
            yield SimpleNamespace(name=f"n{self.count - number}", odd=number % 2)


class Lazy:
    """An object with an attribute that has to be awaited."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> Any:
        async def load() -> str:
            await asyncio.sleep(0)
            return self._name

        return load()


async def slow_upper(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% for row in rows %}{{ row.name }}{{ loop.length }}{% endfor %}", "n33n23n13"),
        ("{{ rows|map(attribute='name')|sort|join(',') }}", "n1,n2,n3"),
        ("{{ rows|map(attribute='name')|max }}", "n3"),
        ("{{ rows|map(attribute='name')|map('upper')|min }}", "N1"),
        ("{{ rows|map(attribute='name')|reverse|list }}", "['n1', 'n2', 'n3']"),
        ("{{ rows|selectattr('odd')|map(attribute='name')|list }}", "['n2']"),
        ("{{ rows|rejectattr('odd')|map(attribute='name')|batch(2)|list }}", "[['n3', 'n1']]"),
        ("{{ rows|sort(attribute='name')|map(attribute='name')|first }}", "n1"),
        ("{{ (rows|max(attribute='name')).name }}", "n3"),
        ("{{ rows|default([])|map(attribute='name')|join }}", "n3n2n1"),
        ("{{ rows|groupby('odd')|map('first')|sort }}", "[0, 1]"),
        ("{{ names|map('slow_upper')|join(',') }}", "BOB,ADA,CYD,ADA"),
        ("{{ names|map('slow_upper')|sort|join(',') }}", "ADA,ADA,BOB,CYD"),
        ("{{ names|map('slow_upper')|map('lower')|sort|unique|join }}", "adabobcyd"),
        ("{{ names|map('slow_upper')|select('equalto', 'ADA')|list }}", "['ADA', 'ADA']"),
        (
            "{{ names|map('slow_upper')|reject('equalto', 'ADA')|map('lower')|sort }}",
            "['bob', 'cyd']",
        ),
        ("{{ names|map('slow_upper')|select('equalto', 'CYD')|map('slow_lower')|max }}", "cyd"),
        ("{{ names|map('slow_upper')|reverse|first }}{{ names[0]|slow_upper }}", "ADABOB"),
        ("{{ names|map('slow_upper')|batch(3)|map('join')|list }}", "['BOBADACYD', 'ADA']"),
        (
            "{% for n in names|map('slow_upper') %}{{ n }}{{ loop.last }}{% endfor %}",
            "BOBFalseADAFalseCYDFalseADATrue",
        ),
        ("{{ lazy|map(attribute='name')|sort|join }}{{ lazy[0].name }}", "abb"),
        (
            "{{ lazy|map(attribute='name')|first }}{{ lazy|map(attribute='name')|list }}",
            "b['b', 'a']",
        ),
        ("{{ lazy|map(attribute='name')|groupby(0)|list|length }}", "2"),
        ("{% set a, b = lazy|map(attribute='name')|list %}{{ a }}{{ b }}", "ba"),
    ],
)
async def test_asynchronous_values(source: str, expected: str) -> None:
    """Asynchronous iterables, filters and attributes work before each filter."""
    app = FaithfulQuart(__name__)
    app.jinja_options = {"autoescape": False}
    app.add_template_filter(slow_upper)

    @app.template_filter("slow_lower")
    async def slow_lower(text: str) -> str:
        await asyncio.sleep(0)
        return text.lower()

    names = ["bob", "ada", "cyd", "ada"]
    lazy = [Lazy("b"), Lazy("a")]
    async with app.app_context():
        rendered = await render_template_string(source, rows=Rows(), names=names, lazy=lazy)
    assert rendered == expected


@pytest.mark.parametrize("use", ["'ADA' in ({})", "dict({})", "({})|shout", "arguments(*{})"])
async def test_awaitable_items_of_python(use: str) -> None:
    """Where an item can't be awaited, the error says what to write. It was a list of coroutines."""
    app = prepare(FaithfulQuart(__name__))
    app.add_template_filter(slow_upper)
    source = "{{ " + use.format("names|map('slow_upper')") + " }}"
    async with app.app_context():
        with pytest.raises(TypeError, match=r"write \|map\(\.\.\.\)\|list"):
            await render_template_string(source, **values())
        source = source.replace("|map('slow_upper')", "|map('slow_upper')|list")
        if "dict" not in use:
            await render_template_string(source, **values())
    gc.collect()


async def test_streams_stay_streams() -> None:
    """A loop over an asynchronous iterable sends each row before it reads the next one."""
    app = FaithfulQuart(__name__)
    for source in (
        "{% for row in rows %}{{ row.name }};{% endfor %}",
        "{% for name in rows|map(attribute='name') %}{{ name }};{% endfor %}",
        "{% for row in rows|selectattr('name') %}{{ row.name }};{% endfor %}",
        "{% for row in rows|default([]) %}{{ row.name }};{% endfor %}",
    ):
        rows = Rows(1000)
        async with app.test_request_context("/"):
            stream = await stream_template_string(source, rows=rows)
            iterator = aiter(stream)
            await anext(iterator)
            assert rows.read < 10
            await iterator.aclose()  # type: ignore[attr-defined]


async def test_text_before_a_call_is_sent() -> None:
    """A stream sends the text before a call that takes time, before the call ends."""
    app = FaithfulQuart(__name__)
    called = asyncio.Event()

    async def slow() -> str:
        await called.wait()
        return "end"

    async with app.test_request_context("/"):
        stream = await stream_template_string("begin{{ slow() }}{{ a }}", slow=slow, buffering=1)
        iterator = aiter(stream)
        assert await anext(iterator) == "begin"
        called.set()
        assert "".join([text async for text in iterator]) == "end"


@pytest.mark.parametrize(
    "source",
    [
        "{% for row in rows %}{{ row.name }}{{ loop.index }}{% endfor %}",
        "{% for row in rows %}{% if loop.index > 2 %}{% break %}{% endif %}"
        "{{ row.name }}{% endfor %}",
        "{% for row in rows if row.odd %}{% continue %}{% else %}none{% endfor %}",
        "{% for a in rows %}{% for b in users %}{% if b.admin %}{% continue %}{% endif %}"
        "{{ a.name }}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
        "{% for row in rows %}{% set last = loop.last %}{{ last }}{{ row.name }}"
        "{% endfor %}{{ last }}",
        "{% for a, b in pairs recursive %}{{ a }}{{ b }}{% if b == 1 %}{{ loop([('x', 2)]) }}"
        "{% endif %}{{ loop.depth }}{% endfor %}",
    ],
)
async def test_loops(source: str) -> None:
    """Loops over asynchronous and synchronous iterables give Flask's text."""
    rows = [SimpleNamespace(name=f"n{3 - n}", odd=n % 2) for n in range(3)]
    theirs, ours = flask.Flask(__name__), FaithfulQuart(__name__)
    for each in (theirs, ours):
        each.jinja_options = {"extensions": ["jinja2.ext.loopcontrols"]}
    with theirs.app_context():
        expected = flask.render_template_string(source, **values(), rows=rows)
    async with ours.app_context():
        assert await render_template_string(source, **values(), rows=rows) == expected
        assert await render_template_string(source, **values(), rows=Rows()) == expected


class StoredCode(BytecodeCache):
    """A bytecode cache in memory."""

    def __init__(self) -> None:
        self.code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self.code:
            bucket.bytecode_from_string(self.code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self.code[bucket.key] = bucket.bytecode_to_string()


@pytest.mark.parametrize("macro_first", [True, False])
async def test_bytecode_cache(macro_first: bool) -> None:
    """A macro that is called without await, and a page, do not use the other's code."""
    files = {"page": "{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}{{ bold(1) }}"}
    cache = StoredCode()
    for of_macro in (macro_first, not macro_first):
        app = FaithfulQuart(__name__)
        app.jinja_loader = DictLoader(files)
        app.jinja_env.bytecode_cache = cache
        async with app.app_context():
            if of_macro:
                assert get_template_attribute("page", "bold")(1) == "<b>1</b>"
            else:
                assert await render_template("page") == "<b>1</b>"
    assert cache.code


async def test_overlay() -> None:
    """Templates of an overlay have its options, also if the environment has the same text."""
    environment = FaithfulQuart(__name__).jinja_env
    source = "{{ x }}[[ x ]]"
    other = environment.overlay(variable_start_string="[[", variable_end_string="]]")
    assert await environment.from_string(source).render_async(x=1) == "1[[ x ]]"
    assert await other.from_string(source).render_async(x=1) == "{{ x }}1"
    synchronous = environment.overlay(enable_async=False).from_string(source)
    assert synchronous.render(x=1) == "1[[ x ]]"
    with pytest.raises(RuntimeError, match="async mode"):
        await synchronous.render_async(x=1)


async def test_strings_are_compiled_once() -> None:
    """A text is compiled again only if what its code depends on has changed."""
    environment = FaithfulQuart(__name__).jinja_env
    first = environment.from_string("{{ x|upper }}")
    assert environment.from_string("{{ x|upper }}") is first
    assert environment.from_string("{{ x|upper }}", {"x": 1}) is not first
    environment.filters["new"] = lambda x: f"new {x}"
    template = environment.from_string("{{ x|new }}")
    assert environment.from_string("{{ x|upper }}") is not first
    assert await template.render_async(x="<") == "new &lt;"
    environment.autoescape = False
    assert await environment.from_string("{{ x|new }}").render_async(x="<") == "new <"
    environment.autoescape = True
    for number in range(300):
        environment.from_string(str(number))
    assert environment.from_string("{{ x|new }}") is not template


async def test_map_is_lazy() -> None:
    """As in Flask, map() and select() read only what is used."""
    app = FaithfulQuart(__name__)

    def endless() -> Iterator[int]:
        number = 0
        while True:
            yield (number := number + 1)

    source = "{{ endless()|map('string')|map('int')|select|first }}"
    async with app.app_context():
        assert await render_template_string(source, endless=endless) == "1"


async def test_own_environment_options() -> None:
    """Blocks, line numbers of errors and a policy for undefined names work as before."""
    app = prepare(FaithfulQuart(__name__))
    for line, source in (
        (3, "a\nb\n{{ users[0].greet(1 // zero) }}"),
        (4, "a\n{% for x in users %}\nb{{ x }}\n{{ 1 // zero }}\n{{ x }}{% endfor %}"),
        (2, "a\n{% for x in 1 // zero %}{{ x }}{% endfor %}"),
        (3, "{% for x in users if x.name %}\n{{ loop.index }}\n{{ 1 // zero }}b{% endfor %}"),
        (
            5,
            "{% macro m() %}\n{% for x in users %}\n\n\n{{ 1 // zero }}{% endfor %}"
            "{% endmacro %}\n{{ m() }}",
        ),
    ):
        async with app.test_request_context("/"):
            with pytest.raises(ZeroDivisionError) as caught:
                await render_template_string(source, zero=0, **values())
        assert caught.traceback[-1].lineno == line - 1
    async with app.test_request_context("/"):
        assert await render_template("shown.html", shown=["x"], names=["a"]) == "xA"
