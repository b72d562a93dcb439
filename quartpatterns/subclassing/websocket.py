"""One websocket over ASGI: rows 19, 22 and 30, as for HTTP."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from functools import partial
from typing import Any, cast

from hypercorn.typing import ASGISendCallable
from quart.asgi import ASGIWebsocketConnection
from quart.wrappers import Websocket

from quartpatterns.subclassing.connection import error_response
from quartpatterns.subclassing.headers import encode_headers, request_headers
from quartpatterns.subclassing.hosts import inner_path
from quartpatterns.subclassing.response import FaithfulResponse

__all__ = ["FaithfulWebsocketConnection"]


class FaithfulWebsocketConnection(ASGIWebsocketConnection):
    """A websocket whose errors reach a test, and whose headers are the client's own."""

    def _create_websocket_from_scope(self, send: ASGISendCallable) -> Websocket:
        scope = self.scope
        root_path = scope.get("root_path", "")
        path = inner_path(scope["path"], root_path)
        websocket = self.app.websocket_class(
            path or "/",
            scope["query_string"],
            scope["scheme"],
            request_headers(scope["headers"]),
            root_path,
            scope.get("http_version", "1.1"),
            list(scope.get("subprotocols", [])),
            self.queue.get,
            partial(self.send_data, send),
            partial(self.accept_connection, send),
            partial(self.close_connection, send),
            scope=scope,
        )
        websocket.path_info = path  # type: ignore[attr-defined]
        # Quart reads it from a header that it adds, and that a client could add as well.
        websocket.remote_addr = (scope.get("client") or ("<local>",))[0]
        return websocket

    async def handle_websocket(self, websocket: Websocket, send: ASGISendCallable) -> None:
        """Let the application talk, then close, or answer one that was not accepted."""
        made: Any
        try:
            made = await self.app.handle_websocket(websocket)
        except Exception as error:
            made = await error_response(self.app, error)
        extensions = self.scope.get("extensions") or {}
        refused = made is not None and not self._accepted
        if made is not None and refused and "websocket.http.response" in extensions:
            await self._refuse(FaithfulResponse.force_type(made), send)
        elif (refused or self._accepted) and not self._closed:
            await send(cast(Any, {"type": "websocket.close", "code": 1000}))

    async def _refuse(self, response: FaithfulResponse, send: ASGISendCallable) -> None:
        start = {
            "type": "websocket.http.response.start",
            "status": response.status_code,
            "headers": encode_headers(response.wire_headers()),
        }
        await send(cast(Any, start))
        body = {"type": "websocket.http.response.body", "more_body": False}
        await send(cast(Any, body | {"body": await response.get_data(as_text=False)}))
        await response.close()
