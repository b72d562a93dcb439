"""Which clients may do something: those of this machine, of some networks, all or none."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

from quart import request
from werkzeug.http import parse_list_header

from quartpatterns._shared.settings import SettingError

__all__ = ["ClientNetworks"]

LOCAL, ANY, NONE = "local", "any", "none"
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
# Headers that only a proxy adds.
PROXY_HEADERS = (
    *("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"),
)


class ClientNetworks:
    """The clients that a setting allows.

    Arguments:
        key: The key of the setting, for messages.
        text: ``local``, ``any``, ``none``, or addresses and networks, separated by commas.

    Raises:
        SettingError: *text* is none of these.
    """

    def __init__(self, key: str, text: str) -> None:
        self.key = key
        self.text = text.strip()
        self.networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = LOOPBACK
        if self.text not in (LOCAL, ANY, NONE):
            try:
                self.networks = tuple(
                    ipaddress.ip_network(part.strip()) for part in self.text.split(",")
                )
            except ValueError as error:
                raise SettingError(
                    key,
                    f"{key} must be local, any, none, or addresses and networks such as"
                    f" 192.168.0.0/16, separated by commas: {error}.",
                ) from error

    def refusal(self) -> str | None:
        """Return why the client of the current request is refused, or ``None`` if it is allowed.

        The message is for the person who runs the gallery.
        """
        if self.text == ANY:
            return None
        if self.text == NONE:
            return "Nobody may do this here."
        header = next((name for name in PROXY_HEADERS if name in request.headers), None)
        if header and not _is_forwarded_address():
            # Behind a proxy on this machine, all clients would seem to be on this machine.
            return (
                f"The request came through a proxy (it has the header {header}) that the gallery"
                " does not know: start the gallery with --proxies 1."
            )
        address = _address(request.remote_addr)
        if address is None:
            return "The address of the client is not known: start the gallery with --proxies 1."
        if not any(address in network for network in self.networks):
            if self.text == LOCAL:
                return f"Only browsers on the machine of the gallery may do this, not {address}."
            return f"Only browsers in {self.text} may do this, not {address}."
        if address.is_loopback and not _is_own_name(request.host):
            # The page of another site can give its own name the address 127.0.0.1.
            return f"{request.host} is no name of this machine: open http://localhost instead."
        return None


def _is_forwarded_address() -> bool:
    """Return whether ProxyFix has taken the address of the client from a proxy."""
    scope: Any = request.scope
    forwarded = parse_list_header(request.headers.get("X-Forwarded-For", ""))
    return "quartpatterns.proxy_fix.orig" in scope and request.remote_addr in forwarded


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_own_name(host: str) -> bool:
    name = host.rpartition(":")[0] if host[-1:].isdigit() and ":" in host else host
    name = name.strip("[]").rstrip(".").lower()
    address = _address(name)
    if address is not None:
        return True
    return name in ("localhost", socket.gethostname().lower()) or name.endswith(".localhost")
