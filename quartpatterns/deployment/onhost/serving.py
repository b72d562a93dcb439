"""Hypercorn on sockets that somebody else holds, which leaves no request unanswered.

Hypercorn by itself, told to end, closes connections that are kept alive at once: a request that
is on its way is lost. Here the old process first stops to accept, answers what still arrives on
its connections and asks each client to connect anew, which is then to the new process; when the
connections are gone, or idle for as long as they may be, it ends.
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
    """Serve an application until SIGTERM; run by the Python of its release."""
    parser = argparse.ArgumentParser(prog="hypercorn")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--fd", type=int, action="append", default=[])
    parser.add_argument("--private", type=Path, required=True)
    parser.add_argument("--graceful", type=float, default=30.0)
    parser.add_argument("app")
    given = parser.parse_args(arguments)

    from hypercorn.config import Config
    from hypercorn.utils import load_application

    config = (
        Config.from_toml(str(given.config))  # pyright: ignore[reportUnknownMemberType]
        if given.config
        else Config()
    )
    config.workers = 0
    config.use_reloader = False
    config.application_path = given.app
    config.graceful_timeout = given.graceful
    config.umask = 0o077
    config.quic_bind = []
    shared = [f"fd://{fd}" for fd in given.fd]
    private = [f"unix:{given.private}"]
    if config.ssl_enabled and shared:
        config.bind, config.insecure_bind = shared, private
    else:
        config.bind, config.insecure_bind = shared + private, []
        config.certfile = config.keyfile = None
    app = load_application(config.application_path, config.wsgi_max_body_size)
    factory = None
    if config.worker_class == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(app, config, given.private))


async def _serve(app: object, config: Config, private: Path) -> None:
    from hypercorn.asyncio.run import worker_serve  # pyright: ignore[reportUnknownVariableType]

    sockets: Sockets = config.create_sockets()
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, asked.set)

    async def ended() -> None:
        await asked.wait()
        await _drain([*sockets.secure_sockets, *sockets.insecure_sockets], config, private)

    await worker_serve(app, config, sockets=sockets, shutdown_trigger=ended)  # type: ignore[arg-type]


async def _drain(sockets: list[socket.socket], config: Config, private: Path) -> None:
    """Accept nothing more, and have each client connect anew after its next answer."""
    loop = asyncio.get_running_loop()
    for one in sockets:
        # uvloop has no reader to remove: there the sockets are closed below, by Hypercorn.
        with contextlib.suppress(RuntimeError, ValueError):
            loop.remove_reader(one.fileno())
    config.keep_alive_max_requests = 0
    # Whoever looks for this file knows now that nothing more is accepted.
    with contextlib.suppress(FileNotFoundError):
        os.unlink(private)
    # By then a connection that was kept alive has been used once more, or closed as idle.
    await asyncio.sleep(min(config.keep_alive_timeout, config.graceful_timeout) + 0.5)
