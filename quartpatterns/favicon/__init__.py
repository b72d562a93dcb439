"""The icon that browsers ask for at the root.

.. code-block:: python

    from quartpatterns.favicon import add_favicon

    add_favicon(app)
"""

from quartpatterns.favicon.icon import add_favicon

__all__ = ["add_favicon"]
