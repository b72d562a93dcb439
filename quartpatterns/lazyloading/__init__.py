"""Views that are imported for their first request.

A central map of URLs names the views, and starting the application imports none of them:

.. code-block:: python

    from quart import Quart
    from quartpatterns.lazyloading import lazy_url

    app = Quart(__name__)
    lazy_url(app, "yourapplication.views.index", ["/"])
    lazy_url(app, "yourapplication.views.user", ["/user/", "/user/<username>"])
"""

from quartpatterns.lazyloading.imports import LazyImportError
from quartpatterns.lazyloading.views import LazyView, lazy_url

__all__ = ["LazyImportError", "LazyView", "lazy_url"]
