"""``X-Forwarded-`` headers of proxies, for any ASGI application."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from hypercorn.typing import ASGIFramework
from werkzeug.http import parse_list_header

__all__ = ["ProxyFix"]

# The schemes of a websocket. Proxies send those of HTTP for it.
WEBSOCKET_SCHEMES = {"http": "ws", "https": "wss"}
HTTP_SCHEMES = {"ws": "http", "wss": "https"}
# The characters of a path that are not percent-encoded.
PATH_CHARACTERS = "/!$&'()*+,;=:@~"
_PREFIX = re.compile(r"(?:/[^/?#\s]+)+/?")
_IS_SECURE = re.compile(rb";\s*secure\s*(?:;|$)", re.IGNORECASE)


class ProxyFix:
    """Take the address of the client, the scheme, the host and the prefix from proxies' headers.

    It is :class:`werkzeug.middleware.proxy_fix.ProxyFix` for ASGI. gunicorn accepts
    ``X-Forwarded-Proto`` from a proxy on the same host without it; Hypercorn does not, so that
    external URLs begin with ``http`` behind a proxy with TLS.

    * ``X-Forwarded-For`` sets the address of the client, ``request.remote_addr``, also in the
      access log of the server.
    * ``X-Forwarded-Proto`` sets the scheme. For a websocket, ``https`` sets ``wss``.
    * ``X-Forwarded-Host`` sets the header ``Host`` and the address of the server.
    * ``X-Forwarded-Port`` sets the port in both.
    * ``X-Forwarded-Prefix`` sets the mount point, ``request.root_path``.

    The key ``quartpatterns.proxy_fix.orig`` of the scope has the values from before.

    .. code-block:: python

        # One proxy sets X-Forwarded-For and X-Forwarded-Proto.
        app.asgi_app = ProxyFix(app.asgi_app, x_for=1, x_proto=1)

    A client can send these headers as well. Each argument is the number of proxies that append
    to the header, or set it, and the value of the first of them is used. With a number that is
    too high, the client chooses the value. 0 ignores the header.

    .. versionadded:: 0.1

    Arguments:
        app: The ASGI application, such as ``app.asgi_app`` of Quart.
        x_for: The number of trusted values of ``X-Forwarded-For``.
        x_proto: The number of trusted values of ``X-Forwarded-Proto``.
        x_host: The number of trusted values of ``X-Forwarded-Host``.
        x_port: The number of trusted values of ``X-Forwarded-Port``.
        x_prefix: The number of trusted values of ``X-Forwarded-Prefix``.
        prefix: The start of all paths, such as ``/shop``, if a proxy passes it on and sets no
            ``X-Forwarded-Prefix``. Other paths are answered with 404.
        secure_cookies: Whether to add ``Secure`` to each cookie, so that browsers send it with
            HTTPS only.

    Raises:
        ValueError: A number is negative, or no whole number, or the prefix is not a path.
    """

    def __init__(
        self,
        app: ASGIFramework,
        x_for: int = 1,
        x_proto: int = 1,
        x_host: int = 0,
        x_port: int = 0,
        x_prefix: int = 0,
        *,
        prefix: str = "",
        secure_cookies: bool = False,
    ) -> None:
        self.app: Any = app
        self.x_for = _checked("x_for", x_for)
        self.x_proto = _checked("x_proto", x_proto)
        self.x_host = _checked("x_host", x_host)
        self.x_port = _checked("x_port", x_port)
        self.x_prefix = _checked("x_prefix", x_prefix)
        if prefix and not _PREFIX.fullmatch(prefix):
            raise ValueError(f"the prefix must be a path such as /shop, and not {prefix!r}")
        self.prefix = prefix.rstrip("/")
        self.secure_cookies = secure_cookies

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application with the scope that the proxies describe."""
        if scope["type"] in {"http", "websocket"}:
            fixed = self.fixed(scope)
            # The server writes its access log from its own scope, when the response has ended.
            scope["client"] = fixed.get("client")
            scope = fixed
            send = _secure_cookies(send) if self.secure_cookies else send
        await self.app(scope, receive, send)

    def fixed(self, scope: Any) -> dict[str, Any]:
        """Return a copy of *scope* with the values of the proxies."""
        names = ("client", "scheme", "server", "root_path", "path")
        original = {name: scope.get(name) for name in names}
        original["host"] = _joined(scope["headers"], b"host")
        changed: dict[str, Any] = {**scope, "quartpatterns.proxy_fix.orig": original}
        if address := self._value(scope, self.x_for, b"x-forwarded-for"):
            _, port = scope.get("client") or (None, 0)
            changed["client"] = (address, port)
        if scheme := self._value(scope, self.x_proto, b"x-forwarded-proto"):
            websocket = scope["type"] == "websocket"
            schemes = WEBSOCKET_SCHEMES if websocket else HTTP_SCHEMES
            changed["scheme"] = schemes.get(scheme, scheme)
        if host := self._value(scope, self.x_host, b"x-forwarded-host"):
            _set_host(changed, host)
            name, port_text = _split_port(host)
            _, old_port = scope.get("server") or (None, None)
            changed["server"] = (name, _port(port_text, old_port))
        if port_text := self._value(scope, self.x_port, b"x-forwarded-port"):
            if host := _joined(changed["headers"], b"host"):
                _set_host(changed, f"{_split_port(host)[0]}:{port_text}")
            name, old_port = changed.get("server") or ("", None)
            changed["server"] = (name, _port(port_text, old_port))
        if self.prefix:
            changed["root_path"] = self.prefix
        if prefix := self._value(scope, self.x_prefix, b"x-forwarded-prefix"):
            _set_prefix(changed, prefix)
        return changed

    @staticmethod
    def _value(scope: Any, trusted: int, name: bytes) -> str | None:
        """Return the value that the first of the trusted proxies sent, if there are as many."""
        if not trusted or not (joined := _joined(scope["headers"], name)):
            return None
        values = parse_list_header(joined)
        return values[-trusted] if len(values) >= trusted else None


def _secure_cookies(send: Any) -> Any:
    """Return *send* with the attribute ``Secure`` in each cookie."""

    async def send_secure(message: Any) -> None:
        if "headers" in message:
            message = {**message, "headers": [*map(_secure, message["headers"])]}
        await send(message)

    return send_secure


def _secure(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    if name.lower() != b"set-cookie" or _IS_SECURE.search(value):
        return header
    return name, value + b"; Secure"


def _checked(name: str, number: Any) -> int:
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"{name} must be the number of proxies, 0 or more, and not {number!r}")
    return number


def _joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str | None:
    """Return the values of a header, joined as in WSGI."""
    values = [value.decode("latin1") for key, value in headers if key.lower() == name]
    return ",".join(values) if values else None


def _split_port(host: str) -> tuple[str, str | None]:
    # An IPv6 address without a port ends with a bracket.
    if ":" in host and not host.endswith("]"):
        name, _, port = host.rpartition(":")
        return name, port
    return host, None


def _port(text: str | None, default: int | None) -> int | None:
    """Return the port as ASGI needs it. A text that is no number makes the port unknown."""
    if text is None:
        return default
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 5 else None


def _set_host(scope: dict[str, Any], host: str) -> None:
    headers = [pair for pair in scope["headers"] if pair[0].lower() != b"host"]
    scope["headers"] = [(b"host", host.encode("latin1")), *headers]


def _set_prefix(scope: dict[str, Any], prefix: str) -> None:
    """Replace the mount point by *prefix*.

    In ASGI the path contains the mount point. A path that is not below the mount point is left
    as it is: it is an error, which the application answers.
    """
    # Two slashes at the start of a link would be another host.
    new = "/" + prefix.encode("latin1").decode(errors="replace").strip("/")
    new = new.rstrip("/")
    old = (scope.get("root_path") or "").rstrip("/")
    path: str = scope["path"]
    if path != old and not path.startswith(f"{old}/"):
        return
    scope["root_path"] = new
    scope["path"] = new + path[len(old) :]
    if (raw := scope.get("raw_path")) is not None:
        old_raw = quote(old, safe=PATH_CHARACTERS).encode()
        if raw.startswith(old_raw):
            scope["raw_path"] = quote(new, safe=PATH_CHARACTERS).encode() + raw[len(old_raw) :]
        else:
            scope["raw_path"] = quote(scope["path"], safe=PATH_CHARACTERS).encode()
