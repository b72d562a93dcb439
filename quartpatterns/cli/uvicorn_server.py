"""Uvicorn on sockets that ``quartpatterns serve`` has opened.

Uvicorn's own command takes one socket, and treats each as a Unix socket. This is
``python -m quartpatterns.cli.uvicorn_server FD...``, with the arguments of :class:`uvicorn.Config`
as JSON in an environment variable.
"""

from __future__ import annotations

import json
import os
import socket
import sys

import uvicorn

from quartpatterns.cli.server_commands import APPLICATION, UVICORN_OPTIONS


def main() -> None:
    """Serve until a signal."""
    options = json.loads(os.environ.pop(UVICORN_OPTIONS))
    config = uvicorn.Config(APPLICATION, factory=True, interface="asgi3", lifespan="on", **options)
    sockets = [socket.socket(fileno=int(fd)) for fd in sys.argv[1:]]
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main()
