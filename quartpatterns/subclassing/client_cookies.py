"""The cookies of the test client, by the rules of Werkzeug's client.

They are kept in the client's ``cookie_jar``, as in Quart. The standard library's own rules are
not used: they refuse cookies of the host ``localhost`` with a domain. Quart sends every cookie
with every request.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from http.cookiejar import Cookie as JarCookie
from http.cookiejar import CookieJar

from werkzeug.http import parse_cookie, parse_date
from werkzeug.test import Cookie

__all__ = ["cookie_header", "delete_cookie", "find_cookie", "store_cookies"]


def cookie_header(jar: CookieJar, host: str, path: str) -> str:
    """Return the value of the header ``Cookie`` for a request.

    Arguments:
        jar: The cookies.
        host: The host of the request, without a port.
        path: The path of the request.
    """
    cookies = (each for each in jar if _matches(each, host, path))
    return "; ".join(f"{each.name}={each.value or ''}" for each in cookies)


def store_cookies(
    jar: CookieJar,
    host: str,
    path: str,
    headers: Iterable[str],
    *,
    origin_only: bool | None = None,
) -> None:
    """Store cookies, or delete those that the headers end.

    Arguments:
        jar: The cookies.
        host: The host of the request, without a port.
        path: The path of the request.
        headers: The values of ``Set-Cookie``.
        origin_only: Whether other hosts of the cookie's domain get it. ``None``: it is for
            this host only unless the header names a domain.
    """
    for header in headers:
        cookie = _parse(host, path, header)
        if origin_only is not None:
            cookie.domain_specified = not origin_only
        if cookie.expires is not None and cookie.expires <= time.time():
            delete_cookie(jar, cookie.domain, cookie.path, cookie.name)
        else:
            jar.set_cookie(cookie)


def delete_cookie(jar: CookieJar, domain: str, path: str, name: str) -> None:
    """Delete a cookie if it exists."""
    for _ in _find(jar, domain, path, name):
        jar.clear(domain, path, name)


def find_cookie(jar: CookieJar, domain: str, path: str, key: str) -> Cookie | None:
    """Return a cookie as Werkzeug's class, or ``None`` if there is none.

    Arguments:
        jar: The cookies.
        domain: The domain of the cookie.
        path: The path of the cookie.
        key: Its decoded name.
    """
    for found in _find(jar, domain, path, key):
        value = found.value or ""
        decoded_key, decoded_value = _decode(found.name, value)
        expires = found.get_nonstandard_attr("Expires")
        max_age = found.get_nonstandard_attr("Max-Age")
        return Cookie(
            key=found.name,
            value=value,
            decoded_key=decoded_key,
            decoded_value=decoded_value,
            expires=parse_date(expires),
            max_age=None if max_age is None else int(max_age),
            domain=found.domain,
            origin_only=not found.domain_specified,
            path=found.path,
            secure=found.secure,
            http_only=found.has_nonstandard_attr("HttpOnly"),
            same_site=found.get_nonstandard_attr("SameSite"),
        )
    return None


def _find(jar: CookieJar, domain: str, path: str, key: str) -> Iterator[JarCookie]:
    for cookie in list(jar):
        if (cookie.domain, cookie.path) == (domain, path):
            if key in {cookie.name, _decode(cookie.name, cookie.value or "")[0]}:
                yield cookie


def _matches(cookie: JarCookie, host: str, path: str) -> bool:
    """Return whether a request gets the cookie (RFC 6265, sections 5.1.3 and 5.1.4)."""
    domain = cookie.domain.lstrip(".")
    shared = cookie.domain_specified and host.endswith("." + domain)
    below = cookie.path if cookie.path.endswith("/") else cookie.path + "/"
    return (host == domain or shared) and (path == cookie.path or path.startswith(below))


def _parse(host: str, path: str, header: str) -> JarCookie:
    pair, _, rest = header.partition(";")
    name, _, value = pair.partition("=")
    attributes: dict[str, str | None] = {}
    for item in rest.split(";"):
        key, separator, given = item.partition("=")
        attributes[key.strip(" \t").lower()] = given.strip(" \t") if separator else None
    domain = (attributes.get("domain") or "").lstrip(".")
    other = {
        spelled: attributes[spelled.lower()] or ""
        for spelled in ("HttpOnly", "SameSite", "Expires", "Max-Age")
        if spelled.lower() in attributes
    }
    expires = _expires(other)
    return JarCookie(
        version=0,
        name=name.strip(" \t"),
        value=value.strip(" \t"),
        port=None,
        port_specified=False,
        domain=domain or host,
        domain_specified=bool(domain),
        domain_initial_dot=False,
        path=attributes.get("path") or path.rpartition("/")[0] or "/",
        path_specified="path" in attributes,
        secure="secure" in attributes,
        expires=None if expires is None else int(expires.timestamp()),
        discard=expires is None,
        comment=None,
        comment_url=None,
        rest=other,
    )


def _expires(attributes: dict[str, str]) -> datetime | None:
    """Return when a cookie ends; ``Max-Age`` comes before ``Expires`` (RFC 6265, 5.3)."""
    if "Max-Age" in attributes:
        try:
            seconds = int(attributes["Max-Age"] or 0)
        except ValueError:
            del attributes["Max-Age"]
        else:
            latest = datetime.max.replace(tzinfo=UTC).timestamp() - 1
            return datetime.fromtimestamp(min(max(0, time.time() + seconds), latest), UTC)
    return parse_date(attributes.get("Expires"))


def _decode(name: str, value: str) -> tuple[str, str]:
    """Return name and value as the application sees them."""
    for decoded in parse_cookie(f"{name}={value}").items():
        return decoded
    return name, value
