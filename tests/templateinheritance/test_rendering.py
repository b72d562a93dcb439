"""A block alone is what the page has in its place; macros and variables."""

from __future__ import annotations

import asyncio
import re
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import DictLoader, TemplateNotFound
from markupsafe import Markup
from quart import Blueprint, Quart, current_app, g, render_template
from quart import get_template_attribute as quart_get_template_attribute
from quart.signals import before_render_template, template_rendered

from quartpatterns.templateinheritance import (
    BlockNotFoundError,
    get_template_attribute,
    render_block,
)
from tests.examples import examples

TEMPLATES = {
    "base": "{% set top = 'T' %}<a>{% block one %}base one{% endblock %}{{ count() }}</a>"
    "{% set late = 'L' %}{% block two %}base two {{ top }}{{ late }}{% endblock %}"
    "{% block only %}of the base{% endblock %}",
    "middle": "{% extends 'base' %}{% import 'macros' as m %}"
    "{% block two %}middle {{ super() }} {{ m.bold('x') }}{% endblock %}",
    "page": "{% extends 'middle' %}{% set here = 'H' %}{% from 'macros' import bold %}"
    "{% block one %}{{ here }} {{ super() }} {{ bold(value) }}{% endblock %}"
    "{% block two %}page {{ super() }}{% block nested %}N{{ value }}{% endblock %}{% endblock %}",
    "macros": "{% macro bold(text) %}<b>{{ text }}</b>{% endmacro %}",
    "chosen": "{% extends parent %}{% block one %}chosen{% endblock %}",
    "plain": "no block",
    "broken": "{% extends 'base' %}{% block one %}\n\n{{ 1 // 0 }}{% endblock %}",
    "loop": "{% for item in items %}{% block each scoped %}{{ item }}{% endblock %}{% endfor %}",
    "called": "{% extends 'base' %}{% block one %}{{ value() }}{% endblock %}",
    "first.html": "{% block b %}{{ value }}{% endblock %}",
    "_cider.html": "{% set answer = 42 %}"
    "{% macro hello(name, mark='!') %}Hello {{ name }}{{ mark }}{% endmacro %}",
}


def count() -> str:
    """Count the calls of a layout outside of its blocks."""
    current_app.config["CALLS"] += 1
    return ""


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    app = app_class(__name__)
    app.jinja_loader = DictLoader(TEMPLATES)
    app.config["CALLS"] = 0
    app.add_template_global(count)
    return app


@pytest.mark.checks("TI-4")
@pytest.mark.parametrize(
    ("template", "block", "expected"),
    [
        pytest.param("base", "one", "base one", id="base"),
        pytest.param("page", "one", "H base one <b>v</b>", id="super, set and import"),
        pytest.param("page", "two", "page middle base two T <b>x</b>Nv", id="super of super"),
        pytest.param("page", "only", "of the base", id="inherited"),
        pytest.param("middle", "one", "base one", id="inherited from the middle"),
        pytest.param("page", "nested", "Nv", id="nested"),
        pytest.param(["nope", "page"], "nested", "Nv", id="first that exists"),
        pytest.param("chosen", "one", "chosen", id="parent by variable"),
        pytest.param("chosen", "two", "middle base two T <b>x</b>", id="inherited by variable"),
    ],
)
async def test_block(app: Quart, template: Any, block: str, expected: str) -> None:
    async with app.app_context():
        assert await render_block(template, block, value="v", parent="middle") == expected
    assert app.config["CALLS"] == 0


@pytest.mark.checks("TI-4")
async def test_escaping(app: Quart) -> None:
    """Autoescaping depends on the name of the template, as for pages."""
    async with app.app_context():
        assert await render_block("first.html", "b", value="<i>") == "&lt;i&gt;"
        assert await render_block("page", "nested", value="<i>") == "N<i>"


@pytest.mark.checks("TI-4")
async def test_context(app_class: type[Quart]) -> None:
    """Request, session, g and context processors work in blueprints and below a mount prefix."""
    app = app_class(__name__)
    template = (
        "{% block b %}{{ request.args.a }} {{ g.x }} {{ who }} {{ url_for('blue.view') }}"
        " {{ session.get('s', '-') }}{% endblock %}"
    )
    app.jinja_loader = DictLoader({"t.html": template})
    app.secret_key = "a key"
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")

    @blueprint.get("/")
    async def view() -> str:
        g.x = "of g"
        return await render_block("t.html", "b")

    @blueprint.context_processor
    async def who() -> dict[str, str]:
        return {"who": "of the blueprint"}

    app.register_blueprint(blueprint)
    response = await app.test_client().get("/mount/blue/?a=1", root_path="/mount")
    page = await response.get_data(as_text=True)
    assert page == "1 of g of the blueprint /mount/blue/ -"


@pytest.mark.checks("TI-4")
async def test_awaited_in_template(app: Quart) -> None:
    """A template awaits asynchronous functions, as for pages."""

    async def value() -> str:
        await asyncio.sleep(0)
        return "awaited"

    async with app.test_request_context("/"):
        assert await render_block("called", "one", value=value) == "awaited"


@pytest.mark.checks("TI-5")
async def test_signals(app: Quart) -> None:
    """The signals of rendering a template are sent."""
    received: list[tuple[str, str, Any]] = []

    def before(sender: Quart, template: Any, context: dict[str, Any]) -> None:
        received.append(("before", template.name, context["value"]))

    async def after(sender: Quart, template: Any, context: dict[str, Any]) -> None:
        received.append(("after", template.name, context["value"]))

    with before_render_template.connected_to(before), template_rendered.connected_to(after):
        async with app.app_context():
            await render_block("page", "nested", value=1)
    assert received == [("before", "page", 1), ("after", "page", 1)]


@pytest.mark.checks("TI-5")
async def test_errors(app: Quart) -> None:
    """An error names the existing blocks and has the template's lines in its traceback."""
    async with app.app_context():
        with pytest.raises(BlockNotFoundError, match="page has no block 'nestd'; it has nested"):
            await render_block("page", "nestd", value=1)
        with pytest.raises(BlockNotFoundError, match="and no other block"):
            await render_block("plain", "one")
        with pytest.raises(TemplateNotFound):
            await render_block("nope", "one")
        with pytest.raises(TemplateNotFound):
            await render_block("chosen", "one", parent="nope")
        with pytest.raises(ZeroDivisionError) as caught:
            await render_block("broken", "one")
        assert any(entry.name == "block 'one'" and entry.lineno == 2 for entry in caught.traceback)


@pytest.mark.checks("TI-4")
async def test_nothing_around(app: Quart) -> None:
    """Nothing around the block is rendered."""
    async with app.app_context():
        assert await render_block("loop", "each", items="abc") == ""
        assert await render_block("base", "two") == "base two T"
        assert await render_template("base") == "<a>base one</a>base two TLof the base"


@pytest.mark.checks("TI-4")
async def test_concurrent_blocks(app: Quart) -> None:
    """Blocks that are rendered concurrently have their own variables."""

    async def later(value: int) -> int:
        await asyncio.sleep(0.01)
        return value

    async with app.app_context():
        blocks = [render_block("called", "one", value=partial(later, n)) for n in range(20)]
        assert await asyncio.gather(*blocks) == [str(n) for n in range(20)]


BLOCKS = ("a", "b", "c")
body = st.lists(st.sampled_from(["text ", "{{ v }} ", "{{ super() }} ", "{{ s }} "]), max_size=3)
level = st.dictionaries(st.sampled_from(BLOCKS), body)


@pytest.mark.checks("TI-4")
@settings(max_examples=examples(150))
@given(st.lists(level, max_size=4), level)
def test_any_inheritance(levels: list[dict[str, list[str]]], base: dict[str, list[str]]) -> None:
    """For any inheritance, a block is the same alone and on its page."""
    templates = {"t0": "{% set s = 'S0' %}"}
    for name in BLOCKS:
        inner = "".join(base.get(name, ())).replace("{{ super() }}", "-")
        templates["t0"] += f"<{name}>{{% block {name} %}}{inner}{{% endblock %}}</{name}>"
    for number, overrides in enumerate(levels, 1):
        filled = "".join(
            f"{{% block {name} %}}{number} {''.join(parts)}{{% endblock %}}"
            for name, parts in overrides.items()
        )
        templates[f"t{number}"] = f"{{% extends 't{number - 1}' %}}{filled}"
    asyncio.run(compare(templates, f"t{len(levels)}"))


async def compare(templates: dict[str, str], name: str) -> None:
    app = Quart(__name__)
    app.jinja_loader = DictLoader(templates)
    async with app.app_context():
        page = await render_template(name, v="V")
        for block in BLOCKS:
            match = re.search(f"<{block}>(.*)</{block}>", page)
            assert match
            assert await render_block(name, block, v="V") == match[1]


@pytest.mark.checks("TI-6")
async def test_macro(app: Quart) -> None:
    """A macro is awaited and escapes its arguments."""
    async with app.app_context():
        hello = await get_template_attribute("_cider.html", "hello")
        assert await hello("World") == "Hello World!"
        assert await hello("<b>", mark="?") == "Hello &lt;b&gt;?"
        assert isinstance(await hello("World"), Markup)


@pytest.mark.checks("TI-6")
async def test_variable(app: Quart) -> None:
    async with app.app_context():
        assert await get_template_attribute("_cider.html", "answer") == 42


@pytest.mark.checks("TI-6")
async def test_missing_attribute(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(AttributeError, match="_cider.html has neither .* 'helo'"):
            await get_template_attribute("_cider.html", "helo")
        with pytest.raises(TemplateNotFound):
            await get_template_attribute("nope", "hello")


@pytest.mark.checks("TI-6")
async def test_function_of_quart(app: Quart) -> None:
    """Quart's own function fails."""
    async with app.app_context():
        with pytest.raises(RuntimeError, match="async mode"):
            quart_get_template_attribute("_cider.html", "hello")
