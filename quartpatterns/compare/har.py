"""Read the requests that a browser or a proxy recorded, from a HAR file (HTTP Archive 1.2)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlencode, urlsplit

import msgspec

from quartpatterns.compare.case import Case, Step
from quartpatterns.compare.files import (
    CaseFileError,
    convert,
    line_of,
    lines_of,
    parse_json,
    read_text,
)
from quartpatterns.compare.har_request import HARPair, HARRequest, body_of, has_body

# Headers of one connection (RFC 9110, 7.6.1), and those that the comparison sends itself.
_CONNECTION_HEADERS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "cookie",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Recording:
    """The requests of a HAR file.

    Arguments:
        cases: One case. Its steps are the requests, in order.
        host: The host of the application.
        left_out: How many requests were left out, by the reason.
    """

    cases: list[Case]
    host: str
    left_out: Mapping[str, int] = field(default_factory=dict[str, int])

    def __str__(self) -> str:
        """What was read, and what was left out, in one line."""
        count = len(self.cases[0].steps) if self.cases else 0
        text = f"{count} request{'s' if count != 1 else ''} of {self.host}"
        if self.left_out:
            reasons = ", ".join(f"{number} {reason}" for reason, number in self.left_out.items())
            text += f"; left out: {reasons}"
        return text


class _Content(msgspec.Struct, rename="camel"):
    mime_type: str | None = None


class _Response(msgspec.Struct):
    headers: list[HARPair] = []
    cookies: list[HARPair] = []
    content: _Content = msgspec.field(default_factory=_Content)


class _Entry(msgspec.Struct):
    request: HARRequest
    response: _Response = msgspec.field(default_factory=_Response)


class _Creator(msgspec.Struct):
    name: str = ""


class _Log(msgspec.Struct):
    entries: list[_Entry]
    creator: _Creator = msgspec.field(default_factory=_Creator)


class _Har(msgspec.Struct):
    log: _Log


def read_har(path: Path, host: str | None = None) -> Recording:
    """Return the requests of a HAR file to the application, as one case.

    The requests of a browser belong together, so they are sent in order and share their cookies. A
    cookie that no response in the recording has set is sent too. Requests to other hosts,
    websockets, and URLs that are no requests, such as ``data:``, are left out and counted.

    Arguments:
        path: The file.
        host: The host of the application, with the port if it has one. By default it is that of
            the first HTML page, and without a page the host of most requests.

    Raises:
        CaseFileError: The file is missing or malformed, or has no request to the application.
    """
    text = read_text(path)
    lines = lines_of(text, r'"request"\s*:')
    log = convert(path, parse_json(path, text), _Har, lines).log
    reader = _Reader(host or _host(log.entries), encoded=log.creator.name == "WebInspector")
    steps: list[Step] = []
    for index, entry in enumerate(log.entries):
        try:
            steps += reader.read(entry)
        except ValueError as error:
            raise CaseFileError(f"{line_of(path, lines, index)}: {error}") from error
    if not steps:
        found = f": {Recording([], reader.host, reader.left_out)}" if log.entries else ""
        raise CaseFileError(f"{path}: expected at least one request in log.entries{found}")
    return Recording([Case(path.name, *steps)], reader.host, reader.left_out)


def _host(entries: Sequence[_Entry]) -> str:
    """Return the host of the first HTML page, otherwise the host of most requests."""
    hosts = Counter[str]()
    for entry in entries:
        if not entry.request.url.lower().startswith(("http://", "https://")):
            continue
        host = entry.request.url.split("/")[2].partition("?")[0].rpartition("@")[2]
        if (entry.response.content.mime_type or "").startswith("text/html"):
            return host
        hosts[host] += 1
    return max(hosts, key=lambda host: hosts[host], default="")


class _Reader:
    """Makes the steps, and remembers what it has seen.

    Arguments:
        host: The host of the application.
        encoded: Whether the parameters of forms are percent-encoded.
    """

    def __init__(self, host: str, *, encoded: bool) -> None:
        self.host = host
        self.left_out = Counter[str]()
        self._encoded = encoded
        self._cookies: set[str] = set()  # names that a response has set

    def read(self, entry: _Entry) -> Iterator[Step]:
        """Yield the step of *entry*, or count why there is none.

        Raises:
            ValueError: The request is malformed; the message says how.
        """
        request = entry.request
        if reason := self._reason(request):
            self.left_out[reason] += 1
            return
        cookies = [
            (cookie.name, cookie.value)
            for cookie in request.cookies
            if cookie.name not in self._cookies
        ]
        self._cookies |= _names_of_set_cookies(entry.response)
        url = urlsplit(request.url)
        query = url.query or urlencode([(each.name, each.value) for each in request.query_string])
        body, content_type = body_of(request, encoded=self._encoded)
        yield Step(
            (url.path or "/") + (f"?{query}" if query else ""),
            method=request.method,
            headers=list(self._headers(request, content_type)),
            cookies=cookies,
            body=body,
        )

    def _reason(self, request: HARRequest) -> str | None:
        """Return why *request* is left out."""
        if request.method.upper() == "CONNECT":
            return "CONNECT"
        if not _TOKEN.fullmatch(request.method):
            raise ValueError(f"method: {request.method!r} is not an HTTP method")
        try:
            url = urlsplit(request.url)
            place = _place(url)
        except ValueError as error:
            raise ValueError(f"url: {request.url!r} is not a URL: {error}") from error
        scheme = url.scheme.lower()
        if scheme in ("ws", "wss") or request.header("upgrade").lower() == "websocket":
            return "websocket"
        if scheme not in _PORTS or not url.hostname:
            return f"{scheme or 'relative'}: URL"
        if place != _place(urlsplit(f"{scheme}://{self.host}")):
            return "of another host"
        return None if has_body(request) else "without the body that it had"

    def _headers(self, request: HARRequest, content_type: str | None) -> Iterator[tuple[str, str]]:
        listed = {name.strip().lower() for name in request.header("connection").split(",")}
        left_out = _CONNECTION_HEADERS | listed
        if content_type is not None:
            yield "Content-Type", content_type
            left_out |= {"content-type"}
        for header in request.headers:
            name = header.name.lower()
            if name.startswith(":") or name in left_out:
                continue
            if not _TOKEN.fullmatch(header.name):
                raise ValueError(f"headers: {header.name!r} is not the name of a header")
            # Chromium writes repeated headers as lines.
            for value in header.value.split("\n"):
                if name in ("origin", "referer"):
                    value = self._local(value)
                if re.search(r"[\0-\x08\x0a-\x1f\x7f]", value):
                    raise ValueError(f"headers: {header.name} has a control character")
                yield header.name, value.strip()

    def _local(self, value: str) -> str:
        """Replace the recorded host: the applications are asked for ``http://localhost``."""
        url = urlsplit(value)
        if _place(url) != _place(urlsplit(f"{url.scheme}://{self.host}")):
            return value
        return url._replace(scheme="http", netloc="localhost").geturl()


def _place(url: SplitResult) -> tuple[str, int | Literal["default"]]:
    """Return host and port of a URL; http and https of one host are one place."""
    default = _PORTS.get(url.scheme.lower())
    port = url.port
    return (url.hostname or "").lower(), "default" if port in (None, default) else port or 0


def _names_of_set_cookies(response: _Response) -> set[str]:
    values = [
        value
        for header in response.headers
        if header.name.lower() == "set-cookie"
        for value in header.value.split("\n")
    ]
    names = {value.partition("=")[0].strip() for value in values}
    return names | {cookie.name for cookie in response.cookies}
