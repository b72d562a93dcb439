"""Parts of templates: one block of a page, and macros and variables for use in Python.

Templates with ``{% extends %}`` and ``{% block %}`` work as in Flask. This adds a function that
Flask doesn't have, and one that doesn't work in Quart:

.. code-block:: python

    from quartpatterns.templateinheritance import get_template_attribute, render_block

    @app.get("/news/items")
    async def news_items():
        return await render_block("news.html", "items", news=await latest())
"""

from quartpatterns.templateinheritance.rendering import (
    BlockNotFoundError,
    get_template_attribute,
    render_block,
)

__all__ = ["BlockNotFoundError", "get_template_attribute", "render_block"]
