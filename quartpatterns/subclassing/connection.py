"""One HTTP request and its answer over ASGI: rows 19 to 22, 30 and 31, and the speed.

Quart spends two tasks, an ``asyncio.wait``, a ``wait_for`` and three messages on every request.
Here the view runs in the task that the server made, and an answer that is whole goes out in two
messages. Whether the client is still there is asked only when the view is still at work after
:data:`MOMENT`, or when the answer is due and the body of the request is not all here.
"""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope
from quart import Quart
from quart.asgi import ASGIHTTPConnection
from quart.debug import traceback_response
from quart.typing import ResponseTypes
from quart.wrappers import Request
from quart.wrappers.response import DataBody, IterableBody, ResponseBody
from werkzeug.exceptions import ClientDisconnected

from quartpatterns.subclassing.headers import encode_headers, request_headers
from quartpatterns.subclassing.hosts import inner_path
from quartpatterns.subclassing.incoming import Incoming
from quartpatterns.subclassing.response import FaithfulResponse

__all__ = ["FaithfulHTTPConnection", "ResponseTimeoutError", "error_response"]

# Seconds that a view may take before a task watches whether the client leaves.
MOMENT = 0.05
# Bytes of an answer that a server is handed at once, to wait until the client has taken them.
SLICE = 1024 * 1024
# Seconds that a client may take to stop sending a body that nobody reads.
LINGER = 2.0


class ResponseTimeoutError(TimeoutError):
    """The client did not take the answer in time; its connection ends, visibly for it."""


async def error_response(app: Quart, error: Exception) -> ResponseTypes:
    """What a client is told of an error that nobody handled (row 22).

    Under ``TESTING`` it is raised, so that the test sees it, as in Flask. In debug mode it is
    Quart's traceback, otherwise the server's own answer.
    """
    if app.debug and not app.testing:
        return await traceback_response(error)
    raise error


async def _close_unread(body: ResponseBody) -> None:
    """Close a body whose bytes the method or the status forbids."""
    if isinstance(body, IterableBody):
        async with body:
            pass


class FaithfulHTTPConnection(ASGIHTTPConnection):
    """A connection that answers in the server's own task.

    Arguments:
        app: The application.
        scope: ASGI's description of the request.
    """

    linger = LINGER

    def __init__(self, app: Quart, scope: HTTPScope) -> None:
        super().__init__(app, scope)
        self._reason: BaseException | None = None
        self._sent = False
        self._watched = False
        # Since when the client has been offered something, and how many seconds it may wait.
        self._offered: float | None = None
        self._patience: float | None = None

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Answer the request, or stop when the client leaves."""
        self._task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self._loop = self._task.get_loop()
        request = self._create_request_from_scope(send)
        self._incoming = Incoming(request, receive, self.break_off)
        self._timer = self._loop.call_later(MOMENT, self._supervise)
        try:
            await self.handle_request(request, send)
        except asyncio.CancelledError:
            if self._reason is None or self._task.uncancel():
                raise
            if not isinstance(self._reason, ClientDisconnected):
                raise self._reason from None
        finally:
            self._timer.cancel()
            if not self._incoming.idle:
                await self._incoming.close()
            # No circle is left behind: the objects of a request go at once, without the collector.
            self._incoming.forget()
            del self._incoming

    def _create_request_from_scope(self, send: ASGISendCallable) -> Request:
        scope = self.scope
        headers = request_headers(scope["headers"])
        if scope["http_version"] < "1.1":
            headers.setdefault("Host", self.app.config["SERVER_NAME"] or "")
        root_path = scope.get("root_path", "")
        path = inner_path(scope["path"], root_path)
        request = self.app.request_class(
            scope["method"],
            scope["scheme"],
            path or "/",
            scope["query_string"],
            headers,
            root_path,
            scope["http_version"],
            scope,
            max_content_length=self.app.config["MAX_CONTENT_LENGTH"],
            body_timeout=self.app.config["BODY_TIMEOUT"],
            send_push_promise=partial(self._send_push_promise, send),
        )
        request.path_info = path  # type: ignore[attr-defined]
        # Quart reads it from a header that it adds, and that a client could add as well.
        request.remote_addr = (scope.get("client") or ("<local>",))[0]
        return request

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Let the application answer, and send the answer."""
        try:
            made = await self.app.handle_request(request)
        except Exception as error:
            made = await error_response(self.app, error)
        response = FaithfulResponse.force_type(made)
        try:
            await self._answer(request, response, send)
        finally:
            if response.on_close:
                await response.close()

    # Sending

    async def _answer(
        self, request: Request, response: FaithfulResponse, send: ASGISendCallable
    ) -> None:
        status = response.status_code
        headers = response.wire_headers()
        body = response.response
        whole: bytes | None = None
        if request.method == "HEAD" or status in {204, 304} or 100 <= status < 200:
            whole = b""
            await _close_unread(body)
        elif type(body) is DataBody:
            whole = body.data[body.begin : body.end]
        if self._incoming.unread:
            await self._make_way(request, response, whole)
        self._set_patience(response)
        start: Any = {
            "type": "http.response.start",
            "status": status,
            "headers": encode_headers(headers),
        }
        await send(start)
        if whole is None:
            async with body as items:
                async for item in items:
                    data = item.encode() if isinstance(item, str) else item
                    await self._offer(send, data, more=True)
            whole = b""
        if len(whole) > SLICE:
            for begin in range(0, len(whole), SLICE):
                await self._offer(send, whole[begin : begin + SLICE], more=True)
            whole = b""
        if self._incoming.unread:
            await self._offer(send, whole, more=True)
            whole = b""
            await self._incoming.linger(self.linger)
        self._sent = True
        if self._offered is None:
            self._offered = self._loop.time()
        end: Any = {"type": "http.response.body", "body": whole, "more_body": False}
        await send(end)
        self._patience = None

    async def _offer(self, send: ASGISendCallable, data: bytes, *, more: bool) -> None:
        whole_answer_limited = self._offered is not None
        if not whole_answer_limited:
            self._offered = self._loop.time()
        part: Any = {"type": "http.response.body", "body": data, "more_body": more}
        await send(part)
        if not whole_answer_limited:
            self._offered = None

    async def _make_way(
        self, request: Request, response: FaithfulResponse, whole: bytes | None
    ) -> None:
        """Go on receiving while the answer is sent, and tell a client that sends in vain."""
        if whole is None:
            self._incoming.watch()
            return
        self._incoming.discard()
        await asyncio.sleep(0)
        if response.status_code in {408, 413} and self._incoming.unread:
            if request.http_version < "2":
                response.headers["Connection"] = "close"

    # Supervision

    def break_off(self, reason: BaseException) -> None:
        """Cancel the view, or the answer, because of *reason*; an answer that is sent stays."""
        if self._reason is None and not self._sent:
            self._reason = reason
            self._task.cancel()

    def _set_patience(self, response: FaithfulResponse) -> None:
        if response.timeout is Ellipsis:
            self._patience = self.app.config["RESPONSE_TIMEOUT"]
        else:
            self._patience = response.timeout
            self._offered = self._loop.time()
        if self._watched and self._patience is not None:
            self._supervise()

    def _supervise(self) -> None:
        """Watch the client from now on, and see to it that it takes what it is offered."""
        self._watched = True
        self._incoming.watch()
        if self._patience is None:
            return
        now = self._loop.time()
        due = (now if self._offered is None else self._offered) + self._patience
        if self._offered is not None and due <= now:
            self._break_off_sending()
        else:
            self._timer = self._loop.call_at(due, self._supervise)

    def _break_off_sending(self) -> None:
        # Also the last message may be stuck: this is not the client's leaving, which is harmless.
        self._sent = False
        self.break_off(
            ResponseTimeoutError(f"the client did not take the answer in {self._patience:g} s")
        )
