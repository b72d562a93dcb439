"""From a request to its response: hooks, views, and threads for synchronous functions.

The methods do what Quart's do, in Quart's order. Signals without receivers and hooks without
functions cost no coroutine.
"""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportMissingTypeStubs=false

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from inspect import CO_COROUTINE
from typing import Any, ParamSpec, TypeVar

from flask.sansio.blueprints import Blueprint
from flask.typing import URLDefaultCallable
from quart import Quart, Request
from quart.ctx import RequestContext, WebsocketContext
from quart.globals import request_ctx, websocket_ctx
from quart.signals import (
    appcontext_tearing_down,
    request_finished,
    request_started,
    request_tearing_down,
)
from quart.typing import ResponseReturnValue, ResponseTypes
from quart.wrappers.base import BaseRequestWebsocket
from quart.wrappers.response import DataBody
from werkzeug.exceptions import BadRequestKeyError, HTTPException
from werkzeug.routing import RoutingException

from quartpatterns._shared.calling import is_async, maybe_await
from quartpatterns._shared.settings import SettingsReader
from quartpatterns._shared.settings_of.subclassing import SETTINGS
from quartpatterns._shared.threads import call_in_thread, iterate_in_threads, run_step, to_thread
from quartpatterns.subclassing.cancellation import failure_of
from quartpatterns.subclassing.context import (
    PRESERVE_CONTEXT,
    VIEW_CONTEXT,
    FaithfulRequestContext,
    current_blueprints,
    send_signal,
)

__all__ = [
    "AsyncCallables",
    "Dispatch",
    "SyncThreads",
    "TeardownOrder",
    "URLProcessors",
    "refuse_async_url_defaults",
]

P = ParamSpec("P")
T = TypeVar("T")
T_url_defaults = TypeVar("T_url_defaults", bound=URLDefaultCallable)

EXECUTOR = "sync_threads"
STEP_EXECUTOR = "step_threads"


class Dispatch(Quart):
    """Handles a request with as little work as possible between the steps.

    Set-up after the first request is an error, because it would hold for some requests only.
    Errors while the session is opened are handled like those of a view, and the teardown
    functions receive an error even if it was answered. All this is as in Flask.
    """

    async def handle_request(self, request: Request) -> ResponseTypes:
        """Return the response to *request*."""
        context = self.request_context(request)
        if isinstance(context, FaithfulRequestContext):
            # Not "request.scope": a cache records who reads this attribute.
            context.served = PRESERVE_CONTEXT not in vars(request)["scope"]
        failure: BaseException | None = None
        try:
            try:
                await context.push()
                response = await self.full_dispatch_request(context)
                if type(response.response) is not DataBody:
                    # The first chunk can fail when this context has ended.
                    vars(request)[VIEW_CONTEXT] = copy_context()
                return response
            except Exception as error:
                failure = error
                return await self.handle_exception(error)
            except asyncio.CancelledError as error:
                failure = error  # if the request is cancelled, and failure_of() raises it
                failure = failure_of(error)
                return await self._handle_cancellation(failure)
            except BaseException as error:
                failure = error
                raise
        finally:
            if preserved := vars(request)["scope"].get(PRESERVE_CONTEXT):
                # Quart's test client reads the attribute; FaithfulClient passes a list.
                self._preserved_context = context.copy()
                if isinstance(preserved, list):
                    preserved.append(context)
            if failure is not None and self.should_ignore_error(failure):
                failure = None
            await context.auto_pop(failure)
            failure = None  # The traceback of an error must not refer to the error.

    async def full_dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseTypes:
        """Call the hooks and the view, and return the response."""
        self._got_first_request = True
        result: Any
        try:
            if request_started.receivers:
                await send_signal(request_started, self)
            result = await self.preprocess_request(request_context)
            if result is None:
                result = await self.dispatch_request(request_context)
        except Exception as error:
            result = await self.handle_user_exception(error)
        except asyncio.CancelledError as error:
            try:
                raise failure_of(error)
            except Exception as failure:
                result = await self.handle_user_exception(failure)
        try:
            return await self.finalize_request(result, request_context)
        finally:
            result = None  # An error that is its own response refers to this frame.

    async def handle_user_exception(self, error: Exception) -> HTTPException | ResponseReturnValue:
        """Call the error handler for *error*.

        Raises:
            Exception: *error*, if it has no handler.
        """
        if isinstance(error, HTTPException):
            if isinstance(error, BadRequestKeyError) and (
                self.debug or self.config["TRAP_BAD_REQUEST_ERRORS"]
            ):
                error.show_exception = True
            if not self.trap_http_exception(error):
                return await self.handle_http_exception(error)
        handler: Any = self._find_error_handler(error, current_blueprints())
        if handler is not None:
            result: ResponseReturnValue = await self.ensure_async(handler)(error)
            return result
        try:
            raise error
        finally:
            del error  # The traceback of an error must not refer to the error.

    async def handle_http_exception(
        self, error: HTTPException
    ) -> HTTPException | ResponseReturnValue:
        """Call the error handler for *error*, which is its own response if it has none."""
        if error.code is None or isinstance(error, RoutingException):
            return error
        handler: Any = self._find_error_handler(error, current_blueprints())
        return error if handler is None else await self.ensure_async(handler)(error)

    async def _handle_cancellation(self, failure: Exception) -> ResponseTypes:
        try:
            raise failure  # The logger shows the exception that is being handled.
        except Exception:
            return await self.handle_exception(failure)

    async def full_dispatch_websocket(
        self, websocket_context: WebsocketContext | None = None
    ) -> ResponseTypes | None:
        """Call the hooks and the handler, and return a response if the websocket is refused."""
        self._got_first_request = True
        try:
            return await super().full_dispatch_websocket(websocket_context)
        except asyncio.CancelledError as error:
            raise failure_of(error) from error

    async def dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseReturnValue:
        """Call the view. A rule of Werkzeug's own class has no automatic ``OPTIONS``."""
        request: Any = (request_context or request_ctx).request_websocket
        if request.routing_exception is not None:
            self.raise_routing_exception(request)
        rule: Any = request.url_rule
        if request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            return await self.make_default_options_response()
        view = self.ensure_async(self.view_functions[rule.endpoint])
        return await view(**(request.view_args or {}))  # type: ignore[return-value]

    async def finalize_request(
        self,
        result: Any,
        request_context: RequestContext | None = None,
        from_error_handler: bool = False,
    ) -> ResponseTypes:
        """Make a response of *result* and call the ``after_request`` functions."""
        response = await self.make_response(result)
        try:
            response = await self.process_response(response, request_context)
            if request_finished.receivers:
                await send_signal(request_finished, self, response=response)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError):
                failure_of(error)  # It raises the error if the request is cancelled.
            # The response of an error handler is sent without what failed here.
            if not from_error_handler:
                raise
            self.logger.exception("Request finalizing errored")
        return response

    async def do_teardown_request(
        self, exc: BaseException | None, request_context: RequestContext | None = None
    ) -> None:
        """Call the ``teardown_request`` functions, last registered first."""
        if self.teardown_request_funcs:
            for name in (*(request_context or request_ctx).request.blueprints, None):
                for function in reversed(self.teardown_request_funcs.get(name, ())):
                    await self.ensure_async(function)(exc)
        if request_tearing_down.receivers:
            await send_signal(request_tearing_down, self, exc=exc)


class TeardownOrder(Quart):
    """``teardown_appcontext`` functions run in reverse order, as in Flask.

    What depends on something else is torn down before it.
    """

    async def do_teardown_appcontext(self, exc: BaseException | None) -> None:
        """Call the teardown functions of the application context."""
        for function in reversed(self.teardown_appcontext_funcs):
            await self.ensure_async(function)(exc)
        if appcontext_tearing_down.receivers:
            await send_signal(appcontext_tearing_down, self, exc=exc)


class URLProcessors(Quart):
    """URL value preprocessors can be asynchronous, and work for websockets.

    Quart reads ``request`` while it handles a websocket, and never awaits an ``async def``
    preprocessor. ``url_defaults`` functions are called by ``url_for``, which can't await.
    """

    async def preprocess_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseReturnValue | None:
        """Call the URL value preprocessors, then the ``before_request`` functions."""
        if not self.before_request_funcs and not self.url_value_preprocessors:
            return None
        request = (request_context or request_ctx).request
        return await self._preprocess(request, self.before_request_funcs)

    async def preprocess_websocket(
        self, websocket_context: WebsocketContext | None = None
    ) -> ResponseReturnValue | None:
        """Call the URL value preprocessors, then the ``before_websocket`` functions."""
        websocket = (websocket_context or websocket_ctx).websocket
        return await self._preprocess(websocket, self.before_websocket_funcs)

    async def _preprocess(
        self, request: BaseRequestWebsocket, functions: Any
    ) -> ResponseReturnValue | None:
        names = (None, *reversed(request.blueprints))
        for name in names:
            for processor in self.url_value_preprocessors.get(name, ()):
                await maybe_await(processor(request.endpoint, request.view_args))
        for name in names:
            for function in functions.get(name, ()):
                result: ResponseReturnValue | None = await self.ensure_async(function)()
                if result is not None:
                    return result
        return None

    def url_defaults(self, f: T_url_defaults) -> T_url_defaults:
        """Register a function that adds values to URLs.

        Raises:
            TypeError: It is a coroutine function.
        """
        return super().url_defaults(refuse_async_url_defaults(f))

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register *blueprint*.

        Raises:
            TypeError: One of its ``url_defaults`` functions is a coroutine function.
        """
        super().register_blueprint(blueprint, **options)
        for functions in self.url_default_functions.values():
            for function in functions:
                refuse_async_url_defaults(function)


def refuse_async_url_defaults(function: T_url_defaults) -> T_url_defaults:
    """Return *function*, unless it is a coroutine function.

    Raises:
        TypeError: It is one.
    """
    if is_async(function):
        name = getattr(function, "__qualname__", function)
        raise TypeError(
            f"url_for() can't await the URL defaults of {name}(): write it with a plain def, and"
            " await what it needs in an async url_value_preprocessor"
        )
    return function


class AsyncCallables(Quart):
    """Views can be any callable that returns an awaitable.

    Quart runs an object with ``async def __call__``, and a plain function that returns a
    coroutine, in a thread, and answers 500. Here the first is called on the event loop, and the
    result of the second is awaited there.
    """

    def ensure_async(
        self, func: Callable[P, Awaitable[T]] | Callable[P, T]
    ) -> Callable[P, Awaitable[T]]:
        """Return a function that can be awaited."""
        # The quickest test comes first: this is called several times for each request.
        code = getattr(func, "__code__", None)
        if code is not None and code.co_flags & CO_COROUTINE:
            return func  # type: ignore[return-value]
        if inspect.iscoroutinefunction(type(func).__call__):
            return func  # type: ignore[return-value]
        return super().ensure_async(func)  # pyright: ignore[reportReturnType]

    def sync_to_async(self, func: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        """Return a function that calls *func* in a thread and awaits an awaitable result.

        As in a coroutine, ``StopIteration`` becomes ``RuntimeError``: a future can't hold it.
        """

        @wraps(func)
        async def in_thread(*args: P.args, **kwargs: P.kwargs) -> Any:
            executor = self.extensions.get(EXECUTOR)
            result: Any = await call_in_thread(executor, func, *args, **kwargs)
            if inspect.isgenerator(result):
                return iterate_in_threads(result, self.run_step)
            return await maybe_await(result)

        return in_thread

    def run_step(self, func: Callable[P, T]) -> Callable[P, Awaitable[T]]:
        """Return a function that calls *func*, a step of a synchronous generator, in a thread.

        The threads are not those of views, which would wait behind the steps of slow streams.
        """
        if type(self).sync_to_async is not AsyncCallables.sync_to_async:
            return self.sync_to_async(func)

        return partial(self._run_step, func)

    async def _run_step(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        if (executor := self.extensions.get(STEP_EXECUTOR)) is None:
            return await run_step(func)(*args, **kwargs)
        return await call_in_thread(executor, func, *args, **kwargs)


class SyncThreads(AsyncCallables):
    """``SYNC_THREADS`` threads for synchronous views and hooks, and as many for generators.

    In Quart they share asyncio's default executor, which has ``min(32, CPUs + 4)`` threads, with
    everything else in the process: while they wait, no file is read and no upload is stored. A
    thread is started only when no other is idle.

    With one thread, generators use the same one, so that no two pieces of synchronous code run at
    the same time.
    """

    def create_executor(self, size: int | None) -> Executor | None:
        """Return the pool of threads, or ``None`` for asyncio's default executor.

        Arguments:
            size: The number of threads, if it is set.
        """
        return None if size is None else ThreadPoolExecutor(size, thread_name_prefix=self.name)

    async def startup(self) -> None:
        """Create the threads, then start as Quart does.

        Raises:
            SettingError: ``SYNC_THREADS`` is invalid.
        """
        reader = SettingsReader(self.config, SETTINGS.defaults)
        size = reader.optional(reader.count, "SYNC_THREADS")
        executor = self.create_executor(size)
        if executor is not None:
            self.extensions[EXECUTOR] = executor
            self.extensions[STEP_EXECUTOR] = executor if size == 1 else self.create_executor(size)
        await super().startup()

    async def shutdown(self) -> None:
        """Stop as Quart does, then end the threads."""
        await super().shutdown()
        for key in (STEP_EXECUTOR, EXECUTOR):
            if (executor := self.extensions.pop(key, None)) is not None:
                await to_thread(executor.shutdown)
