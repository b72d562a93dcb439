"""Which host and which path a request is for: rows 13, 14, 30 and 31."""

# Quart's and Werkzeug's annotations leave type arguments out, and some names are private.
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from functools import lru_cache
from urllib.parse import urlsplit

from quart import Quart
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.exceptions import NotFound
from werkzeug.routing import Map, MapAdapter

from quartpatterns.subclassing.matching import PlainMap, PlainMapAdapter

__all__ = ["FaithfulMap", "Hosts", "ascii_host", "inner_path"]


def inner_path(path: str, root_path: str) -> str | None:
    """The path inside an application that is mounted at *root_path*, as WSGI would give it.

    Empty for the mount point itself, so that routing answers 308 to its slash (row 30), and for
    ``//``, which Flask's own server and client read so (row 31). ``None`` if the path lies
    outside: the mount ``/b`` is no prefix of ``/bb``.
    """
    if not path.startswith("/"):
        path = urlsplit(path).path
    root_path = root_path.rstrip("/")
    if path != root_path and not path.startswith(root_path + "/"):
        return None
    path = path[len(root_path) :]
    return "" if path == "//" else path


class FaithfulMap(PlainMap):
    """A map that matches the path as it was sent (rows 30 and 31).

    A request has the path ``/`` also where an application is mounted at ``/b`` and was asked for
    ``/b``. Routing has to know, to answer with a redirect to ``/b/``.
    """

    def bind_to_request(
        self, request: BaseRequestWebsocket, subdomain: str | None, server_name: str | None
    ) -> MapAdapter:
        """Bind to *request*.

        Raises:
            NotFound: Its path lies outside of the application's mount point.
        """
        path = getattr(request, "path_info", request.path)
        if path is None:
            raise NotFound
        if subdomain is None or self.host_matching:
            adapter = super().bind_to_request(request, subdomain, server_name)
            adapter.path_info = path
            return adapter
        # Subdomains are not matched: the name only serves to build URLs.
        return PlainMapAdapter(
            self,
            ascii_host(server_name or request.host, request.scheme),
            request.root_path or "/",
            subdomain,
            request.scheme,
            path,
            request.method,
            request.query_string.decode(),
        )


@lru_cache(1024)
def ascii_host(server_name: str, scheme: str) -> str:
    """A host name as :meth:`werkzeug.routing.Map.bind` keeps it: IDNA, without a usual port."""
    usual = ":443" if scheme in {"https", "wss"} else ":80"
    return Map().bind(server_name.removesuffix(usual)).server_name


class Hosts(Quart):
    """``TRUSTED_HOSTS`` is heeded, ``SERVER_NAME`` restricts nobody (rows 13 and 14)."""

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Bind the URL map to *request*, as :meth:`flask.Flask.create_url_adapter` does.

        Raises:
            SecurityError: The host is none of ``TRUSTED_HOSTS``; the client is answered 400.
        """
        if request is None:
            return super().create_url_adapter(None)
        if (trusted := self.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted
        # Made, and so checked, here and once.
        request.host  # noqa: B018
        matching = self.url_map.host_matching
        server_name = None if matching else self.config["SERVER_NAME"]
        subdomain = None
        if not matching and not self.subdomain_matching:
            subdomain = self.url_map.default_subdomain or ""
        return self.url_map.bind_to_request(request, subdomain, server_name)  # type: ignore[attr-defined,no-any-return]
