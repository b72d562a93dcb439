"""Render one block of a page, as it would be on the page."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from difflib import get_close_matches
from typing import Any, cast

from jinja2 import Template
from jinja2.runtime import Context
from quart import current_app
from quart.signals import before_render_template, template_rendered

__all__ = ["BlockNotFoundError", "render_block"]


class BlockNotFoundError(LookupError):
    """Neither a template nor those that it extends have a block of this name."""


async def render_block(
    template_name_or_list: str | list[str], block_name: str, **context: Any
) -> str:
    """Render the block called *block_name* and nothing else of the template.

    It is what the whole page would have in that place: the block may come from a template that
    this one extends, ``super()`` works, and so does what the templates import and set. A page and
    the part of it that a script asks for anew so stay in one file.

    Nothing around the block is rendered. Therefore a variable of a loop around it is not there,
    and neither is what a *base* template sets behind its first output.

    Context processors and the signals ``before_render_template`` and ``template_rendered`` work
    as for :func:`quart.render_template`.

    Arguments:
        template_name_or_list: The template, or a list of which the first that exists is taken.
        block_name: The block.
        context: The variables of the template.

    Raises:
        BlockNotFoundError: There is no such block; the message says which there are.
        jinja2.TemplateNotFound: There is no such template.
    """
    app: Any = cast(Any, current_app)._get_current_object()
    await app.update_template_context(context)
    template = app.jinja_env.get_or_select_template(template_name_or_list)
    signalled = {"template": template, "context": context}
    await before_render_template.send_async(app, _sync_wrapper=app.ensure_async, **signalled)
    rendered = await _render(template, block_name, context)
    await template_rendered.send_async(app, _sync_wrapper=app.ensure_async, **signalled)
    return rendered


async def _render(template: Template, block_name: str, variables: dict[str, Any]) -> str:
    environment = template.environment
    context = template.new_context(variables)
    try:
        await _inherit(template, context)
        block = _block(template, context, block_name)
        chunks = [chunk async for chunk in _output(block(context))]
        return environment.concat(chunks)
    except BlockNotFoundError:
        raise
    except Exception:
        # Whatever it is, it is raised again, with the lines of templates in its traceback.
        return environment.handle_exception()


async def _inherit(template: Template, context: Context) -> None:
    """Have the blocks of all templates that *template* extends in *context*.

    A template that extends another adds its parent's blocks and sets and imports its own names
    before the base, which extends nothing, has its first output. That far it is run.
    """
    async with aclosing(_output(template.root_render_func(context))) as output:
        await anext(output, None)


def _block(template: Template, context: Context, name: str) -> Any:
    if found := context.blocks.get(name):
        return found[0]
    names = sorted(context.blocks)
    there_is = ", ".join(get_close_matches(name, names, n=3) or names) or "none"
    raise BlockNotFoundError(f"{template.name} has no block {name!r}; there is {there_is}")


def _output(generator: Any) -> AsyncGenerator[str]:
    """*generator*, which is asynchronous in Quart's environment and not as Jinja declares it."""
    return cast("AsyncGenerator[str]", generator)
