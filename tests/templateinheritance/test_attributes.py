"""Macros and variables of templates in Python."""

from __future__ import annotations

import pytest
from jinja2 import DictLoader, TemplateNotFound
from markupsafe import Markup
from quart import Quart
from quart import get_template_attribute as of_quart

from quartpatterns.templateinheritance import get_template_attribute

TEMPLATES = {
    "_cider.html": "{% set answer = 42 %}"
    "{% macro hello(name, mark='!') %}Hello {{ name }}{{ mark }}{% endmacro %}"
}


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    app = app_class(__name__)
    app.jinja_loader = DictLoader(TEMPLATES)
    return app


@pytest.mark.checks("TI-6")
async def test_macro(app: Quart) -> None:
    """A macro is awaited, and escapes what it is given."""
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
async def test_missing(app: Quart) -> None:
    async with app.app_context():
        with pytest.raises(AttributeError, match="_cider.html has neither .* 'helo'"):
            await get_template_attribute("_cider.html", "helo")
        with pytest.raises(TemplateNotFound):
            await get_template_attribute("nope", "hello")


@pytest.mark.checks("TI-6")
async def test_quart_has_none(app: Quart) -> None:
    """Quart's own function fails, which is why there is this one."""
    async with app.app_context():
        with pytest.raises(RuntimeError, match="async mode"):
            of_quart("_cider.html", "hello")
