"""Open many event streams, and see when each has its first byte."""

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

PATIENCE = 3.0
"""Seconds without another first byte, after which a stream counts as not answered."""

BEGINNING = b"retry:"


@dataclass(frozen=True, slots=True)
class OpenStreams:
    """Streams that are open.

    Arguments:
        delays: The seconds until the first byte of each stream that had one, in order.
    """

    delays: tuple[float, ...]

    @property
    def answered(self) -> int:
        """The number of streams with a first byte."""
        return len(self.delays)

    def percentile(self, share: float) -> float:
        """Return the milliseconds in which *share* of the answered streams had a first byte."""
        if not self.delays:
            return float("inf")
        return 1000 * self.delays[min(len(self.delays) - 1, int(len(self.delays) * share))]


@contextlib.contextmanager
def open_streams(url: str, request: bytes, count: int) -> Iterator[OpenStreams]:
    """Open *count* streams one after the other, and keep them open.

    Arguments:
        url: ``http://host:port``.
        request: The bytes of the request, whose response begins with ``retry:``.
        count: The number of streams.

    Raises:
        ServerExitedError: The server refuses connections.
    """
    address = urlsplit(url)
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        begun: dict[Any, tuple[float, bytearray]] = {}
        delays: list[float] = []
        for _ in range(count):
            start = time.monotonic()
            try:
                client = stack.enter_context(
                    socket.create_connection((address.hostname, address.port or 80), timeout=60)
                )
                client.sendall(request)
            except OSError as error:
                raise ServerExitedError(f"no connection for a stream: {error}") from error
            client.setblocking(False)
            selector.register(client, selectors.EVENT_READ)
            begun[client] = start, bytearray()
            _read(selector, begun, delays, 0)
        last = time.monotonic()
        while begun and time.monotonic() < last + PATIENCE:
            if _read(selector, begun, delays, 0.1):
                last = time.monotonic()
        yield OpenStreams(tuple(sorted(delays)))


def _read(
    selector: selectors.BaseSelector,
    begun: dict[Any, tuple[float, bytearray]],
    delays: list[float],
    timeout: float,
) -> int:
    """Read what has arrived, and return how many streams have begun."""
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
        if BEGINNING in received:
            delays.append(time.monotonic() - start)
        if not data or BEGINNING in received:
            selector.unregister(client)
            del begun[client]
    return len(delays) - before
