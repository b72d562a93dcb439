"""The icon that browsers request at the root of the site.

.. code-block:: python

    from quartpatterns.favicon import add_favicon

    add_favicon(app)
"""

from quartpatterns.favicon.favicon import add_favicon

__all__ = ["add_favicon"]
