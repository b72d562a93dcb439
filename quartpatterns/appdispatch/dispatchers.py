"""Dispatchers for a fixed set of applications: by prefix, and by route."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from quart import Quart
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from .asgi import ASGIApp, Receive, Scope, Send, header, local_path, normalize
from .lifespan import OnStartupFailure, SubApp, serve_lifespan, start_all, stop_all

__all__ = ["DispatcherMiddleware", "RouteDispatcher"]


class DispatcherMiddleware:
    """Pass each request to the application whose prefix matches, as Werkzeug's class does.

    Prefixes match by segment, the longest first: ``/backend`` matches ``/backend/x`` and not
    ``/backendx``. The application gets the prefix in ``root_path``, so that ``url_for`` works,
    also in nested dispatchers. A request for the prefix alone is redirected to the prefix with a
    slash, with 308::

        app.asgi_app = DispatcherMiddleware(app.asgi_app, {"/backend": backend})

    At start-up *app* is started first, then the mounted applications concurrently. Shutdown
    happens in the reverse order.

    Arguments:
        app: The application for requests that match no prefix. It gets them unchanged.
        mounts: ASGI applications by prefix, such as ``/one`` or ``/one/two``.
        on_startup_failure: A function that is called if the start-up of a mounted application
            fails. It takes the :class:`StartupError`, and returns the application that answers
            instead, as :func:`unavailable` does. Without it the whole start-up fails.

    Raises:
        ValueError: A prefix is invalid.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: ASGIApp,
        mounts: Mapping[str, ASGIApp],
        *,
        on_startup_failure: OnStartupFailure | None = None,
    ) -> None:
        self.app = app
        self.mounts = {_validate(prefix): mount for prefix, mount in mounts.items()}
        self.on_startup_failure = on_startup_failure
        self._app = SubApp(app, "")
        self._mounted: dict[str, SubApp] = {}
        for prefix, mount in self.mounts.items():
            # An application that is mounted twice is started once.
            existing = [one for one in (self._app, *self._mounted.values()) if one.app == mount]
            self._mounted[prefix] = existing[0] if existing else SubApp(mount, prefix)
        # The numbers of segments that prefixes have, the largest first.
        self._sizes = sorted({prefix.count("/") for prefix in mounts}, reverse=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._start, self._stop)
            return
        scope = normalize(scope)
        path = local_path(scope)
        if path == "":
            await self._app.answer_below("", "", scope, receive, send)
        elif path is None or (prefix := self._find_prefix(path)) is None:
            await self._app.answer(scope, receive, send)
        else:
            rest = path[len(prefix) :]
            await self._mounted[prefix].answer_below(prefix, rest, scope, receive, send)

    def _find_prefix(self, path: str) -> str | None:
        """Return the longest prefix that matches *path*."""
        segments = path.split("/", self._sizes[0] + 1 if self._sizes else 0)
        for size in self._sizes:
            prefix = "/".join(segments[: size + 1])
            if prefix in self._mounted:
                return prefix
        return None

    def _distinct(self) -> list[SubApp]:
        return [one for one in dict.fromkeys(self._mounted.values()) if one != self._app]

    async def _start(self) -> None:
        await self._app.start()
        try:
            await start_all(self._distinct(), self.on_startup_failure)
        except BaseException:
            await self._app.stop()
            raise

    async def _stop(self) -> None:
        try:
            await stop_all(self._distinct())
        finally:
            await self._app.stop()


def _validate(prefix: str) -> str:
    if prefix.strip("/") == "":
        raise ValueError(
            f"{prefix!r} can't be a prefix: pass the application for all other paths as the first"
            " argument"
        )
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise ValueError(f"a prefix must be written '/{prefix.strip('/')}', not {prefix!r}")
    return prefix


class RouteDispatcher:
    """Pass requests that a rule of *app* matches to *app*, and others to *default_app*.

    It moves a Flask application to Quart one route at a time. The paths do not change::

        app = Quart(__name__, static_folder=None)
        app.asgi_app = RouteDispatcher(app, WSGIMiddleware(flask_app.wsgi_app))

    Rules are matched by path and method, so ``GET`` can move before ``POST``. Keep the moved views
    in the Flask application until all views have moved. Its 405 responses then list all methods,
    and its ``url_for`` finds all routes.

    Arguments:
        app: The new application. Its rule for static files matches all paths below ``/static/``.
            Move all static files in one step, or create *app* with ``static_folder=None``.
        default_app: The old application, usually a :class:`WSGIMiddleware`.

    Raises:
        ValueError: *app* has ``subdomain_matching``. Use a :class:`SubdomainDispatcher` instead.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart, default_app: ASGIApp) -> None:
        if app.subdomain_matching:
            raise ValueError(
                "RouteDispatcher does not support subdomain_matching: create the application"
                " without it, and select the subdomain with a SubdomainDispatcher"
            )
        self.url_map = app.url_map
        self._app = SubApp(app.asgi_app, "")
        self._default = SubApp(default_app, "the default application")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            both = [self._app, self._default]
            await serve_lifespan(receive, send, partial(start_all, both), partial(stop_all, both))
            return
        scope = normalize(scope)
        path = local_path(scope)
        if path == "":
            await self._default.answer_below("", "", scope, receive, send)
        elif path is not None and self._matches(scope, path):
            await self._app.answer(scope, receive, send)
        else:
            await self._default.answer(scope, receive, send)

    def _matches(self, scope: Scope, path: str) -> bool:
        """Return whether a rule of *app* matches, or redirects to a path that matches."""
        # An invalid host would be an error, so pass it only to a map that matches hosts.
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
