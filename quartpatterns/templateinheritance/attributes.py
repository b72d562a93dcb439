"""Macros and variables of a template, for use in Python."""

from __future__ import annotations

from typing import Any

from quart import current_app

__all__ = ["get_template_attribute"]


async def get_template_attribute(template_name: str, attribute: str) -> Any:
    """A macro that a template defines, or a variable that it sets.

    :func:`quart.get_template_attribute` fails, as templates of Quart are asynchronous. A macro is
    therefore awaited, too:

    .. code-block:: python

        hello = await get_template_attribute("_cider.html", "hello")
        return await hello("World")

    As in Flask, the template is run without context: ``request``, ``g`` and what context
    processors add are not there.

    Arguments:
        template_name: The template.
        attribute: The name of the macro or variable.

    Raises:
        AttributeError: The template has no such name.
        jinja2.TemplateNotFound: There is no such template.
    """
    template = current_app.jinja_env.get_template(template_name)
    module = await template.make_module_async()
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise AttributeError(
            f"{template_name} has neither a macro nor a variable {attribute!r} at its top level"
        ) from None
