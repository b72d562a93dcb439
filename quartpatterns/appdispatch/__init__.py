"""Several applications in one server, by path, by subdomain, by route, or made on demand.

All of these are ASGI applications, for HTTP and websockets, that pass start-up and shutdown on
to what they hold::

    from quartpatterns.appdispatch import DispatcherMiddleware

    app.asgi_app = DispatcherMiddleware(app.asgi_app, {"/backend": backend})

Flask mounts beside Quart with :class:`WSGIMiddleware`, and moves to it route by route with
:class:`RouteDispatcher`.
"""

from .asgi import ASGIApp, not_found
from .children import LifespanError, OnStartupFailure, StartupError, unavailable
from .hosts import SubdomainDispatcher
from .instances import CreateApp
from .mounts import DispatcherMiddleware
from .paths import PathDispatcher
from .routes import RouteDispatcher
from .wsgi import WSGIApp, WSGIMiddleware

__all__ = [
    "ASGIApp",
    "CreateApp",
    "DispatcherMiddleware",
    "LifespanError",
    "OnStartupFailure",
    "PathDispatcher",
    "RouteDispatcher",
    "StartupError",
    "SubdomainDispatcher",
    "WSGIApp",
    "WSGIMiddleware",
    "not_found",
    "unavailable",
]
