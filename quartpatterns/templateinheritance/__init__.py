"""A base layout, pages that fill its blocks, and parts of those pages on their own.

Templates with ``{% extends %}`` and ``{% block %}`` are Flask's, unchanged. What Flask has no
function for, and what of Flask's does not work in Quart, is here:

.. code-block:: python

    from quartpatterns.templateinheritance import get_template_attribute, render_block

    @app.get("/news/items")
    async def news_items():
        return await render_block("news.html", "items", news=await latest())
"""

from quartpatterns.templateinheritance.attributes import get_template_attribute
from quartpatterns.templateinheritance.blocks import BlockNotFoundError, render_block

__all__ = ["BlockNotFoundError", "get_template_attribute", "render_block"]
