"""URL value preprocessors for websockets."""

from __future__ import annotations

from types import MethodType
from typing import Any

from quart import Quart
from quart.ctx import WebsocketContext
from quart.globals import websocket_ctx

__all__ = ["serve_websockets"]


def serve_websockets(app: Quart) -> None:
    """Let the URL value preprocessors of *app* be called for websockets too.

    Quart 0.22 asks for ``request`` there, and fails with a RuntimeError. An application whose
    class has a method of its own is left alone.
    """
    if type(app).preprocess_websocket is Quart.preprocess_websocket:
        app.preprocess_websocket = MethodType(_preprocess, app)  # type: ignore[method-assign]


async def _preprocess(app: Quart, context: WebsocketContext | None = None) -> Any:
    """As in Quart, with the websocket in place of the request."""
    websocket = (context or websocket_ctx).websocket
    names = (None, *reversed(websocket.blueprints))
    for name in names:
        for processor in app.url_value_preprocessors[name]:
            processor(websocket.endpoint, websocket.view_args)
    for name in names:
        for function in app.before_websocket_funcs[name]:
            result: Any = await app.ensure_async(function)()
            if result is not None:
                return result
    return None
