"""Flask, Quart and FaithfulQuart behind the same interface.

A probe is written once, with ``async`` and ``await``. For Flask its views become plain functions,
which run the coroutine to its end in one step.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from quartpatterns._shared.calling import maybe_await

__all__ = ["FRAMEWORKS", "ClientResponse", "Framework"]

# The module that an application of the framework imports from, and its application class.
FRAMEWORKS = {
    "Flask": ("flask", "Flask"),
    "Quart": ("quart", "Quart"),
    "FaithfulQuart": ("quartpatterns.subclassing.names", "Flask"),
}


def _run_in_one_step(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of a coroutine that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("a probe can't wait in a view of Flask's")


@dataclass(frozen=True, slots=True)
class ClientResponse:
    """A response of a test client.

    Arguments:
        status: The status code.
        headers: The headers by lower-case name.
        body: The whole body.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        return self.headers.get(name)

    def __str__(self) -> str:
        return f"{self.status} {self.body.decode(errors='replace')}".strip()


class Framework:
    """One of the three frameworks.

    Arguments:
        name: A key of :data:`FRAMEWORKS`.

    Attributes:
        responses: All responses that a test client has received.
        names: The module with the framework's names.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.responses: list[ClientResponse] = []
        module, self.class_name = FRAMEWORKS[name]
        self.names: Any = importlib.import_module(module)

    @property
    def is_flask(self) -> bool:
        """Whether this is Flask, which says what is right."""
        return self.name == "Flask"

    def app(self, *args: Any, **options: Any) -> Any:
        """Return a new application, by default without a static folder."""
        options.setdefault("static_folder", None)
        return getattr(self.names, self.class_name)(*(args or (__name__,)), **options)

    def adapt(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a view for this framework that does what *func*, a coroutine function, does."""
        if not self.is_flask:
            return func

        @wraps(func)
        def plain(*args: Any, **kwargs: Any) -> Any:
            return _run_in_one_step(func(*args, **kwargs))

        return plain

    def view(self, app: Any, rule: str = "/", **options: Any) -> Callable[[Any], Any]:
        """Return a decorator that registers a coroutine function as a view."""

        def decorator(func: Callable[..., Any]) -> Callable[..., Any]:
            app.add_url_rule(rule, view_func=self.adapt(func), **options)
            return func

        return decorator

    async def call(
        self, app: Any, path: str = "/", method: str = "GET", **options: Any
    ) -> ClientResponse:
        """Send a request with the framework's own test client."""
        return await self.response(app.test_client().open(path, method=method, **options))

    async def response(self, sent: Any) -> ClientResponse:
        """Return the response of a test client's call, which is awaited if necessary."""
        response = await maybe_await(sent)
        headers = {name.lower(): value for name, value in response.headers}
        received = ClientResponse(
            response.status_code, headers, await maybe_await(response.get_data())
        )
        if self.is_flask:
            response.close()
        self.responses.append(received)
        return received

    async def within(self, app: Any, func: Callable[[], Awaitable[Any]]) -> Any:
        """Call *func* inside a view and return its result."""
        found: list[Any] = []

        async def view() -> str:
            found.append(await func())
            return ""

        self.view(app, "/within")(view)
        await self.call(app, "/within")
        return found[0]

    @contextlib.asynccontextmanager
    async def served(self, app: Any) -> AsyncIterator[int]:
        """Serve *app* with Werkzeug's server or Hypercorn; yield the port on 127.0.0.1."""
        async with self._flask_server(app) if self.is_flask else _hypercorn(app) as port:
            yield port

    @contextlib.asynccontextmanager
    async def _flask_server(self, app: Any) -> AsyncIterator[int]:
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Handler(WSGIRequestHandler):
            # Allows chunked responses, as servers for production do.
            protocol_version = "HTTP/1.1"

            def log(self, *args: Any) -> None:
                pass

        def make() -> Any:
            return make_server("127.0.0.1", 0, app, threaded=True, request_handler=Handler)

        server = await asyncio.to_thread(make)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.port
        finally:
            await asyncio.to_thread(server.shutdown)
            await asyncio.to_thread(thread.join)
            server.server_close()


@contextlib.asynccontextmanager
async def _hypercorn(app: Any) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = Config()
    # The server closes the socket.
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 0.5
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield port
    finally:
        stop.set()
        await server
