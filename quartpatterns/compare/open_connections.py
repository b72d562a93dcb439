"""Open many connections with one request each, and see when each response begins."""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from quartpatterns.compare.load_test import ServerExitedError

PATIENCE = 4.0
"""Seconds without another response, after which the rest counts as not answered."""

MOST_PENDING = 1000
"""Responses that are awaited at once: fewer than the connections that a server lets wait."""

BEGINNING = b"retry:"
"""How an event stream begins."""


@dataclass(frozen=True, slots=True)
class OpenConnections:
    """Connections that are open.

    Arguments:
        delays: The seconds until the beginning of each response that began, in order.
        seconds: The seconds from the first connection to the last of these beginnings.
    """

    delays: tuple[float, ...]
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """The number of responses that began."""
        return len(self.delays)

    def percentile(self, share: float) -> float:
        """Return the milliseconds in which *share* of these responses began."""
        if not self.delays:
            return float("inf")
        return 1000 * self.delays[min(len(self.delays) - 1, int(len(self.delays) * share))]


@contextlib.contextmanager
def open_connections(
    url: str, request: bytes, count: int, beginning: bytes = BEGINNING
) -> Iterator[OpenConnections]:
    """Open *count* connections one after the other, send a request on each, and keep them open.

    Arguments:
        url: ``http://host:port``.
        request: The bytes of the request.
        count: The number of connections.
        beginning: What the body of each response begins with.

    Raises:
        ServerExitedError: The server refuses connections. One that waits longer than
            :data:`PATIENCE` only ends the opening of further connections.
    """
    address = urlsplit(url)
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        first = time.monotonic()
        begun: dict[Any, tuple[float, bytearray]] = {}
        delays: list[float] = []

        def read_until(left: int) -> bool:
            """Read until *left* responses have not begun; return whether that was in time."""
            last = time.monotonic()
            while len(begun) > left:
                if _read(selector, begun, delays, beginning, 0.1):
                    last = time.monotonic()
                elif time.monotonic() > last + PATIENCE:
                    return False
            return True

        for _ in range(count):
            if not read_until(MOST_PENDING):
                break
            start = time.monotonic()
            try:
                client = stack.enter_context(
                    socket.create_connection(
                        (address.hostname, address.port or 80), timeout=PATIENCE
                    )
                )
                client.sendall(request)
            except TimeoutError:  # the server accepts no more
                break
            except OSError as error:
                raise ServerExitedError(f"no connection: {error}") from error
            client.setblocking(False)
            selector.register(client, selectors.EVENT_READ)
            begun[client] = start, bytearray()
            _read(selector, begun, delays, beginning, 0)
        read_until(0)
        answered = time.monotonic()
        yield OpenConnections(tuple(sorted(delays)), answered - first)


def _read(
    selector: selectors.BaseSelector,
    begun: dict[Any, tuple[float, bytearray]],
    delays: list[float],
    beginning: bytes,
    timeout: float,
) -> int:
    """Read what has arrived, and return how many responses have begun."""
    before = len(delays)
    for key, _ in selector.select(timeout):
        client: Any = key.fileobj
        try:
            data = client.recv(65536)
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        start, received = begun[client]
        received += data
        if beginning in received:
            delays.append(time.monotonic() - start)
        if not data or beginning in received:
            selector.unregister(client)
            del begun[client]
    return len(delays) - before
