"""Build the request of a step: for HTTPX, as bytes, as WSGI environment, or as ASGI scope."""

from __future__ import annotations

import contextlib
import io
import json
import string
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import httpx
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import encode_multipart

from quartpatterns.compare.case import File, Pairs, Step
from quartpatterns.compare.transports import PAGE, TARGET, asgi_scope, client, wsgi_environ

BOUNDARY = "quartpatterns-boundary"


def build_request(
    step: Step, client: httpx.AsyncClient, captured: Mapping[str, str] | None = None
) -> httpx.Request:
    """Return the request of *step*, with the captured values filled in."""

    def filled(text: str) -> str:
        return fill(text, captured or {})

    content, content_type = _content(step, filled)
    headers = [("Content-Type", content_type)] if content_type else []
    headers += [(key, filled(value)) for key, value in _pairs(step.headers)]
    received = {cookie.name for cookie in client.cookies.jar}
    cookies = {name: value for name, value in _pairs(step.cookies) if name not in received}
    target = _target(step, filled)
    hosts = [value for key, value in headers if key.lower() == "host"]
    page = _page((hosts or [client.headers["Host"]])[0], target) or client.base_url
    request = client.build_request(
        step.method,
        page,  # HTTPX selects the cookies for it.
        # HTTPX rejects text that is not ASCII, which a client may send; it accepts bytes.
        headers=[(key.encode(), value.encode()) for key, value in headers],
        content=content,
        cookies=cookies or None,
        extensions={TARGET: target, PAGE: page},
    )
    request.url = client.base_url
    return request


def _page(host: str, target: bytes) -> httpx.URL | None:
    """Return the URL of a request, or ``None`` if it is not valid."""
    with contextlib.suppress(httpx.InvalidURL, ValueError):
        return httpx.URL(f"https://{host}{target.decode()}")
    return None


def fill(text: str, captured: Mapping[str, str]) -> str:
    """Return *text* with captured values in place of their names in braces."""
    for name, value in captured.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _target(step: Step, fill: Callable[[str], str]) -> bytes:
    """Return path and query exactly as they are sent: HTTPX would resolve dots and slashes."""
    target = fill(step.path)
    if query := urlencode([(key, fill(value)) for key, value in _pairs(step.query)]):
        target += ("&" if "?" in target else "?") + query
    return quote(target, safe=string.punctuation).encode()


def _pairs(given: Pairs) -> Iterable[tuple[str, str]]:
    return given.items() if isinstance(given, Mapping) else given


def _content(step: Step, fill: Callable[[str], str]) -> tuple[Any, str | None]:
    """Return the body and its media type: the same bytes for both applications."""
    fields = [
        (key, fill(value))
        for key, values in (step.form or {}).items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    if step.files is not None:
        return _multipart(fields, step.files), f"multipart/form-data; boundary={BOUNDARY}"
    if step.form is not None:
        return urlencode(fields).encode(), "application/x-www-form-urlencoded"
    if step.json is not None:
        return json.dumps(step.json).encode(), "application/json"
    if step.body is None or isinstance(step.body, bytes):
        return step.body, None
    return _chunks(step.body), None


def _multipart(fields: list[tuple[str, str]], files: Mapping[str, File]) -> bytes:
    parts: MultiDict[str, Any] = MultiDict(fields)
    for name, file in files.items():
        stream = io.BytesIO(file.content)
        parts.add(name, FileStorage(stream, filename=file.name, content_type=file.content_type))
    return encode_multipart(parts, boundary=BOUNDARY)[1]


async def _chunks(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that is built once and sent many times; each byte is as in a comparison."""

    request: httpx.Request  # with its body
    chunks: tuple[bytes, ...]  # of a chunked body

    @property
    def target(self) -> bytes:
        """Path and query as in the request line."""
        target: bytes = self.request.extensions[TARGET]
        return target

    @property
    def body(self) -> bytes:
        """The body without the framing of chunks."""
        return self.request.content

    def environ(self) -> dict[str, Any]:
        """Return a WSGI environment (PEP 3333); ``wsgi.input`` can be read once."""
        return wsgi_environ(self.request)

    def scope(self) -> dict[str, Any]:
        """Return an ASGI scope of the type ``http``."""
        return dict(asgi_scope(self.request, "http", {}))

    def http(self) -> bytes:
        """Return the bytes of an HTTP/1.1 request (RFC 9112)."""
        head = [b"%b %b HTTP/1.1" % (self.request.method.encode(), self.target)]
        head += [b"%b: %b" % header for header in self.request.headers.raw]
        body = self.body
        if self.request.headers.get("Transfer-Encoding") == "chunked":
            chunks = (b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in self.chunks if chunk)
            body = b"".join(chunks) + b"0\r\n\r\n"
        return b"\r\n".join(head) + b"\r\n\r\n" + body


async def prepare_request(step: Step) -> PreparedRequest:
    """Return the request of *step*, with the headers of every comparison."""
    async with client("http://localhost") as http:
        request = build_request(step, http)
    await request.aread()
    chunks = () if step.body is None or isinstance(step.body, bytes) else tuple(step.body)
    return PreparedRequest(request, chunks)
