"""Parts of templates: one block of a page, and macros and variables for use in Python."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from difflib import get_close_matches
from typing import Any, cast

from jinja2.runtime import Context
from quart import current_app
from quart.signals import before_render_template, template_rendered

from quartpatterns._shared.calling import signal_wrapper

__all__ = ["BlockNotFoundError", "get_template_attribute", "render_block"]


class BlockNotFoundError(LookupError):
    """A template, with all templates that it extends, has no block with this name.

    .. versionadded:: 0.1
    """


async def render_block(
    template_name_or_list: str | list[str], block_name: str, **context: Any
) -> str:
    """Render one block of a template, and nothing else.

    The result is what the whole page has in that place. The block may come from a template that
    this one extends; ``super()``, imports and variables work. So a page, and the part of it that a
    script reloads, stay in one template. Context processors and the signals
    ``before_render_template`` and ``template_rendered`` work as in :func:`quart.render_template`.

    Nothing around the block is rendered. So a variable of a loop around the block is undefined, and
    so are variables that the base template sets after its first output.

    Arguments:
        template_name_or_list: The name of a template, or a list; the first that exists is used.
        block_name: The name of the block.
        context: The variables of the template.

    Raises:
        BlockNotFoundError: There is no such block; the message names similar ones.
        jinja2.TemplateNotFound: There is no such template.

    .. versionadded:: 0.1
    """
    app: Any = cast(Any, current_app)._get_current_object()
    await app.update_template_context(context)
    template = app.jinja_env.get_or_select_template(template_name_or_list)
    arguments: Any = {
        "template": template,
        "context": context,
        "_sync_wrapper": signal_wrapper(app),
    }
    await before_render_template.send_async(app, **arguments)
    rendered = await _render_block(template, block_name, template.new_context(context))
    await template_rendered.send_async(app, **arguments)
    return rendered


async def get_template_attribute(template_name: str, attribute: str) -> Any:
    """Return a macro that a template defines, or a variable that it sets.

    :func:`quart.get_template_attribute` raises an error, because templates of Quart are
    asynchronous. So you also await the macro:

    .. code-block:: python

        hello = await get_template_attribute("_cider.html", "hello")
        return await hello("World")

    As in Flask, the template runs without a context: ``request``, ``g`` and the variables of
    context processors are undefined.

    Arguments:
        template_name: The name of the template.
        attribute: The name of the macro or variable.

    Raises:
        AttributeError: The template has no such name.
        jinja2.TemplateNotFound: There is no such template.

    .. versionadded:: 0.1
    """
    template = current_app.jinja_env.get_template(template_name)
    module = await template.make_module_async()
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise AttributeError(
            f"{template_name} has neither a macro nor a variable {attribute!r} at its top level"
        ) from None


async def _render_block(template: Any, name: str, context: Context) -> str:
    try:
        # A template that extends another one runs its own imports and sets, and adds the blocks of
        # its parent, before the base template has its first output. So it is run up to there.
        root: AsyncGenerator[str] = template.root_render_func(context)
        async with aclosing(root) as output:
            await anext(output, None)
        if name not in context.blocks:
            raise _not_found(template, name, context)
        # Jinja declares blocks as synchronous; in Quart's environment they are asynchronous.
        block = cast("AsyncGenerator[str]", context.blocks[name][0](context))
        rendered: str = template.environment.concat([chunk async for chunk in block])
        return rendered
    except BlockNotFoundError:
        raise
    except Exception:
        # It raises the same error, with the lines of the templates in the traceback.
        return cast(str, template.environment.handle_exception())


def _not_found(template: Any, name: str, context: Context) -> BlockNotFoundError:
    names = sorted(context.blocks)
    if not names:
        return BlockNotFoundError(f"{template.name} has no block {name!r}, and no other block")
    similar = ", ".join(get_close_matches(name, names, n=3) or names)
    return BlockNotFoundError(f"{template.name} has no block {name!r}; it has {similar}")
