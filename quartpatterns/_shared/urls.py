"""Displaying URLs in logs and messages without the secrets in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

__all__ = ["display_address", "display_url"]

HIDDEN = "***"
"""What stands for text that may be secret."""

# Query parameters that say where and how to connect. The value of any other is hidden, because
# a list of all names for secrets would never be complete.
_PUBLIC = {
    "authsource",
    "cache",
    "charset",
    "connect_timeout",
    "database",
    "db",
    "host",
    "immutable",
    "mode",
    "port",
    "protocol",
    "replicaset",
    "region",
    "retrywrites",
    "socket_timeout",
    "ssl",
    "sslmode",
    "timeout",
    "tls",
    "unix_socket",
    "uri",
    "vfs",
    "w",
}
_URL = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?:[^/?#]*@)?(?P<hosts>[^/?#@]*)"
    r"(?P<path>[^?#@;\s]*)(?P<params>;[^?#@]*)?"
    r"(?:\?(?P<query>[^#@]*))?(?:\#[^@]*)?",
    re.IGNORECASE,
)
_FILE = re.compile(
    r"(?P<scheme>file):(?P<path>[^?#@;\s]*)(?:\?(?P<query>[^#@]*))?(?:\#[^@]*)?", re.IGNORECASE
)
_HOST = re.compile(r"(?:\[[0-9a-z:.%]+\]|(?:[\w.~-]|%[0-9a-f]{2})*)(?::[0-9]{1,5})?", re.IGNORECASE)
_PLAIN = re.compile(r"[\w./:,%~-]*")


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a URL consists of, without its user information, path parameters and fragment."""

    scheme: str
    hosts: str
    path: str
    query: str


def display_url(url: object) -> str:
    """Return *url* without user name, password, fragment and secret query parameters.

    ``redis://user:secret@host:6379/0?password=secret`` becomes
    ``redis://host:6379/0?password=***``. It never raises an error. If *url* is malformed, a part
    of a password could be anywhere in it: then only the scheme is shown.

    Arguments:
        url: A URL, or an object whose ``str()`` is one.
    """
    text = str(url)
    if (parts := _split(text)) is None:
        scheme = re.match(r"([a-z][a-z0-9+.-]*)://", text, re.IGNORECASE)
        return f"{scheme[0]}{HIDDEN}" if scheme else HIDDEN
    separator = ":" if text[len(parts.scheme) :][:3] != "://" else "://"
    query = f"?{_query(parts.query)}" if parts.query else ""
    return f"{parts.scheme}{separator}{parts.hosts}{parts.path}{query}"


def display_address(url: object, *, default_port: int) -> str:
    """Return where *url* points to: ``host:port``, several of them, or the path of a socket.

    It never raises an error, and shows ``***`` for a malformed URL.

    Arguments:
        url: A URL, or an object whose ``str()`` is one.
        default_port: The port of a host without one.
    """
    parts = _split(str(url))
    if parts is None:
        return HIDDEN
    if parts.scheme.lower() in ("file", "unix"):
        return _unquoted(parts.path)
    return ",".join(_host_and_port(host, default_port) for host in parts.hosts.split(","))


def _split(url: str) -> _Parts | None:
    """Return the parts of *url*, or None if it is malformed."""
    match = _URL.fullmatch(url) or _FILE.fullmatch(url)
    if match is None or not url.isprintable():
        return None
    found = match.groupdict()
    hosts = found.get("hosts") or ""
    if not all(_HOST.fullmatch(host) for host in hosts.split(",")):
        return None
    return _Parts(found["scheme"], hosts, found["path"], found["query"] or "")


def _query(query: str) -> str:
    return "&".join(_parameter(one) for one in query.split("&"))


def _parameter(parameter: str) -> str:
    name, equals, value = parameter.partition("=")
    if not equals or not re.fullmatch(r"[\w.-]+", name):
        return HIDDEN
    public = name.lower() in _PUBLIC and _PLAIN.fullmatch(value)
    return f"{name}={value if public else HIDDEN}"


def _host_and_port(host: str, default_port: int) -> str:
    name, colon, port = host.rpartition(":")
    if not colon or host.endswith("]"):  # the colons of an IPv6 address are in brackets
        name, port = host, ""
    return f"{_unquoted(name) or 'localhost'}:{port or default_port}"


def _unquoted(text: str) -> str:
    plain = unquote(text)
    return plain if plain.isprintable() else text
