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
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        reason = error.strerror or error
    except OverflowError:
        reason = "the highest port is 65535"
    else:
        return
    sys.exit(f"Cannot listen on {host}:{port}: {reason}. Choose another one with {option}.")
