"""Hypercorn on inherited sockets. When it stops, it answers every request that was sent.

When Hypercorn stops, it closes idle keep-alive connections at once, and a request that a client
is just sending is lost. This server first stops accepting. It still answers requests on open
connections, each with ``Connection: close``, so that the client connects again and reaches the
new server. When the connections are closed, or have been idle for the keep-alive timeout, it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

    from hypercorn.config import Config, Sockets

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Serve an application until SIGTERM. This runs under the Python of the release."""
    parser = argparse.ArgumentParser(prog="hypercorn")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--fd", type=int, action="append", default=[])
    parser.add_argument("--private", type=Path, required=True)
    parser.add_argument("--graceful", type=float, default=30.0)
    parser.add_argument("app")
    options = parser.parse_args(arguments)

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
        runner.run(_serve(app, config, options.private))


async def _serve(app: object, config: Config, private: Path) -> None:
    from hypercorn.asyncio.run import worker_serve  # pyright: ignore[reportUnknownVariableType]

    sockets: Sockets = config.create_sockets()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)

    async def stopped() -> None:
        await stop.wait()
        await _drain([*sockets.secure_sockets, *sockets.insecure_sockets], config, private)

    await worker_serve(app, config, sockets=sockets, shutdown_trigger=stopped)  # type: ignore[arg-type]


async def _drain(sockets: list[socket.socket], config: Config, private: Path) -> None:
    """Stop accepting, and let each client connect again after its next response."""
    loop = asyncio.get_running_loop()
    for listener in sockets:
        # uvloop does not expose this reader. There, Hypercorn closes the sockets later.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.remove_reader(listener.fileno())
    config.keep_alive_max_requests = 0
    # The supervisor watches this file. If it is missing, the server no longer accepts.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(private)
    # After this time, each keep-alive connection was either used again or closed as idle.
    await asyncio.sleep(min(config.keep_alive_timeout, config.graceful_timeout) + 0.5)
