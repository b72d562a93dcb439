"""Several applications in one server: by path, by subdomain, by route, or created on demand.

Each dispatcher is an ASGI application for HTTP and websockets. It passes the events of start-up and
shutdown on to its applications::

    from quartpatterns.appdispatch import DispatcherMiddleware

    app.asgi_app = DispatcherMiddleware(app.asgi_app, {"/backend": backend})

:class:`WSGIMiddleware` runs Flask beside Quart, and :class:`RouteDispatcher` moves a Flask
application to Quart route by route. :class:`GreenletWSGIMiddleware` runs Flask on the event loop,
if its databases have asynchronous drivers.

The errors are :exc:`LifespanError` and its subclass :exc:`StartupError`.
"""

from .asgi import ASGIApp, not_found
from .dispatchers import DispatcherMiddleware, RouteDispatcher
from .greenlets import GreenletWSGIMiddleware
from .lifespan import LifespanError, OnStartupFailure, StartupError, unavailable
from .on_demand import CreateApp, PathDispatcher, SubdomainDispatcher
from .wsgi import WSGIApp, WSGIMiddleware

__all__ = [
    "ASGIApp",
    "CreateApp",
    "DispatcherMiddleware",
    "GreenletWSGIMiddleware",
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
