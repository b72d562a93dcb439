"""An application for the first segment of each path, made when it is first asked for."""

from __future__ import annotations

from .asgi import ASGIApp, Receive, Scope, Send, local_path, tidy
from .children import Child, OnStartupFailure
from .instances import CreateApp, Instances
from .lifespans import serve_lifespan

__all__ = ["PathDispatcher"]


class PathDispatcher:
    """Send each request to the application that a factory makes for its first path segment.

    Flask's page teaches this class; here it is for ASGI, and bounded. ``/alice/x`` is answered by
    ``create_app("alice")``, which finds ``/alice`` in its ``root_path``; ``/alice`` is
    redirected to ``/alice/`` with 308::

        app.asgi_app = PathDispatcher(app.asgi_app, make_app)

    Arguments:
        default_app: Answers where the factory returns ``None``, and sees the path unchanged.
        create_app: Takes the segment, percent-decoded, and returns an ASGI application or
            ``None``; synchronous (run in a thread) or not. It is called once for a segment
            however many ask, and asked again where it returned ``None`` or raised.
        max_instances: How many applications are kept. The one used longest ago is closed, with
            its shutdown, but none while a request of its own is under way.
        on_startup_failure: Called with the :class:`StartupError` of an application that doesn't
            start, to make the one that answers this request in its place, such as
            :func:`unavailable`. Without it the error goes to the server. Either way the next
            request tries anew.
    """

    def __init__(
        self,
        default_app: ASGIApp,
        create_app: CreateApp,
        *,
        max_instances: int = 100,
        on_startup_failure: OnStartupFailure | None = None,
    ) -> None:
        self.instances = Instances(
            create_app, max_instances=max_instances, on_startup_failure=on_startup_failure
        )
        self._default = Child(default_app, "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await serve_lifespan(receive, send, self._default.start, self._stop)
            return
        scope = tidy(scope)
        path = local_path(scope)
        if path == "":
            await self._default.answer_below("", "", scope, receive, send)
        elif path is None or (segment := path.lstrip("/").partition("/"))[0] in (".", ".."):
            await self._default.answer(scope, receive, send)
        else:
            await self._answer(*segment, scope, receive, send)

    async def _answer(
        self,
        name: str,
        slash: str,
        rest: str,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        async with self.instances.use(name) as child:
            if child is None:
                await self._default.answer(scope, receive, send)
            elif not name:
                await child.answer(scope, receive, send)
            else:
                # As in Flask's page: /alice//x is /x of alice.
                below = slash and f"/{rest.lstrip('/')}"
                await child.answer_below(f"/{name}", below, scope, receive, send)

    async def _stop(self) -> None:
        try:
            await self.instances.close()
        finally:
            await self._default.stop()
