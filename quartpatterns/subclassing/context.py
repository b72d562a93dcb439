"""Contexts of requests, the session, and flashed messages."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportPrivateUsage=false, reportMissingTypeStubs=false
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import sys
from collections.abc import Coroutine
from contextvars import Token
from functools import cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from blinker import Signal
from flask.sansio.blueprints import Blueprint
from quart import Quart, current_app, has_app_context, has_websocket_context
from quart.ctx import AppContext, RequestContext, WebsocketContext, _AppCtxGlobals
from quart.globals import _cv_app, _cv_request, request_ctx, websocket_ctx
from quart.sessions import SessionMixin
from quart.signals import appcontext_popped, appcontext_pushed
from quart.typing import AfterRequestCallable, AfterWebsocketCallable, ResponseTypes
from quart.wrappers import Request, Websocket
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from quartpatterns._shared.flash import FlashedMessage, flash

__all__ = [
    "AppGlobals",
    "Contexts",
    "FaithfulAppContext",
    "FaithfulRequestContext",
    "FaithfulWebsocketContext",
    "SessionInTemplates",
    "current_blueprints",
    "flash",
    "send_signal",
]

UNSET: Any = object()

# A test client sets this key of the scope to look at a request that has ended.
PRESERVE_CONTEXT = "_quart._preserve_context"

# The attribute of a request whose response is streamed, for the context variables of its view.
VIEW_CONTEXT = "view_context"


async def send_signal(signal: Signal, app: Quart, **values: Any) -> None:
    """Call the receivers of *signal*, as blinker's ``send_async`` does in more time.

    Synchronous receivers run in a thread.
    """
    if not signal.is_muted:
        for receiver in signal.receivers_for(app):
            await app.ensure_async(receiver)(app, **values)


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
        # Quart's __init__ would raise the routing error, and takes four calls for each request.
        self.app = app
        self.request_websocket = request
        self.url_adapter: MapAdapter | None = None
        request.routing_exception = None
        request.json_module = app.json
        try:
            self.url_adapter = app.create_url_adapter(request)
        except HTTPException as error:
            request.routing_exception = error
        self._session = session
        self.preserved = False
        self._cv_tokens: list[Any] = []

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


class FaithfulAppContext(AppContext):
    """An application context that sends its signals only if somebody receives them.

    Its URL adapter is created when it is first used.
    """

    def __init__(self, app: Quart) -> None:
        self.app = app
        self.g = app.app_ctx_globals_class()
        self._tokens: list[Token[AppContext]] = []

    @cached_property
    def url_adapter(self) -> MapAdapter | None:  # type: ignore[override]
        """The adapter for URLs outside of requests. A request has an adapter of its own."""
        return self.app.create_url_adapter(None)

    async def push(self) -> None:
        """Make the application current."""
        self._tokens.append(_cv_app.set(self))
        if appcontext_pushed.receivers:
            await send_signal(appcontext_pushed, self.app)

    async def pop(self, exc: BaseException | None = UNSET) -> None:
        """Run the teardown functions and make the previous application current."""
        try:
            if len(self._tokens) == 1:
                if exc is UNSET:
                    exc = sys.exc_info()[1]
                await self.app.do_teardown_appcontext(exc)
        finally:
            current = _cv_app.get()
            _cv_app.reset(self._tokens.pop())
            if current is not self:
                raise AssertionError(f"Popped wrong app context. ({current!r} instead of {self!r})")
        if appcontext_popped.receivers:
            await send_signal(appcontext_popped, self.app)


class FaithfulRequestContext(_FaithfulContext, RequestContext):
    """The context of a request. Copies of it share ``g``.

    ``push`` and ``pop`` do what Quart's do, in one coroutine each instead of in eight.
    """

    if not TYPE_CHECKING:
        # Each access to the proxy of the request reads it. Quart's property takes two calls.
        request = property(attrgetter("request_websocket"), doc="The request.")

    app_context: AppContext | None = None
    """The application context, once this context has been pushed."""

    def __init__(self, app: Quart, request: Request, session: SessionMixin | None = None) -> None:
        super().__init__(app, request, session)
        self.flashes = None
        self._after_request_functions: list[AfterRequestCallable] = []
        self._tokens: list[tuple[Token[RequestContext], AppContext | None]] = []
        self.flashed: list[FlashedMessage] = []

    def copy(self) -> FaithfulRequestContext:
        """Return a context with the same request, session and ``g``."""
        copied = type(self)(self.app, self.request, self._session)
        copied.app_context = self.app_context
        return copied

    async def push(self) -> None:
        """Make the request and its application current, open the session and find the view."""
        app, current = self.app, _cv_app.get(None)
        pushed: AppContext | None = None
        original = self.app_context
        if (
            current is None
            or current.app is not app
            or self.served
            or (original is not None and original.g is not current.g)
        ):
            current = pushed = app.app_context() if original is None else original.copy()
            await current.push()
        self.app_context = current
        self._tokens.append((_cv_request.set(self), pushed))
        if self._session is None:
            interface = app.session_interface
            session = await app.ensure_async(interface.open_session)(app, self.request_websocket)
            if session is None:
                session = await interface.make_null_session(app)
            self._session = session
        if self.url_adapter is not None:
            self.match_request()
        self._mark_accessed = True

    async def pop(self, exc: BaseException | None = UNSET) -> None:
        """Run the teardown functions and make the previous context current."""
        if exc is UNSET:
            exc = sys.exc_info()[1]
        try:
            if len(self._tokens) == 1:
                await self.app.do_teardown_request(exc, self)
                if (close := getattr(self.request_websocket, "close", None)) is not None:
                    await close()
        finally:
            current = _cv_request.get()
            token, pushed = self._tokens.pop()
            _cv_request.reset(token)
            if pushed is not None:
                await pushed.pop(exc)
            if current is not self:
                raise AssertionError(
                    f"Popped wrong request context. ({current!r} instead of {self!r})"
                )
            if self.served:
                # The traceback refers to the request. Without this cycle, the objects of a request
                # for an unknown path need no garbage collection.
                self.request_websocket.routing_exception = None

    def auto_pop(  # pyright: ignore[reportIncompatibleMethodOverride] - it expects a subclass
        self, exc: BaseException | None
    ) -> Coroutine[Any, Any, None]:
        """Pop this context at the end of the request, unless Quart's test client preserves it.

        For :class:`FaithfulClient` it is popped as well, so that the teardown functions get the
        error of the request, as in Flask. The client makes it current again.
        """
        # Not "request.scope": a cache records who reads this attribute.
        preserved = vars(self.request_websocket)["scope"].get(PRESERVE_CONTEXT)
        if isinstance(preserved, list) or (not preserved and exc is None):
            return self.pop(exc)
        return super().auto_pop(exc)


class FaithfulWebsocketContext(_FaithfulContext, WebsocketContext):
    """The context of a websocket."""

    def __init__(self, app: Quart, request: Any, session: SessionMixin | None = None) -> None:
        super().__init__(app, request, session)
        self._after_websocket_functions: list[AfterWebsocketCallable] = []
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

    def app_context(self) -> AppContext:
        """Return an application context."""
        return FaithfulAppContext(self)

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
        if self.after_request_funcs:
            for name in (*context.request_websocket.blueprints, None):
                for function in reversed(self.after_request_funcs.get(name, ())):
                    made = await self.ensure_async(function)(made)
        session = context._session
        if not self.session_interface.is_null_session(session):
            save = self.ensure_async(self.session_interface.save_session)
            await save(self, session, made)
        return made  # type: ignore[no-any-return]


def current_blueprints() -> list[str]:
    """Return the names of the blueprint of the current request or websocket, and its parents."""
    # Not has_request_context(): each access to a proxy takes as long as a look-up here.
    context: Any = _cv_request.get(None)
    if context is None and has_websocket_context():
        context = websocket_ctx
    return [] if context is None else context.request_websocket.blueprints


async def _template_context() -> dict[str, Any]:
    """Return ``g`` and ``request`` themselves, which are faster than their proxies."""
    variables: dict[str, Any] = {}
    if (app_context := _cv_app.get(None)) is not None:
        variables["g"] = app_context.g
    if (context := _cv_request.get(None)) is not None:
        variables["request"] = context.request
    return variables


class SessionInTemplates(Quart):
    """Rendering a template does not count as access to the session, as in Flask 3.1.3.

    Quart passes the session itself to every template. The global proxy ``session`` is available
    in templates anyway.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.template_context_processors[None] = [_template_context]

    async def update_template_context(self, context: dict[str, Any]) -> None:
        """Add the variables of the context processors. Those of the view take precedence."""
        given = context.copy()
        for name in (None, *reversed(current_blueprints())):
            for processor in self.template_context_processors.get(name, ()):
                call: Any = self.ensure_async(processor)
                context.update(await call())
        context.update(given)

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
