"""The first chunk of a stream decides the status of its response.

A status can't be taken back. So the first chunk is taken before the status is sent, and an error
until then is answered as an error of the view is. A WSGI server waits for the first chunk as well.
"""

# What Quart's bodies yield is not known.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import Context
from typing import Any

from quart import Quart
from quart.globals import request_ctx
from quart.typing import ResponseTypes
from quart.wrappers.response import ResponseBody

from quartpatterns._shared.in_context import await_in_context

__all__ = ["END", "error_response", "first_chunk"]

END: Any = object()
"""The first chunk of a stream that has none."""


async def first_chunk(body: ResponseBody) -> tuple[AsyncIterator[Any], Any]:
    """Enter *body*, and return its items and the first of them.

    The caller leaves the body after the last item. If there is no first item because of an error,
    the body has been left.

    Arguments:
        body: The body of a response.

    Raises:
        BaseException: The error of the body.
    """
    items: Any = aiter(await body.__aenter__())
    try:
        return items, await anext(items, END)
    except BaseException as error:
        await body.__aexit__(type(error), error, error.__traceback__)  # type: ignore[arg-type]
        raise


async def error_response(app: Quart, error: Exception, context: Context) -> ResponseTypes:
    """Return the response to an error of a stream of which nothing was sent.

    The error handlers and the ``after_request`` functions run as for an error of the view, and
    then the teardown functions, because these may have opened something.

    Arguments:
        app: The application.
        error: The error.
        context: The context of the view, which has ended.

    Raises:
        Exception: *error*, if errors propagate, as in debug mode; or the error of a handler.
    """
    # A copy, because an abandoned thread can still be in the context itself.
    return await await_in_context(context.copy(), _handle(app, error))


async def _handle(app: Quart, error: Exception) -> ResponseTypes:
    try:
        try:
            result = await app.handle_user_exception(error)
            return await app.finalize_request(result)
        except asyncio.CancelledError:
            raise
        except Exception as unhandled:
            return await app.handle_exception(unhandled)
    finally:
        try:
            await app.do_teardown_request(error)
            await request_ctx.request.close()
        finally:
            await app.do_teardown_appcontext(error)
