"""Hypercorn or Uvicorn on inherited sockets. When it stops, it answers every request that was sent.

When these servers stop, they close idle keep-alive connections at once, and a request that a client
is just sending is lost. This server first stops accepting. It still answers requests on open
connections, each with ``Connection: close``, so that the client connects again and reaches the
new server. When the connections are closed, or have been idle for the keep-alive timeout, it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn
    from hypercorn.config import Config, Sockets

__all__ = ["main"]


def main(arguments: list[str], server: str = "hypercorn") -> None:
    """Serve an application until SIGTERM. This runs under the Python of the release."""
    parser = argparse.ArgumentParser(prog=server)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--fd", type=int, action="append", default=[])
    parser.add_argument("--private", type=Path, required=True)
    parser.add_argument("--graceful", type=float, default=30.0)
    parser.add_argument("app")
    options = parser.parse_args(arguments)
    if server == "uvicorn":
        _run_uvicorn(options.app, options.fd, options.private, options.graceful)
    else:
        _run_hypercorn(options)


def _run_hypercorn(options: argparse.Namespace) -> None:
    from hypercorn.config import Config
    from hypercorn.utils import load_application

    config = (
        Config.from_toml(str(options.config))  # pyright: ignore[reportUnknownMemberType]
        if options.config
        else Config()
    )
    config.workers = 0
    config.use_reloader = False
    config.application_path = options.app
    config.graceful_timeout = options.graceful
    config.umask = 0o077
    config.quic_bind = []
    shared = [f"fd://{fd}" for fd in options.fd]
    private = [f"unix:{options.private}"]
    if config.ssl_enabled and shared:
        config.bind, config.insecure_bind = shared, private
    else:
        config.bind, config.insecure_bind = shared + private, []
        config.certfile = config.keyfile = None
    app = load_application(config.application_path, config.wsgi_max_body_size)
    loop_factory = None
    if config.worker_class == "uvloop":
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve_hypercorn(app, config, options.private))


async def _serve_hypercorn(app: object, config: Config, private: Path) -> None:
    from hypercorn.asyncio.run import worker_serve  # pyright: ignore[reportUnknownVariableType]

    sockets: Sockets = config.create_sockets()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)

    async def stopped() -> None:
        await stop.wait()
        await _drain_hypercorn(
            [*sockets.secure_sockets, *sockets.insecure_sockets], config, private
        )

    await worker_serve(app, config, sockets=sockets, shutdown_trigger=stopped)  # type: ignore[arg-type]


async def _drain_hypercorn(sockets: list[socket.socket], config: Config, private: Path) -> None:
    """Stop accepting, and let each client connect again after its next response."""
    loop = asyncio.get_running_loop()
    for listener in sockets:
        # uvloop does not expose this reader. There, Hypercorn closes the sockets later.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.remove_reader(listener.fileno())
    config.keep_alive_max_requests = 0
    await _drained(private, config.keep_alive_timeout, config.graceful_timeout)


async def _drained(private: Path, keep_alive: float, graceful: float) -> None:
    # The supervisor watches this file. If it is missing, the server no longer accepts.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(private)
    # After this time, each keep-alive connection was either used again or closed as idle.
    await asyncio.sleep(min(keep_alive, graceful) + 0.5)


class _Closing:
    """An ASGI application that closes each connection after its response once it is *draining*."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.draining = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_and_close(message: Any) -> None:
            if self.draining and message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, send_and_close if scope["type"] == "http" else send)


def _run_uvicorn(name: str, fds: list[int], private: Path, graceful: float) -> None:
    try:
        import uvicorn
    except ImportError:
        sys.exit('server = "uvicorn" needs uvicorn. Add quartpatterns[uvicorn] to the dependencies')
    from hypercorn.utils import load_application

    loaded: Any = load_application(name, 0)
    app = _Closing(loaded.app)
    os.umask(0o077)
    own = socket.socket(socket.AF_UNIX)
    own.bind(str(private))
    sockets = [*(socket.socket(fileno=fd) for fd in fds), own]
    config = uvicorn.Config(
        app,
        interface="asgi3",
        lifespan="on",
        # The application decides which proxies to trust, as it does with Hypercorn.
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(graceful),
    )
    loop_factory = config.get_loop_factory()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(_serve_uvicorn(uvicorn.Server(config), sockets, private, app))


async def _serve_uvicorn(
    server: uvicorn.Server, sockets: list[socket.socket], private: Path, app: _Closing
) -> None:
    serving = asyncio.create_task(server.serve(sockets=sockets))
    # Uvicorn has put its handlers, which would stop it at once, and now waits for the application.
    # These replace them before the application starts, because it may observe the signals, too.
    await asyncio.sleep(0)
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if server.started and not serving.done():
        for listener in server.servers:
            listener.close()
        app.draining = True
        await _drained(
            private, server.config.timeout_keep_alive, server.config.timeout_graceful_shutdown or 0
        )
    server.should_exit = True
    stopped.cancel()
    await serving
