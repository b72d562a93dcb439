"""A link from the pages of a mounted port back to the gallery.

The port does not know about it: the link is added to its response on the way to the browser, after
the last byte of the body. Only a page that a browser shows in its window gets it. Every other
response is passed on unchanged: other types, downloads, parts of a file, encoded bodies, and all
responses to scripts and to programs such as curl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import Any
from urllib.parse import quote

from quartpatterns.appdispatch import ASGIApp

__all__ = ["BackLink"]

Headers = list[tuple[bytes, bytes]]

# With these headers the body is encoded or a part, or its bytes have a digest.
KEPT = frozenset(
    {b"content-encoding", b"content-range", b"trailer"}
    | {b"digest", b"content-digest", b"repr-digest", b"content-md5"}
)
# What browsers accept when they open a page, of which they say no more outside of HTTPS.
NAVIGATION = b"text/html,application/xhtml+xml"


class BackLink:
    """Add a link to the gallery to the pages of *app*.

    The link is in a shadow root with a style sheet of its own: neither changes the look of the
    other, and no selector of the page finds it. It works without JavaScript, and if the page
    forbids inline styles.

    Arguments:
        app: The port.
        name: The name of the pattern.
        title: The text of the link.
        mount: Where it is mounted in the gallery; by default at its name.
    """

    def __init__(self, app: ASGIApp, name: str, title: str, *, mount: str | None = None) -> None:
        self._app = app
        self._name = name
        self._mount = mount or f"/{name}"
        self._title = title

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] in ("GET", "POST", "HEAD"):
            if _opens_page(scope["headers"]):
                send = _Sender(self._html(scope), scope["method"] == "HEAD", send)
        await self._app(scope, receive, send)

    def _html(self, scope: Any) -> bytes:
        root = quote(scope.get("root_path", "").removesuffix(self._mount))
        return (
            '\n<quartpatterns-gallery><template shadowrootmode="open">'
            f'<link rel="stylesheet" href="{root}/gallery/static/back_link.css">'
            '<nav aria-label="Gallery">'
            f'<a href="{root}/gallery/{self._name}">‹ {escape(self._title)}</a>'
            f' <a href="{root}/">Gallery</a></nav></template></quartpatterns-gallery>\n'
        ).encode()


def _opens_page(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Return whether a browser sends the request in order to show the response in its window."""
    found = dict(headers)
    if b"sec-fetch-dest" in found:
        return found[b"sec-fetch-dest"] == b"document"
    return found.get(b"accept", b"").startswith(NAVIGATION)


class _Sender:
    """Pass messages on, and add *html* to the end of a page."""

    def __init__(self, html: bytes, is_head: bool, send: Callable[[Any], Any]) -> None:
        self._html = html
        self._is_head = is_head
        self._send = send
        self._adds = False

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            headers: Headers = [(name.lower(), value) for name, value in message["headers"]]
            if self._is_page(message["status"], headers):
                self._adds = True
                message = {**message, "headers": self._with_length(headers)}
        elif self._adds and message["type"] == "http.response.body":
            if not message.get("more_body", False) and not self._is_head:
                message = {**message, "body": bytes(message.get("body", b"")) + self._html}
        await self._send(message)

    def _is_page(self, status: int, headers: Headers) -> bool:
        found = dict(headers)
        kind, _, parameters = found.get(b"content-type", b"").lower().partition(b";")
        # A redirect is not shown, and other encodings have other bytes.
        return (
            (200 <= status < 300 or status >= 400)
            and status not in (204, 205)
            and kind.strip() == b"text/html"
            and (b"charset" not in parameters or b"utf-8" in parameters)
            and found.get(b"content-disposition", b"inline").lower().startswith(b"inline")
            and not KEPT.intersection(found)
        )

    def _with_length(self, headers: Headers) -> Headers:
        changed: Headers = []
        for name, value in headers:
            if name == b"content-length":
                value = str(int(value) + len(self._html)).encode()
            # The same page without the link has other bytes: parts of both must not be mixed.
            if name == b"etag" and not value.startswith(b"W/"):
                value = b"W/" + value
            if name != b"accept-ranges":
                changed.append((name, value))
        return [*changed, (b"vary", b"Accept, Sec-Fetch-Dest")]
