"""One side of the comparison: Flask, Quart or FaithfulQuart, spoken to in the same words.

A probe is written once, in the dialect with ``async`` and ``await``. On Flask's side there is no
event loop: a coroutine that awaits nothing but what is there already is run to its end by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

__all__ = ["SIDES", "Answer", "Side", "either"]

# The module whose names a side's code imports, and the class of its application.
SIDES = {
    "Flask": ("flask", "Flask"),
    "Quart": ("quart", "Quart"),
    "FaithfulQuart": ("quartpatterns.subclassing.names", "Flask"),
}


async def either(value: Any) -> Any:
    """*value*, awaited where it is to be awaited."""
    return await value if inspect.isawaitable(value) else value


def _finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise RuntimeError("on Flask's side there is nothing to wait for")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

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


class Side:
    """One of the three.

    Arguments:
        name: A key of :data:`SIDES`.

    Attributes:
        seen: Every answer that a test client has received.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Answer] = []
        module, self.class_name = SIDES[name]
        self.names: Any = importlib.import_module(module)

    @property
    def is_flask(self) -> bool:
        """Whether this is the oracle."""
        return self.name == "Flask"

    def app(self, *args: Any, **options: Any) -> Any:
        """A new application; without a static folder where none is given."""
        options.setdefault("static_folder", None)
        return getattr(self.names, self.class_name)(*(args or (__name__,)), **options)

    def dialect(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """*func*, a coroutine function, as this side wants it."""
        if not self.is_flask:
            return func

        @wraps(func)
        def plain(*args: Any, **kwargs: Any) -> Any:
            return _finish(func(*args, **kwargs))

        return plain

    def view(self, app: Any, rule: str = "/", **options: Any) -> Callable[[Any], Any]:
        """Register a coroutine function as a view."""

        def decorator(func: Callable[..., Any]) -> Callable[..., Any]:
            app.add_url_rule(rule, view_func=self.dialect(func), **options)
            return func

        return decorator

    async def call(self, app: Any, path: str = "/", method: str = "GET", **options: Any) -> Answer:
        """Send a request with the side's own test client."""
        return await self.answer(app.test_client().open(path, method=method, **options))

    async def answer(self, sent: Any) -> Answer:
        """The answer of a test client."""
        response = await either(sent)
        headers = {name.lower(): value for name, value in response.headers}
        answer = Answer(response.status_code, headers, await either(response.get_data()))
        if self.is_flask:
            response.close()
        self.seen.append(answer)
        return answer

    async def within(self, app: Any, func: Callable[[], Awaitable[Any]]) -> Any:
        """Call *func* inside a view of its own, and give back what it gives."""
        found: list[Any] = []

        async def view() -> str:
            found.append(await func())
            return ""

        self.view(app, "/within")(view)
        await self.call(app, "/within")
        return found[0]

    @contextlib.asynccontextmanager
    async def served(self, app: Any) -> AsyncIterator[int]:
        """Serve *app* by a real server on a port of 127.0.0.1: Werkzeug's or Hypercorn."""
        async with self._flask_server(app) if self.is_flask else _hypercorn(app) as port:
            yield port

    @contextlib.asynccontextmanager
    async def _flask_server(self, app: Any) -> AsyncIterator[int]:
        from werkzeug.serving import WSGIRequestHandler, make_server

        class Handler(WSGIRequestHandler):
            # Chunked answers, as behind any server for production.
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
    # Handed over: the server closes it.
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
