"""A request made once and sent many times: as bytes, as a WSGI environment, as an ASGI scope."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from quartpatterns.compare.case import Step
from quartpatterns.compare.runner import request_for
from quartpatterns.compare.transports import TARGET, client, wsgi_environ

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request, the same to the byte as the comparison sends.

    Arguments:
        request: The request, its body read.
        parts: The body, one item a chunk where it is sent in chunks.
    """

    request: httpx.Request
    parts: tuple[bytes, ...]

    @property
    def target(self) -> bytes:
        """Path and query as they stand in the request line."""
        target: bytes = self.request.extensions[TARGET]
        return target

    @property
    def body(self) -> bytes:
        """The body as the application sees it."""
        return self.request.content

    def environ(self) -> dict[str, Any]:
        """A WSGI environment (PEP 3333); ``wsgi.input`` serves one call only."""
        return wsgi_environ(self.request)

    def scope(self) -> dict[str, Any]:
        """An ASGI scope of the type ``http``."""
        path, _, query = self.target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": self.request.method,
            "scheme": "http",
            "path": unquote_to_bytes(path).decode(errors="replace"),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in self.request.headers.raw],
            "client": ("127.0.0.1", 40000),
            "server": ("127.0.0.1", 80),
            "state": {},
            "extensions": {},
        }

    def wire(self) -> bytes:
        """The bytes of an HTTP/1.1 request (RFC 9112)."""
        head = [b"%b %b HTTP/1.1" % (self.request.method.encode(), self.target)]
        head += [b"%b: %b" % header for header in self.request.headers.raw]
        return b"\r\n".join(head) + b"\r\n\r\n" + self._wire_body()

    def _wire_body(self) -> bytes:
        if self.request.headers.get("Transfer-Encoding") != "chunked":
            return self.body
        chunks = (b"%x\r\n%b\r\n" % (len(part), part) for part in self.parts if part)
        return b"".join(chunks) + b"0\r\n\r\n"


async def prepare(step: Step) -> Prepared:
    """The request of *step*, with the headers that every comparison sends."""
    async with client("http://localhost") as http:
        request = request_for(step, http)
    assert isinstance(request.stream, httpx.AsyncByteStream)
    parts = tuple([part async for part in request.stream])
    read = httpx.Request(
        request.method,
        request.url,
        headers=request.headers,
        stream=httpx.ByteStream(b"".join(parts)),
        extensions=request.extensions,
    )
    read.read()
    return Prepared(read, parts)
