"""Check an address before the server starts."""

from __future__ import annotations

import socket
import sys


def check_address(host: str, port: int, *, option: str) -> None:
    """Exit with a message if no server can listen on *port* of *host*.

    *option* is the option that chooses another address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        sys.exit(f"Cannot listen on {host}:{port}: {reason}. Choose another one with {option}.")
