"""The URL rules of a Flask or Quart application, and which of them a request reaches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, RequestRedirect
from werkzeug.routing import Rule as WerkzeugRule

HOST = "localhost"
"""The host that every application of a comparison is asked for by default."""

WEBSOCKET = "WEBSOCKET"
"""The method of a rule for websockets."""

# <name>, <converter:name> and <converter(arguments):name>, as Werkzeug has them.
_ARGUMENT = re.compile(
    r"<(?:(?P<converter>[a-zA-Z_]\w*)(?:\((?P<options>.*?)\))?:)?(?P<name>[a-zA-Z_]\w*)>"
)
# What stays as it is in a path (RFC 3986, 3.3), and a percent sign that encodes a character.
_SAFE = "/:@!$&'()*+,;=-._~"


@dataclass(frozen=True, order=True)
class URLRule:
    """A URL rule with one of its methods.

    Arguments:
        path: The path with its arguments, such as ``/users/<int:id>``.
        method: The HTTP method, or :data:`WEBSOCKET`.
        host: The host or the subdomain of the rule, also with arguments.
    """

    path: str
    method: str
    host: str = ""

    def __str__(self) -> str:
        return f"{self.host}{self.path}" if self.host else self.path

    @property
    def arguments(self) -> tuple[str, ...]:
        """The names of the arguments, in order."""
        return tuple(match["name"] for match in _ARGUMENT.finditer(self.host + self.path))

    @property
    def choices(self) -> dict[str, list[str]]:
        """The values of the arguments whose converter is ``any``, which has a list of them."""
        return {
            match["name"]: [choice.strip(" \"'") for choice in match["options"].split(",")]
            for match in _ARGUMENT.finditer(self.host + self.path)
            if match["converter"] == "any" and match["options"]
        }

    def fill(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Return host and path with *values*, which are as in a URL, but may be unquoted."""

        def value(match: re.Match[str]) -> str:
            text = values[match["name"]]
            return quote(unquote(text), safe=_SAFE if match["converter"] == "path" else _SAFE[1:])

        return _ARGUMENT.sub(value, self.host), _ARGUMENT.sub(value, self.path)


class URLRules:
    """The rules of an application.

    Arguments:
        app: A Flask or Quart application.

    Raises:
        LookupError: The application has no ``url_map``.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        url_map: Map | None = getattr(app, "url_map", None)
        if url_map is None:
            raise LookupError(f"{type(app).__name__} has no url_map: use --requests or --har")
        self._map = url_map
        config: Mapping[str, Any] = getattr(app, "config", {})
        self._domain: str = config.get("SERVER_NAME") or ""
        self._subdomains: bool = (
            getattr(app, "subdomain_matching", False) and not url_map.host_matching
        )
        empty = None if _has_files(app) else "static"
        self.all = sorted(
            {
                rule
                for each in url_map.iter_rules()
                if not each.build_only and each.endpoint != empty
                for rule in self._split(each)
            }
        )

    def _split(self, rule: WerkzeugRule) -> Iterator[URLRule]:
        if getattr(rule, "websocket", False):
            yield self._rule(rule, WEBSOCKET)
            return
        methods = set(rule.methods or {"GET"})
        # HEAD and OPTIONS are answered for the view, unless it has asked for them itself.
        if "GET" in methods:
            methods.discard("HEAD")
        if getattr(rule, "provide_automatic_options", True):
            methods.discard("OPTIONS")
        yield from (self._rule(rule, method) for method in methods)

    def _rule(self, rule: WerkzeugRule, method: str) -> URLRule:
        host = rule.host or ""
        if self._subdomains and self._domain:
            host = f"{rule.subdomain}.{self._domain}" if rule.subdomain else self._domain
        return URLRule(rule.rule, method, host)

    def match(self, method: str, target: str, host: str = HOST) -> URLRule | None:
        """Return the rule that a request reaches; ``None`` if it is answered without a view.

        Arguments:
            method: The HTTP method, or :data:`WEBSOCKET`.
            target: Path and query, percent-encoded.
            host: The header ``Host``.
        """
        websocket = method == WEBSOCKET
        adapter = self._map.bind(
            host, subdomain=self._subdomain(host), url_scheme="ws" if websocket else "http"
        )
        path = unquote(target.partition("?")[0])
        try:
            rule, _ = adapter.match(
                path, "GET" if websocket else method, return_rule=True, websocket=websocket
            )
        except (HTTPException, RequestRedirect):
            return None
        return self._rule(rule, method)

    def _subdomain(self, host: str) -> str | None:
        if not self._subdomains or not self._domain:
            return None
        labels = host.removesuffix(self._domain)
        return labels.rstrip(".") if labels != host else "<invalid>"


def plain_rules(rules: Iterable[URLRule]) -> list[URLRule]:
    """Return the GET rules without arguments, sorted by path."""
    return sorted({rule for rule in rules if rule.method == "GET" and not rule.arguments})


def _has_files(app: Any) -> bool:
    """Return whether the static folder has a file: every application has the rule for it."""
    folder = getattr(app, "static_folder", None)
    return folder is not None and any(path.is_file() for path in Path(folder).glob("**/*"))


def host_and_target(url: str, host: str = HOST) -> tuple[str, str]:
    """Return the host, and path and query, of an absolute URL of http or https, or of a path."""
    parts = urlsplit(url)
    return parts.netloc or host, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
