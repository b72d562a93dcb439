"""Loading the user of a request or websocket, and :data:`current_user`.

``current_user`` is not awaited, but a user loader may be asynchronous. Three rules follow:

* An asynchronous view runs on the event loop, where nothing can wait for a loader. The user is
  loaded before it is called.
* A synchronous view runs in a thread. The user is loaded when the view uses it.
* :func:`load_user` loads the user where neither was done, and is awaited. The decorators and the
  context processor of templates call it.

A visitor without an id in the session, without a remember cookie and without a request loader is
anonymous, and no loader is called. ``g._login_user`` has the user, as in Flask-Login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from weakref import ref

from quart import (
    Quart,
    current_app,
    g,
    has_app_context,
    has_request_context,
    has_websocket_context,
    request,
    session,
)
from quart.globals import request_ctx, websocket_ctx
from werkzeug.local import LocalProxy

from quartpatterns._shared.calling import call, call_inline, is_async
from quartpatterns._shared.visitors import NOT_RECORDED, loading_into_globals
from quartpatterns.viewdecorators.cookies import (
    CLIENT_KEY,
    FRESH_KEY,
    REMEMBER_KEY,
    SESSION_KEYS,
    USER_KEY,
    connection,
    remember_cookie,
    remembered_id,
    session_user_id,
    settings,
)
from quartpatterns.viewdecorators.signals import (
    LOOP,
    flush_signals,
    on_event_loop,
    send,
    session_protected,
    user_accessed,
    user_loaded_from_cookie,
    user_loaded_from_request,
)
from quartpatterns.viewdecorators.users import AnonymousUserMixin

if TYPE_CHECKING:
    from quartpatterns.viewdecorators.manager import LoginManager

__all__ = [
    "ACCESSED",
    "EXTENSION",
    "FAILED",
    "current_user",
    "is_static",
    "load_before_view",
    "load_if_needed",
    "load_user",
    "login_manager",
    "note_use",
    "set_user",
    "used_user",
]

EXTENSION = "quartpatterns.viewdecorators"
USER, ACCESSED, FAILED = "_login_user", "_login_accessed", "_login_failed"
LOCK = "_login_lock"
NOT_RECORDED.add(ACCESSED)
REMEDY = (
    "the user is not loaded: write `await current_app.login_manager.load_user()` before"
    " current_user here, because the user loader is asynchronous"
)

Run = Callable[..., Awaitable[Any]]

_loading: ContextVar[Any] = ContextVar("quartpatterns.viewdecorators.loading", default=None)
"""The ``g`` whose user is loaded here."""

# The attribute of the context of a request or websocket that refers to its g. A background task can
# have an application context inside of it, with another g.
_GLOBALS = "quartpatterns_login_globals"


def login_manager() -> LoginManager:
    """Return the LoginManager of the current application.

    Raises:
        RuntimeError: There is none.
    """
    manager: LoginManager | None = _object(current_app).extensions.get(EXTENSION)
    if manager is None:
        raise RuntimeError("this application has no LoginManager: create one, LoginManager(app)")
    return manager


async def load_user(manager: LoginManager) -> Any:
    """Load the user of the request or websocket, unless that was done, and return it."""
    if not _has_user():
        if not _is_request():
            return manager.anonymous_user()
        await _load_once(manager)
    await flush_signals()
    return getattr(_object(g), USER)


async def _load_once(manager: LoginManager) -> None:
    """Load the user, unless another task of this request does it, which is awaited then."""
    globals_: Any = _object(g)
    if _loading.get() is globals_:
        # The loader would wait for itself, in this task or in one that it has started.
        raise RuntimeError("the user loader must not ask for the current user, which it loads")
    values: dict[str, Any] = globals_.__dict__
    lock: asyncio.Lock = values.setdefault(LOCK, asyncio.Lock())
    async with lock:
        if _has_user():
            return
        token = _loading.set(globals_)
        try:
            await _load(manager, call)
        finally:
            _loading.reset(token)


async def load_before_view(manager: LoginManager) -> None:
    """Load the user now if the view can't do it, or if no loader needs to be called."""
    # Each access to a proxy costs about as much as the rest, and this runs for each request.
    context: Any = _context()
    globals_: Any = _object(g)
    values: dict[str, Any] = globals_.__dict__
    values[LOOP] = asyncio.get_running_loop()
    setattr(context, _GLOBALS, ref(globals_))
    with loading_into_globals():
        await _load_now(manager, context, values)


async def _load_now(manager: LoginManager, context: Any, values: dict[str, Any]) -> None:
    if is_static(context) and not _is_used_on_event_loop():
        return  # Does not even access the session.
    if not _has_identity(manager, context):
        values[USER] = manager.anonymous_user()
        values.setdefault("user", None)
    elif not settings().boolean("LOGIN_LAZY_LOADING") and _is_used_on_event_loop():
        await _load(manager, call)


def load_if_needed() -> None:
    """Load the user from synchronous code, unless that was done.

    Raises:
        RuntimeError: This runs on the event loop, and the user loader is asynchronous.
    """
    if _has_user() or not _is_request():
        return
    manager = login_manager()
    if not manager.is_async() or not _has_identity(manager, _context()):
        _run(_load(manager, call_inline))
        return
    loop: asyncio.AbstractEventLoop | None = g.get(LOOP)
    if loop is None or on_event_loop():
        raise RuntimeError(REMEDY)
    # The task gets the context of this thread, and so the request.
    asyncio.run_coroutine_threadsafe(_load(manager, call), loop).result()


def used_user() -> Any:
    """Return the user of the current context and note that it was used."""
    if not has_app_context():
        return AnonymousUserMixin()
    manager = login_manager()
    load_if_needed()
    if not _has_user():
        return manager.anonymous_user()
    note_use()
    return getattr(g, USER)


def note_use() -> None:
    """Send ``user_accessed`` once, and mark the session as accessed."""
    globals_: Any = _object(g)
    if ACCESSED not in globals_:
        setattr(globals_, ACCESSED, True)
        send(user_accessed)
    if _is_request():
        # So that a cache sees what the response depends on: the user may have been loaded before.
        _context().session.get(USER_KEY)
        if login_manager().request_callback is not None:
            _ = connection().authorization


def set_user(user: Any) -> None:
    """Make *user* the user of the request."""
    setattr(g, USER, user)
    setattr(g, ACCESSED, True)
    g.user = None if getattr(user, "is_anonymous", False) else user


current_user: Any = LocalProxy(used_user)
"""The user of this request or websocket, also in templates.

If nobody is logged in, or there is no request, it is an :class:`AnonymousUserMixin`, which is false
and has ``is_authenticated = False``. Its type is ``Any``, because the application's user class is
not known here.

.. versionadded:: 0.1
"""


async def _load(manager: LoginManager, run: Run) -> None:
    try:
        user = await _find_user(manager, run)
    except Exception:
        setattr(g, FAILED, True)
        raise
    anonymous = user is None
    setattr(g, USER, manager.anonymous_user() if anonymous else user)
    if "user" not in vars(_object(g)):
        g.user = None if anonymous else user


async def _find_user(manager: LoginManager, run: Run) -> Any:
    user: Any = None
    if not hasattr(context := _context(), _GLOBALS):
        setattr(context, _GLOBALS, ref(_object(g)))
    if _is_protected(manager):
        return None
    user_id = session_user_id()
    if user_id is not None:
        if manager.user_callback is not None:
            user = await run(manager.user_callback, user_id)
        elif manager.request_callback is None:
            raise RuntimeError("the LoginManager has no user loader: register one with user_loader")
    if user is None and remember_cookie() is not None:
        return await _from_cookie(manager, run)
    if user is None and manager.request_callback is not None:
        user = await run(manager.request_callback, connection())
        if user is not None:
            send(user_loaded_from_request, user=user)
    return user


async def _from_cookie(manager: LoginManager, run: Run) -> Any:
    user_id = remembered_id()
    if user_id is None:
        return None
    if has_request_context():
        # Flask-Login does not store the identifier, so that SESSION_PROTECTION = "strong" logs
        # the user out with the next request.
        session.update({USER_KEY: user_id, FRESH_KEY: False, CLIENT_KEY: manager.identifier()})
    if manager.user_callback is None:
        return None
    user = await run(manager.user_callback, user_id)
    if user is not None:
        send(user_loaded_from_cookie, user=user)
    return user


def _is_protected(manager: LoginManager) -> bool:
    """Apply ``SESSION_PROTECTION``; return whether nobody is logged in by it."""
    mode = manager.protection()
    if mode is None or session_user_id() is None or manager.is_same_client():
        return False
    if session.get(CLIENT_KEY) is None and remembered_id() == str(session[USER_KEY]):
        # Flask-Login has loaded the user from the remember cookie, see _from_cookie.
        if has_request_context():
            session.update({FRESH_KEY: False, CLIENT_KEY: manager.identifier()})
        return False
    strong = mode == "strong" and not session.permanent
    if has_request_context():  # A websocket can't change a cookie.
        if not strong:
            if session.get(FRESH_KEY) is not False:
                session[FRESH_KEY] = False
        else:
            for key in SESSION_KEYS:
                session.pop(key, None)
            session[REMEMBER_KEY] = "clear"
    send(session_protected)
    return strong


def _has_identity(manager: LoginManager, context: Any) -> bool:
    """Return whether the request may be that of a user, so that a loader has to be called."""
    if manager.request_callback is not None or context.session.get(USER_KEY) is not None:
        return True
    return remember_cookie(context) is not None


def _has_user() -> bool:
    return has_app_context() and USER in _object(g)


def _is_request() -> bool:
    """Return whether this is a request or websocket, and no context inside of it."""
    if not (has_request_context() or has_websocket_context()):
        return False
    known: Any = getattr(_context(), _GLOBALS, None)
    return known is None or known() is _object(g)


def _context() -> Any:
    """Return the context of the request or websocket, which a background task inherits."""
    return _object(websocket_ctx if has_websocket_context() else request_ctx)


def _object(proxy: Any) -> Any:
    return proxy._get_current_object()


def is_static(context: Any = None) -> bool:
    """Return whether the view is the one that Quart or FaithfulQuart registers for static files.

    A view of the application can have the name ``static``, and the one for static files can be
    decorated.

    Arguments:
        context: The context of the request or websocket; the current one by default.
    """
    endpoint: str = (context or _context()).request_websocket.endpoint or ""
    if not endpoint.endswith("static") or endpoint.rpartition(".")[2] != "static":
        return False
    view: Any = current_app.view_functions.get(endpoint)
    module: str = getattr(view, "__module__", None) or ""
    # A decorator copies the name of the module.
    is_theirs = module.startswith(("quart.", "quartpatterns.subclassing."))
    return is_theirs and not hasattr(view, "__wrapped__")


def _is_used_on_event_loop() -> bool:
    """Return whether code that runs on the event loop may use the user of this request."""
    if not (is_static() or _is_automatic_options()):
        endpoint = connection().endpoint
        view = None if endpoint is None else current_app.view_functions.get(endpoint)
        if view is None or is_async(view):
            return True
    app: Quart = current_app
    scopes: list[str | None] = [None, *connection().blueprints]
    return any(
        is_async(function) and getattr(function, "__module__", "") not in _OWN
        for hooks in (app.before_request_funcs, app.after_request_funcs)
        for scope in scopes
        for function in hooks.get(scope, ())
    )


def _is_automatic_options() -> bool:
    return (
        has_request_context()
        and request.method == "OPTIONS"
        and getattr(request.url_rule, "provide_automatic_options", False)
    )


_OWN = {__name__, "quartpatterns.viewdecorators.manager"}


def _run(coroutine: Any) -> Any:
    """Run a coroutine that calls only synchronous functions, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    coroutine.close()
    raise RuntimeError(REMEDY)
