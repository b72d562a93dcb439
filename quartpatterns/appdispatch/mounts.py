"""Applications at fixed prefixes, beside each other in one server."""

from __future__ import annotations

from collections.abc import Mapping

from .asgi import ASGIApp, Receive, Scope, Send, local_path, tidy
from .children import Child, OnStartupFailure
from .lifespans import serve_lifespan, start_all, stop_all

__all__ = ["DispatcherMiddleware"]


class DispatcherMiddleware:
    """Send each request to the application whose prefix its path begins with.

    Werkzeug's class of that name, for ASGI. Prefixes match by segment, the longest first:
    ``/backend`` has ``/backend/x`` and not ``/backendx``. The application finds its prefix in
    ``root_path``, so that ``url_for`` is right at any depth of dispatchers in dispatchers; a
    request for the prefix alone is redirected to the prefix and a slash with 308.

    Start-up and shutdown reach every application: first *app*, then the mounted ones all at
    once; shutdown goes the other way round::

        app.asgi_app = DispatcherMiddleware(app.asgi_app, {"/backend": backend})

    Arguments:
        app: Answers what no prefix matches, and sees those requests unchanged.
        mounts: ASGI applications by prefix, each of the form ``/one`` or ``/one/two``.
        on_startup_failure: Called with the :class:`StartupError` of a mounted application that
            doesn't start, to make the one that answers in its place, such as
            :func:`unavailable`. Without it the whole start-up fails.

    Raises:
        ValueError: A prefix is not of that form.
    """

    def __init__(
        self,
        app: ASGIApp,
        mounts: Mapping[str, ASGIApp],
        *,
        on_startup_failure: OnStartupFailure | None = None,
    ) -> None:
        self.app = app
        self.mounts = {_checked(prefix): mount for prefix, mount in mounts.items()}
        self.on_startup_failure = on_startup_failure
        self._app = Child(app, "")
        self._children: dict[str, Child] = {}
        for prefix, mount in self.mounts.items():
            self._children[prefix] = self._known(mount) or Child(mount, prefix)
        # How many segments the prefixes have: there a path is cut, and nowhere else.
        self._sizes = sorted({prefix.count("/") for prefix in mounts}, reverse=True)
        self._cuts = max(self._sizes, default=0) + 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._start, self._stop)
            return
        scope = tidy(scope)
        path = local_path(scope)
        if path == "":
            await self._app.answer_below("", "", scope, receive, send)
        elif path is None or (prefix := self._prefix(path)) is None:
            await self._app.answer(scope, receive, send)
        else:
            rest = path[len(prefix) :]
            await self._children[prefix].answer_below(prefix, rest, scope, receive, send)

    def _prefix(self, path: str) -> str | None:
        """The longest of the prefixes that *path* begins with."""
        segments = path.split("/", self._cuts)
        for size in self._sizes:
            prefix = "/".join(segments[: size + 1])
            if prefix in self._children:
                return prefix
        return None

    def _known(self, app: ASGIApp) -> Child | None:
        """The child that is *app* already: one mounted twice is started once."""
        children = [self._app, *self._children.values()]
        return next((child for child in children if child.app == app), None)

    @property
    def _mounted(self) -> list[Child]:
        return [child for child in dict.fromkeys(self._children.values()) if child != self._app]

    async def _start(self) -> None:
        await self._app.start()
        try:
            await start_all(self._mounted, self.on_startup_failure)
        except BaseException:
            await self._app.stop()
            raise

    async def _stop(self) -> None:
        try:
            await stop_all(self._mounted)
        finally:
            await self._app.stop()


def _checked(prefix: str) -> str:
    if prefix.strip("/") == "":
        raise ValueError("the application for everything else is the first argument, no mount")
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise ValueError(f"a mount is written '/{prefix.strip('/')}', not {prefix!r}")
    return prefix
