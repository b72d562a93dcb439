"""Contexts of requests, the session, and flashed messages."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from flask.sansio.blueprints import Blueprint
from quart import Quart, current_app, g, has_app_context, has_request_context, request
from quart.ctx import AppContext, RequestContext, WebsocketContext, _AppCtxGlobals
from quart.globals import app_ctx, request_ctx
from quart.sessions import SessionMixin
from quart.typing import ResponseTypes
from quart.wrappers import Request, Websocket
from werkzeug.exceptions import HTTPException

from quartpatterns._shared.flash import FlashedMessage, flash

__all__ = [
    "AppGlobals",
    "Contexts",
    "FaithfulRequestContext",
    "FaithfulWebsocketContext",
    "SessionInTemplates",
    "flash",
]

UNSET: Any = object()

# A test client sets this key of the scope to look at a request that has ended.
PRESERVE_CONTEXT = "_quart._preserve_context"

# The attribute of a request whose response is streamed, for the context variables of its view.
VIEW_CONTEXT = "view_context"


class _FaithfulContext:
    """What the contexts of requests and websockets have in common.

    ``session`` marks the session as accessed, so that the response varies by cookie. Flask
    3.1.3 does this in the context as well; Quart does it in some methods of the session.

    An error while the URL adapter is created, such as a host that is not trusted, becomes the
    routing error of the request. In Quart it is an error of the server.

    An application context that is current where the server was started is not that of the
    request: all requests would share its ``g``.

    Attributes:
        served: Whether the request comes from a server, and not from a test.
    """

    app: Quart
    served = False
    _session: SessionMixin | None = None
    # Quart reads the attribute ``session`` while it pushes the context. That is not an access.
    _mark_accessed = False

    def __init__(self, app: Quart, request: Any, session: SessionMixin | None = None) -> None:
        try:
            super().__init__(app, request, session)  # type: ignore[call-arg]
        except HTTPException as error:
            without_adapter = SimpleNamespace(json=app.json, create_url_adapter=_no_adapter)
            super().__init__(without_adapter, request, session)  # type: ignore[call-arg]
            self.app = app
            request.routing_exception = error

    @property
    def session(self) -> SessionMixin | None:
        """The session. Reading this attribute counts as access."""
        if self._session is not None and self._mark_accessed:
            self._session.accessed = True
        return self._session

    @session.setter
    def session(self, session: SessionMixin | None) -> None:
        self._session = session

    @property
    def opened_session(self) -> SessionMixin | None:
        """The session. Reading this attribute does not count as access."""
        return self._session


def _no_adapter(request: object) -> None:
    return None


class FaithfulRequestContext(_FaithfulContext, RequestContext):
    """The context of a request. Copies of it share ``g``."""

    app_context: AppContext | None = None
    """The application context, once this context has been pushed."""

    def __init__(self, app: Quart, request: Request, session: SessionMixin | None = None) -> None:
        super().__init__(app, request, session)
        self._pushed: list[AppContext | None] = []
        self.flashed: list[FlashedMessage] = []

    def copy(self) -> FaithfulRequestContext:
        """Return a context with the same request, session and ``g``."""
        copied = type(self)(self.app, self.request, self._session)
        copied.app_context = self.app_context
        return copied

    async def push(self) -> None:
        """Make the request and its application current, open the session and find the view."""
        current: Any = app_ctx._get_current_object() if has_app_context() else None
        pushed: AppContext | None = None
        original = self.app_context
        if (
            current is None
            or current.app is not self.app
            or self.served
            or (original is not None and original.g is not current.g)
        ):
            current = pushed = self.app.app_context() if original is None else original.copy()
            await current.push()
        self.app_context = current
        self._pushed.append(pushed)
        await super().push()
        self._mark_accessed = True

    async def pop(self, exc: BaseException | None = UNSET) -> None:
        """Run the teardown functions and make the previous context current."""
        arguments = () if exc is UNSET else (exc,)
        try:
            await super().pop(*arguments)
        finally:
            if (pushed := self._pushed.pop()) is not None:
                await pushed.pop(*arguments)

    async def auto_pop(self, exc: BaseException | None) -> None:
        """Pop this context at the end of the request, unless Quart's test client preserves it.

        For :class:`FaithfulClient` it is popped as well, so that the teardown functions get the
        error of the request, as in Flask. The client makes it current again.
        """
        if isinstance(self.request.scope.get(PRESERVE_CONTEXT), list):
            await self.pop(exc)
        else:
            await super().auto_pop(exc)


class FaithfulWebsocketContext(_FaithfulContext, WebsocketContext):
    """The context of a websocket."""

    def __init__(self, app: Quart, request: Any, session: SessionMixin | None = None) -> None:
        super().__init__(app, request, session)
        self._pushed: list[AppContext | None] = []

    async def push(self) -> None:
        """Make the websocket current, open its session and find its handler."""
        pushed = self.app.app_context() if self.served and has_app_context() else None
        if pushed is not None:
            await pushed.push()
        self._pushed.append(pushed)
        await super().push()
        self._mark_accessed = True

    async def pop(self, exc: BaseException | None = UNSET) -> None:
        """Run the teardown functions and make the previous context current."""
        arguments = () if exc is UNSET else (exc,)
        try:
            await super().pop(*arguments)
        finally:
            if (pushed := self._pushed.pop()) is not None:
                await pushed.pop(*arguments)


class Contexts(Quart):
    """An application that uses the contexts of this module."""

    def request_context(self, request: Request) -> FaithfulRequestContext:
        """Return a context for *request*."""
        return FaithfulRequestContext(self, request)

    def websocket_context(self, websocket: Websocket) -> FaithfulWebsocketContext:
        """Return a context for *websocket*."""
        context = FaithfulWebsocketContext(self, websocket)
        context.served = PRESERVE_CONTEXT not in websocket.scope
        return context

    async def process_response(
        self, response: ResponseTypes, request_context: RequestContext | None = None
    ) -> ResponseTypes:
        """Call the ``after_request`` functions and save the session.

        Quart's method reads the session of the context, which would count as access.

        Raises:
            RuntimeError: Under ``TESTING``, a call of :func:`flash` was not awaited.
        """
        context: Any = request_context or request_ctx._get_current_object()  # type: ignore[attr-defined]
        for flashed in context.flashed:
            if not flashed.awaited:
                raise RuntimeError(
                    f"flash({flashed.message!r}) was not awaited: write await flash(...)"
                )
        made: Any = response
        for function in context._after_request_functions:
            made = await self.ensure_async(function)(made)
        for name in (*context.request.blueprints, None):
            for function in reversed(self.after_request_funcs.get(name, ())):
                made = await self.ensure_async(function)(made)
        session = context._session
        if not self.session_interface.is_null_session(session):
            save = self.ensure_async(self.session_interface.save_session)
            await save(self, session, made)
        return made  # type: ignore[no-any-return]


async def _template_context() -> dict[str, Any]:
    """Return ``g`` and ``request`` themselves, which are faster than their proxies."""
    context: dict[str, Any] = {}
    if has_app_context():
        context["g"] = g._get_current_object()
    if has_request_context():
        context["request"] = request._get_current_object()  # type: ignore[attr-defined]
    return context


class SessionInTemplates(Quart):
    """Rendering a template does not count as access to the session, as in Flask 3.1.3.

    Quart passes the session itself to every template. The global proxy ``session`` is available
    in templates anyway.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.template_context_processors[None] = [_template_context]

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register *blueprint* without Flask's default template context processor.

        Each blueprint has it. It is synchronous, so Quart runs it in a thread for every page,
        where it finds no context of Flask's and returns nothing.
        """
        super().register_blueprint(blueprint, **options)
        for processors in self.template_context_processors.values():
            processors[:] = [each for each in processors if each.__module__ != "flask.templating"]


class AppGlobals(_AppCtxGlobals):
    """The class of ``g``. Its representation names the application, as in Flask."""

    def __repr__(self) -> str:
        if has_app_context():
            return f"<flask.g of {current_app.name!r}>"
        return super().__repr__()
