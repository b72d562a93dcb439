"""Uvicorn on sockets that ``quartpatterns serve`` has opened.

Uvicorn's own command takes one socket, and treats each as a Unix socket. This is
``python -m quartpatterns.cli.uvicorn_server FD...``, with the arguments of :class:`uvicorn.Config`
as JSON in an environment variable.
"""

from __future__ import annotations

import copy
import json
import os
import socket
import sys
from typing import Any

import uvicorn

from quartpatterns.cli.server_commands import APPLICATION, UVICORN_OPTIONS


def _log_config() -> dict[str, Any]:
    """Return the configuration of logging of Uvicorn, with the id of the request at the end."""
    config = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    factory = "quartpatterns._shared.request_id_log.request_id_filter"
    config["filters"] = {"request_id": {"()": factory}}
    config["handlers"]["access"]["filters"] = ["request_id"]
    config["formatters"]["access"]["fmt"] += " %(request_id)s"
    return config


def main() -> None:
    """Serve until a signal."""
    options = json.loads(os.environ.pop(UVICORN_OPTIONS))
    config = uvicorn.Config(
        APPLICATION,
        factory=True,
        interface="asgi3",
        lifespan="on",
        log_config=_log_config(),
        **options,
    )
    sockets = [socket.socket(fileno=int(fd)) for fd in sys.argv[1:]]
    uvicorn.Server(config).run(sockets=sockets)


if __name__ == "__main__":
    main()
