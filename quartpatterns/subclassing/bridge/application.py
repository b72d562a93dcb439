"""The application: what Flask's functions and extensions call on ``flask.current_app``."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import flask.signals
import quart.signals
from blinker import Signal
from quart import Quart, current_app, has_app_context

from quartpatterns._shared.calling import is_async, maybe_await
from quartpatterns.subclassing.bridge.contexts import (
    BridgedAppContext,
    BridgedRequestContext,
    result_or_awaitable,
)
from quartpatterns.subclassing.bridge.request import RecordingRequest
from quartpatterns.subclassing.bridge.response import BridgedResponse
from quartpatterns.subclassing.bridge.templates import Begun, BridgedEnvironment
from quartpatterns.subclassing.bridge.testing import BridgedClient
from quartpatterns.subclassing.bridge.waiting import NestedThreads, on_event_loop
from quartpatterns.subclassing.dispatch import EXECUTOR, SyncThreads
from quartpatterns.subclassing.greenlets import in_greenlet
from quartpatterns.subclassing.testing import FaithfulClient

__all__ = ["FlaskExtensions", "async_to_sync", "bridge_flask"]

App = TypeVar("App", bound=Quart)
P = ParamSpec("P")

REPLACEABLE = {"dispatch_request": 0, "handle_exception": 1, "handle_user_exception": 1}
"""The methods that extensions replace, and with how many arguments Flask calls them."""
SIGNALS = tuple(name for name, one in vars(flask.signals).items() if isinstance(one, Signal))
"""The names of Flask's signals. Quart has a signal of each name."""


class FlaskExtensions(SyncThreads):
    """An application in which extensions that are written for Flask work.

    Use :func:`bridge_flask` for an application that exists, or make this the first base class of
    your application class.

    The methods that Flask's functions call, such as :meth:`make_response`, return their result
    in a thread, where synchronous code runs. On the event loop they return an awaitable.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connect_flask()

    def connect_flask(self) -> None:
        """Prepare threads, the classes of requests and responses, and signals."""
        # For applications that run without a startup, as with the test client.
        self.extensions[EXECUTOR] = self.create_executor(None)
        self.request_class = _combine(RecordingRequest, self.request_class)
        self.response_class = _combine(BridgedResponse, self.response_class)
        self.jinja_environment = _combine(BridgedEnvironment, self.jinja_environment)
        client: Any = self.test_client_class
        if inspect.isclass(client) and issubclass(client, FaithfulClient):
            self.test_client_class = _combine(BridgedClient, client)
        # Signals hold their receivers weakly. The list keeps them alive as long as the application.
        self.extensions["flask_signals"] = [_forward(self, name) for name in SIGNALS]

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a synchronous function, which waits for *func* if that is a coroutine function.

        Decorators of Flask extensions call ``ensure_sync(view)(...)``. The decorator runs in a
        thread and waits, and the view runs on the event loop. If the returned function is called
        on the event loop, it returns the coroutine, which has to be awaited.
        """
        return async_to_sync(func) if is_async(func) else func

    async_to_sync = ensure_sync

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute. Synchronous functions in place of methods run in threads.

        Flask-CORS replaces the methods that handle errors, for example.
        """
        arguments = REPLACEABLE.get(name)
        if arguments is None or is_async(value):
            super().__setattr__(name, value)
            return

        @wraps(value)
        async def in_thread(*args: Any) -> Any:
            return await maybe_await(await self.ensure_async(value)(*args[:arguments]))

        super().__setattr__(name, in_thread)

    def app_context(self) -> BridgedAppContext:
        """Return a context of the application, for ``async with``, or ``with`` in a thread."""
        return BridgedAppContext(self)

    def request_context(self, request: Any) -> BridgedRequestContext:
        """Return a context for *request*."""
        return BridgedRequestContext(self, request)

    def make_response(self, result: Any) -> Any:
        """Convert the return value of a view. In a thread it can also be a coroutine."""
        if isinstance(result, Coroutine) and not on_event_loop():
            result = result_or_awaitable(result)
        value: Any = result
        return result_or_awaitable(super().make_response(value))

    def make_default_options_response(self) -> Any:
        """Return the automatic response to ``OPTIONS``."""
        return result_or_awaitable(super().make_default_options_response())

    def update_template_context(self, context: dict[str, Any]) -> Any:
        """Add the values of the template context processors.

        On the event loop this begins at once, because :func:`flask.render_template` does not await.
        """
        updating = super().update_template_context(context)
        return Begun(updating) if on_event_loop() else result_or_awaitable(updating)

    def send_static_file(self, filename: str) -> Any:
        """Send a file of the static folder."""
        return result_or_awaitable(super().send_static_file(filename))

    def open_resource(self, path: Any, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        """Open a file of the application."""
        if on_event_loop():
            return super().open_resource(path, mode, *args, **kwargs)
        return open(Path(self.root_path) / path, mode, *args, **kwargs)

    def create_executor(self, size: int | None) -> Executor:
        """Return the threads for synchronous code, which can wait for asynchronous views."""
        return NestedThreads(size, self.name)


def async_to_sync(func: Callable[P, Coroutine[Any, Any, Any]]) -> Callable[P, Any]:
    """Return a synchronous function, which waits for the coroutine function *func*.

    It is for code that is written for Flask and calls *func* without ``await``, such as a
    decorator of an extension. The application has to be one of :func:`bridge_flask`:

    .. code-block:: python

        @app.post("/")
        @decorator_of_an_extension
        @async_to_sync
        async def save():
            return (await request.form)["name"]

    The decorator runs in a thread and waits, and *func* runs on the event loop. Without a request
    or another context of the application there is a new event loop for the call. If the returned
    function is called on the event loop, it returns the coroutine, which has to be awaited.

    .. versionadded:: 0.1
    """

    @wraps(func)
    def in_thread(*args: P.args, **kwargs: P.kwargs) -> Any:
        coroutine = func(*args, **kwargs)
        if not on_event_loop() and has_app_context() and current_app.config.get("GREENLET_VIEWS"):
            coroutine = in_greenlet(coroutine)  # That of the request is in another thread.
        return result_or_awaitable(coroutine)

    return in_thread


def bridge_flask(app: App) -> App:
    """Make extensions that are written for Flask work in *app*, and return it.

    .. code-block:: python

        from quartpatterns.subclassing import FaithfulQuart, bridge_flask

        app = bridge_flask(FaithfulQuart(__name__))
        LoginManager(app)

    While *app* handles a request or another context of it is current, ``current_app``, ``g``,
    ``request`` and ``session`` of the module ``flask`` are those of *app*. Other applications in
    the process, of Flask or Quart, do not change. The class of *app* becomes a subclass of its
    class and of :class:`FlaskExtensions`.

    Extensions are synchronous, and Quart runs synchronous hooks, views and decorated views in
    threads. A view below a decorator of an extension can be asynchronous. A thread waits for it.

    Call this before the extensions are given *app*.

    .. versionadded:: 0.1

    Arguments:
        app: A :class:`~quartpatterns.subclassing.FaithfulQuart` or another Quart.

    Raises:
        TypeError: *app* is no Quart, for example a Flask.
    """
    if not isinstance(app, Quart):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"bridge_flask() needs a Quart, and {type(app).__name__} is not one")
    if not isinstance(app, FlaskExtensions):
        bridged: Any = app
        bridged.__class__ = _combine(FlaskExtensions, type(app))
        bridged.connect_flask()
    return app


def _combine(base: type, cls: Any) -> Any:
    """Return a subclass of *base* and *cls* with the name of *cls*."""
    if issubclass(cls, base):
        return cls
    bases = (base,) if issubclass(base, cls) else (base, cls)
    return type(cls.__name__, bases, {"__module__": cls.__module__, "__doc__": cls.__doc__})


def _forward(app: Quart, name: str) -> Callable[..., Any]:
    """Forward Quart's signal *name* of *app* to the receivers of Flask's signal."""
    signal = getattr(flask.signals, name)

    async def forward(sender: Quart, **values: Any) -> None:
        if signal.receivers:
            await signal.send_async(sender, _sync_wrapper=sender.ensure_async, **values)

    getattr(quart.signals, name).connect(forward, sender=app)
    return forward
