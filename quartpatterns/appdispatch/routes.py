"""Some routes here, the rest there: how an application moves one route at a time."""

from __future__ import annotations

from functools import partial

from quart import Quart
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from .asgi import ASGIApp, Receive, Scope, Send, header, local_path, tidy
from .children import Child
from .lifespans import serve_lifespan, start_all, stop_all

__all__ = ["RouteDispatcher"]


class RouteDispatcher:
    """Send each request that a rule of *app* matches to *app*, and the others to *default_app*.

    So a Flask application is ported a route at a time: what is ported is answered by Quart, on
    the same paths as before, and the rest by Flask as ever::

        app = Quart(__name__, static_folder=None)
        app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app.wsgi_app))

    A rule matches by path and method, so that ``GET`` may be ported before ``POST``. Leave the
    ported views in the Flask application until the last one has moved: it answers what no rule
    matches, and its 405 and its links then know all routes.

    Arguments:
        app: The application that routes move to. A rule for static files matches every path
            below it: move that folder whole, or build *app* with ``static_folder=None``.
        default_app: The application that routes move from, mostly a :class:`WSGIMiddleware`.

    Raises:
        ValueError: *app* matches subdomains: put a :class:`SubdomainDispatcher` before it.
    """

    def __init__(self, app: Quart, default_app: ASGIApp) -> None:
        if app.subdomain_matching:
            raise ValueError(
                "RouteDispatcher matches paths: build the application without"
                " subdomain_matching, and put a SubdomainDispatcher before it"
            )
        self.url_map = app.url_map
        self._app = Child(app.asgi_app, "")
        self._default = Child(default_app, "the default application")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            both = [self._app, self._default]
            await serve_lifespan(receive, send, partial(start_all, both), partial(stop_all, both))
            return
        scope = tidy(scope)
        path = local_path(scope)
        if path == "":
            await self._default.answer_below("", "", scope, receive, send)
        elif path is not None and self._matches(scope, path):
            await self._app.answer(scope, receive, send)
        else:
            await self._default.answer(scope, receive, send)

    def _matches(self, scope: Scope, path: str) -> bool:
        """Whether *app* has a rule for the request, or a redirect to where it has one."""
        # Only a map that matches hosts looks at them; what is none would be an error there.
        host = header(scope, b"host") if self.url_map.host_matching else None
        websocket = scope["type"] == "websocket"
        method = "GET" if websocket else scope["method"]
        try:
            self.url_map.bind(host or "localhost").match(path, method, websocket=websocket)
        except RequestRedirect:
            return True
        except HTTPException:
            return False
        return True
