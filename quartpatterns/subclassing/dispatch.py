"""From a request to its response: row 29, and the speed.

The methods are Quart's, in Quart's order. A signal that nobody receives, and a hook that nobody
registered, costs a look-up and no coroutine.
"""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import Any

from quart import Quart, Request
from quart.ctx import RequestContext
from quart.globals import request_ctx
from quart.signals import request_finished, request_started, request_tearing_down
from quart.typing import ResponseReturnValue, ResponseTypes

__all__ = ["Dispatch"]

# What a test client puts into the scope when it wants to look at a request that has ended.
KEEP = "_quart._preserve_context"


class Dispatch(Quart):
    """A request through the application, with as little as possible between the steps."""

    async def handle_request(self, request: Request) -> ResponseTypes:
        """Answer *request*.

        As in Flask an error while the session is opened is handled as a view's is, and the
        teardown functions are given the error also where it has become an answer.
        """
        context = self.request_context(request)
        failure: BaseException | None = None
        try:
            try:
                await context.push()
                return await self.full_dispatch_request(context)
            except Exception as error:
                failure = error
                return await self.handle_exception(error)
            except BaseException as error:
                failure = error
                raise
        finally:
            await self._leave(context, failure)

    async def _leave(self, context: RequestContext, failure: BaseException | None) -> None:
        keep: Any = context.request.scope.get(KEEP)
        if keep:
            # Quart's own test client asks for the copy, ours keeps the context itself.
            self._preserved_context = context.copy()
            if (append := getattr(keep, "append", None)) is not None:
                append(context)
        if failure is not None and self.should_ignore_error(failure):
            failure = None
        await context.auto_pop(failure)

    async def full_dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseTypes:
        """Preprocess the request, call its view, and make a response of what that returns."""
        result: Any
        try:
            if request_started.receivers:
                await request_started.send_async(self, _sync_wrapper=self.ensure_async)  # type: ignore[arg-type]
            result = await self.preprocess_request(request_context)
            if result is None:
                result = await self.dispatch_request(request_context)
        except Exception as error:
            result = await self.handle_user_exception(error)
        return await self.finalize_request(result, request_context)

    async def dispatch_request(
        self, request_context: RequestContext | None = None
    ) -> ResponseReturnValue:
        """Call the view; a rule of Werkzeug's own has no automatic ``OPTIONS`` (row 29)."""
        request = (request_context or request_ctx).request
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
        """Make a response of *result* and let the ``after_request`` functions change it."""
        response = await self.make_response(result)
        try:
            response = await self.process_response(response, request_context)
            if request_finished.receivers:
                await request_finished.send_async(
                    self,
                    _sync_wrapper=self.ensure_async,  # type: ignore[arg-type]
                    response=response,
                )
        except Exception:
            # An error handler's own answer is better than none.
            if not from_error_handler:
                raise
            self.logger.exception("Request finalizing errored")
        return response

    async def do_teardown_request(
        self, exc: BaseException | None, request_context: RequestContext | None = None
    ) -> None:
        """Call the ``teardown_request`` functions, last registered first."""
        for name in (*(request_context or request_ctx).request.blueprints, None):
            for function in reversed(self.teardown_request_funcs.get(name, ())):
                await self.ensure_async(function)(exc)
        if request_tearing_down.receivers:
            await request_tearing_down.send_async(
                self,
                _sync_wrapper=self.ensure_async,  # type: ignore[arg-type]
                exc=exc,
            )
