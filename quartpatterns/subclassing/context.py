"""What ``request``, ``session`` and ``g`` stand for: rows 12, 13 and 15."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportPrivateUsage=false
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

from quart import Quart
from quart.ctx import AppContext, RequestContext, WebsocketContext
from quart.globals import (
    _cv_app,  # pyright: ignore[reportPrivateUsage]
    _cv_request,  # pyright: ignore[reportPrivateUsage]
    request_ctx,
)
from quart.sessions import SessionMixin
from quart.signals import appcontext_popped, appcontext_pushed
from quart.typing import ResponseTypes
from quart.wrappers import Request, Websocket
from werkzeug.exceptions import HTTPException

__all__ = ["FaithfulAppContext", "FaithfulRequestContext", "FaithfulWebsocketContext", "Contexts"]

UNSET: Any = object()


class SessionAccess:
    """``session`` notes that it was read, so that the answer varies by cookie (row 12).

    Flask 3.1.3 moved that note from the session into the context, and Quart did not follow.
    """

    _session: SessionMixin | None = None

    @property
    def session(self) -> SessionMixin | None:
        """The session; asking for it counts as reading it."""
        if self._session is not None:
            self._session.accessed = True
        return self._session

    @session.setter
    def session(self, session: SessionMixin | None) -> None:
        self._session = session


class RefusedHosts:
    """An error while the URL adapter is made is the request's own, not the server's (row 13)."""

    app: Quart
    url_adapter: Any

    def __init__(self, app: Quart, request: Any, session: SessionMixin | None = None) -> None:
        refused: HTTPException | None = None
        try:
            adapter = app.create_url_adapter(request)
        except HTTPException as error:
            adapter, refused = None, error
        self._set_up(app, request, session, adapter)
        request.routing_exception = refused

    def _set_up(self, app: Quart, request: Any, session: Any, adapter: Any) -> None:
        self.app = app
        self.request_websocket = request
        self.url_adapter = adapter
        self.session = session
        self.preserved = False
        self._cv_tokens: list[Any] = []
        request.json_module = app.json


class FaithfulAppContext(AppContext):
    """An application context that asks for receivers before it sends a signal."""

    async def push(self) -> None:
        """Make the application and its ``g`` the current ones."""
        self._cv_tokens.append(_cv_app.set(self))
        if appcontext_pushed.receivers:
            await appcontext_pushed.send_async(self.app, _sync_wrapper=self.app.ensure_async)  # type: ignore[arg-type]

    async def pop(self, exc: BaseException | None = UNSET) -> None:
        """Tear down, then make the application before this one current again."""
        if appcontext_popped.receivers or exc is UNSET or len(self._cv_tokens) != 1:
            await (super().pop() if exc is UNSET else super().pop(exc))
            return
        try:
            await self.app.do_teardown_appcontext(exc)
        finally:
            _cv_app.reset(self._cv_tokens.pop())


class FaithfulRequestContext(SessionAccess, RefusedHosts, RequestContext):
    """The context of a request; copies of it keep ``g`` (row 15)."""

    _kept: AppContext | None = None

    def __init__(self, app: Quart, request: Request, session: SessionMixin | None = None) -> None:
        RefusedHosts.__init__(self, app, request, session)
        self.flashes = None
        self._after_request_functions = []

    @property
    def request(self) -> Request:
        """The request."""
        return self.request_websocket  # type: ignore[no-any-return]

    def copy(self) -> FaithfulRequestContext:
        """The same request, session and ``g`` for a generator or a task that runs later."""
        copied = type(self)(self.app, self.request, self._session)
        copied._kept = self._kept
        return copied

    async def push(self) -> None:
        """Make the request current, open its session and find its view."""
        current = _cv_app.get(None)
        pushed: AppContext | None = None
        if current is None or current.app is not self.app:
            pushed = self.app.app_context() if self._kept is None else self._kept.copy()
            await pushed.push()
            current = pushed
        self._kept = current
        self._cv_tokens.append((_cv_request.set(self), pushed))
        await self._push()

    async def pop(self, exc: BaseException | None = UNSET) -> None:
        """Tear down, then make current what was so before."""
        if exc is UNSET or len(self._cv_tokens) != 1 or _cv_request.get(None) is not self:
            await (super().pop() if exc is UNSET else super().pop(exc))
            return
        token, pushed = self._cv_tokens[0]
        try:
            await self.app.do_teardown_request(exc, self)
            if self.request._files:
                await self.request.close()
        finally:
            self._cv_tokens.clear()
            _cv_request.reset(token)
            if pushed is not None:
                await pushed.pop(exc)

    def adopt(self) -> None:
        """Make a request that has ended current again, for a test that looks at it (row 35)."""
        assert self._kept is not None
        _cv_app.set(self._kept)
        _cv_request.set(self)

    async def finish(self) -> None:
        """Tear down what :meth:`adopt` kept."""
        await self.app.do_teardown_request(None, self)
        await self.request.close()
        await self.app.do_teardown_appcontext(None)

    async def _push(self) -> None:
        if self._session is None:
            interface = self.app.session_interface
            open_session = self.app.ensure_async(interface.open_session)
            opened = await open_session(self.app, self.request)
            if opened is None:
                opened = await interface.make_null_session(self.app)
            self._session = opened
        if self.url_adapter is not None:
            self.match_request()


class FaithfulWebsocketContext(SessionAccess, RefusedHosts, WebsocketContext):
    """The context of a websocket."""

    def __init__(self, app: Quart, request: Websocket, session: SessionMixin | None = None) -> None:
        RefusedHosts.__init__(self, app, request, session)
        self._after_websocket_functions = []


class Contexts(Quart):
    """An application that uses the contexts of this module."""

    def app_context(self) -> FaithfulAppContext:
        """A context for the application alone."""
        return FaithfulAppContext(self)

    def request_context(self, request: Request) -> FaithfulRequestContext:
        """A context for *request*."""
        return FaithfulRequestContext(self, request)

    def websocket_context(self, websocket: Websocket) -> FaithfulWebsocketContext:
        """A context for *websocket*."""
        return FaithfulWebsocketContext(self, websocket)

    async def process_response(
        self, response: ResponseTypes, request_context: RequestContext | None = None
    ) -> ResponseTypes:
        """Call the ``after_request`` functions, then save the session: that is not reading it."""
        context: Any = request_context or request_ctx._get_current_object()  # type: ignore[attr-defined]
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
