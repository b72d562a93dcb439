"""Views that are imported when they are first asked for.

One map of the URLs names the views, and starting the application imports none of them::

    from quart import Quart
    from quartpatterns.lazyloading import lazy_url

    app = Quart(__name__)
    lazy_url(app, "yourapplication.views.index", ["/"])
    lazy_url(app, "yourapplication.views.user", ["/user/", "/user/<username>"])
"""

from .imports import LazyImportError
from .rules import lazy_url
from .view import LazyView

__all__ = ["LazyImportError", "LazyView", "lazy_url"]
