"""Routing: hosts, mount points, rules, and a cache of rules without arguments."""

# Quart's and Werkzeug's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import urlsplit

from quart import Quart
from quart.routing import QuartMap, QuartRule
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.routing import BaseConverter, Map, MapAdapter, Rule, RuleFactory

__all__ = [
    "CachingMap",
    "CachingMapAdapter",
    "FaithfulMap",
    "FaithfulRule",
    "Hosts",
    "path_inside_mount",
]

DEFAULT_PORTS = {"http": ":80", "ws": ":80", "https": ":443", "wss": ":443"}

# Subdomain, path, method, and whether it is a websocket.
CacheKey = tuple[str | None, str, str, bool]
# Endpoint, method of the request, mount point, subdomain, and values.
URLKey = tuple[str, str, str, str | None, tuple[tuple[str, Any], ...]]


def path_inside_mount(path: str, root_path: str) -> str | None:
    """Return the path below *root_path*, the mount point, as WSGI gives it.

    Arguments:
        path: The path of the ASGI scope, or a whole URL.
        root_path: The mount point, without or with a slash at the end.

    Returns:
        An empty string for the mount point itself, so that routing redirects to its slash.
        ``None`` if the path is outside: ``/bb`` is not below the mount point ``/b``.
    """
    if not path.startswith("/"):
        path = urlsplit(path).path
    root_path = root_path.rstrip("/")
    if path != root_path and not path.startswith(root_path + "/"):
        return None
    return path[len(root_path) :]


def _match_nothing(*args: Any, **kwargs: Any) -> NoReturn:
    raise NotFound


class AnyMethod(frozenset[str]):
    """The methods of a rule that names none: it matches every method.

    Werkzeug's rules have ``None``, with which the command ``quart routes`` fails.
    """

    def __contains__(self, method: object) -> bool:
        return True


ANY_METHOD = AnyMethod()


# The URLs that a map keeps, and the characters of one of them.
MAX_URLS, MAX_LENGTH = 1024, 200
# A client can invent methods, and the method of the request selects the rule of a URL.
USUAL_METHODS = frozenset({"GET", "HEAD", "POST"})


class CachingMapAdapter(MapAdapter):
    """An adapter that caches the match of a path that equals the text of its rule.

    Other paths are not cached, so the cache never has more entries than there are rules and
    methods, and no path that a client invents is kept. It must not be used with host matching.

    It caches URLs without a host as well. A page has several links, and building one takes longer
    than matching the path of the request.
    """

    map: CachingMap

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """Return what :meth:`werkzeug.routing.MapAdapter.match` returns."""
        if args or kwargs != {"return_rule": True}:
            return super().match(*args, **kwargs)
        cache = self.map.matches
        key = (self.subdomain, self.path_info, self.default_method, self.websocket)
        if (cached := cache.get(key)) is not None:
            return cached, {}
        found = super().match(return_rule=True)
        rule: Rule = found[0]
        # A rule without methods matches any, and a client can invent methods.
        named = rule.methods is not None and not isinstance(rule.methods, AnyMethod)
        if rule.rule == self.path_info and not rule.arguments and named:
            cache[key] = rule
        return found

    def build(
        self,
        endpoint: Any,
        values: Mapping[str, Any] | None = None,
        method: str | None = None,
        force_external: bool = False,
        append_unknown: bool = True,
        url_scheme: str | None = None,
    ) -> str:
        """Return what :meth:`werkzeug.routing.MapAdapter.build` returns."""
        key = None
        if not (force_external or method or url_scheme) and append_unknown:
            key = self._url_key(endpoint, values or {})
        if key is None:
            return super().build(
                endpoint, values, method, force_external, append_unknown, url_scheme
            )
        urls = self.map.urls
        if (known := urls.get(key)) is not None:
            return known
        url = super().build(endpoint, values)
        # The URL of a websocket, or of another host, has a scheme.
        if url.startswith("/") and len(url) <= MAX_LENGTH:
            if len(urls) >= MAX_URLS:
                urls.clear()
            urls[key] = url
        return url

    def _url_key(self, endpoint: str, values: Mapping[str, Any]) -> URLKey | None:
        """Return what the URL depends on, or ``None`` if that can be more than these values."""
        if not self.map.depends_on_values(endpoint) or self.default_method not in USUAL_METHODS:
            return None
        if isinstance(values, MultiDict):  # It has several values for a name.
            return None
        for value in values.values():
            # Not isinstance(): True and 1 are equal, and have different URLs.
            if type(value) is not int and type(value) is not str:
                return None
        method, mount = self.default_method, self.script_name
        return endpoint, method, mount, self.subdomain, tuple(values.items())


class CachingMap(QuartMap):
    """A map with caches of matches and of URLs for :class:`CachingMapAdapter`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.matches: dict[CacheKey, Rule] = {}
        self.urls: dict[URLKey, str] = {}
        self._depends_on_values: dict[str, bool] = {}
        super().__init__(*args, **kwargs)

    def depends_on_values(self, endpoint: str) -> bool:
        """Return whether a URL depends on its values only.

        A converter of the application can read anything, such as the language of the request.
        """
        known = self._depends_on_values.get(endpoint)
        if known is not None:
            return known
        try:
            rules = list(self.iter_rules(endpoint))
        except KeyError:
            return False
        known = not self.sort_parameters and all(map(_depends_on_values, rules))
        self._depends_on_values[endpoint] = known
        return known

    def add(self, rulefactory: RuleFactory) -> None:
        """Add rules and empty the caches, as a new rule can come before an old one."""
        self.matches.clear()
        self.urls.clear()
        self._depends_on_values.clear()
        for rule in rulefactory.get_rules(self):
            if rule.methods is None:
                rule.methods = ANY_METHOD  # type: ignore[assignment]
            super().add(rule)


class FaithfulMap(CachingMap):
    """A map that matches the path as it was sent.

    A request for the mount point ``/b`` has the path ``/``. Routing has to know the difference,
    because the first is answered with a redirect to ``/b/``.
    """

    def bind_to_request(
        self, request: BaseRequestWebsocket, subdomain: str | None, server_name: str | None
    ) -> MapAdapter:
        """Return an adapter for *request*.

        It matches nothing if the path is outside of the mount point. It builds URLs also then, for
        the page of the error.
        """
        path = getattr(request, "path_info", request.path)
        if path is None:
            adapter = super().bind_to_request(request, subdomain, server_name)
            adapter.match = _match_nothing  # type: ignore[method-assign]
            return adapter
        if subdomain is None or self.host_matching:
            adapter = super().bind_to_request(request, subdomain, server_name)
            adapter.path_info = path
            return adapter
        # Subdomains are not matched: the host only serves to build URLs.
        return CachingMapAdapter(
            self,
            _normalize_host(server_name or request.host, request.scheme),
            request.root_path or "/",
            subdomain,
            request.scheme,
            path,
            request.method,
            request.query_string.decode(errors="replace"),
        )


@lru_cache(1024)
def _normalize_host(host: str, scheme: str) -> str:
    """Return the host as :meth:`werkzeug.routing.Map.bind` keeps it, without a default port."""
    return Map().bind(host.removesuffix(DEFAULT_PORTS.get(scheme, ""))).server_name


class FaithfulRule(QuartRule):
    """A rule that accepts all arguments of Werkzeug's.

    Quart's omits three, so that ``add_url_rule(redirect_to=)`` is a ``TypeError``.

    .. versionadded:: 0.1

    Arguments:
        string: The rule.
        args: Arguments of :class:`quart.routing.QuartRule`.
        build_only: The rule builds URLs and matches none.
        redirect_to: The URL to redirect to, or a function that returns it.
        alias: The rule is another name of one with the same endpoint.
        options: Arguments of :class:`quart.routing.QuartRule`.

    Attributes:
        has_own_converter: Whether a variable has a converter that is not Werkzeug's.
    """

    def __init__(
        self,
        string: str,
        *args: Any,
        build_only: bool = False,
        redirect_to: str | Callable[..., str] | None = None,
        alias: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(string, *args, **options)
        self.has_own_converter = False
        # Werkzeug reads these attributes when it builds the map.
        self.build_only = build_only
        self.redirect_to = redirect_to
        self.alias = alias

    def get_converter(self, *args: Any, **kwargs: Any) -> BaseConverter:
        """Return a converter for a variable, and note whether it is not one of Werkzeug's."""
        converter = super().get_converter(*args, **kwargs)
        if type(converter).__module__ != BaseConverter.__module__:
            self.has_own_converter = True
        return converter


def _depends_on_values(rule: Rule) -> bool:
    return (
        isinstance(rule, FaithfulRule)
        and not rule.has_own_converter
        and type(rule).build is Rule.build
    )


class Hosts(Quart):
    """``TRUSTED_HOSTS`` is applied, and ``SERVER_NAME`` does not restrict requests."""

    def create_url_adapter(self, request: BaseRequestWebsocket | None) -> MapAdapter | None:
        """Bind the URL map to *request*, as :meth:`flask.Flask.create_url_adapter` does.

        Raises:
            BadRequest: A header that must not be repeated is.
            SecurityError: The host is not in ``TRUSTED_HOSTS``; the client is answered 400.
        """
        if request is None:
            return super().create_url_adapter(None)
        if repeated := getattr(request.headers, "repeated", None):
            raise BadRequest(f"The request repeats the header {repeated[0]}.")
        if (trusted := self.config["TRUSTED_HOSTS"]) is not None:
            request.trusted_hosts = trusted
        # The property checks the host the first time it is read.
        host = request.host
        matching = self.url_map.host_matching
        server_name = None if matching else self.config["SERVER_NAME"]
        subdomain = None
        if not matching and not self.subdomain_matching:
            subdomain = self.url_map.default_subdomain or ""
            server_name = server_name or host
        return self.url_map.bind_to_request(request, subdomain, server_name)  # type: ignore[attr-defined,no-any-return]
