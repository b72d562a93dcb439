"""The language of a request, and of the URLs that are built for it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup
from quart import (
    Blueprint,
    Quart,
    abort,
    after_this_request,
    g,
    has_app_context,
    has_request_context,
    request,
    url_for,
    websocket,
)
from quart.typing import ResponseTypes
from werkzeug.routing import Map

from .links import Alternate, as_html
from .negotiation import lookup
from .websockets import serve_websockets

__all__ = ["LanguageURLs"]

# What tasks that a request starts inherit from it: their g is a new one.
_inherited: ContextVar[tuple[LanguageURLs, str | None] | None] = ContextVar(
    "quartpatterns.urlprocessors", default=None
)


class LanguageURLs:
    """Take the language out of every URL, and put it into every one that is built.

    Routes have ``<lang_code>`` in them and views have no such parameter: it is ``g.lang_code``,
    and ``None`` where the URL has none. A language that is not among *languages* is 404.

    ``url_for`` puts in the language of the request, unless another one is given::

        languages = LanguageURLs(app, languages=["en", "de"], default="en")

        @app.get("/<lang_code>/about")
        async def about():
            return url_for("index"), url_for("index", lang_code="de")

    Where there is no request with a language, it is that of the request that started the task,
    ``g.lang_code`` where code has set it, or *default*. URLs that need a host (outside of a
    request) want ``SERVER_NAME``.

    Templates have ``language_links()``, see :meth:`links`.

    Arguments:
        app_or_blueprint: The application, or a blueprint that is not registered yet; then its
            own routes are meant, and those of blueprints in it.
        languages: The tags of the languages (BCP 47), as they stand in URLs.
        default: One of them, the first where none is given.
        name: The name of the variable in the routes, and of the attribute of ``g``.
        base_url: Scheme and host of canonical and alternate links, such as
            ``https://example.com``. Without it they are the request's, which a client chooses.

    Raises:
        ValueError: There is no language, *default* is none, or *base_url* has a path.
    """

    def __init__(
        self,
        app_or_blueprint: Quart | Blueprint,
        *,
        languages: Sequence[str],
        default: str | None = None,
        name: str = "lang_code",
        base_url: str | None = None,
    ) -> None:
        self.languages = tuple(languages)
        self.default = default if default is not None else next(iter(self.languages), "")
        if isinstance(languages, str) or self.default not in self.languages:
            raise ValueError(f"default is one of the languages {languages!r}, not {default!r}")
        if base_url and urlsplit(base_url)[2:] not in {("", "", ""), ("/", "", "")}:
            raise ValueError(f"base_url is a scheme and a host, without the path in {base_url!r}")
        self.name = name
        self.base_url = base_url
        self._maps: list[Map] = []
        app_or_blueprint.url_value_preprocessor(self._pull)
        app_or_blueprint.url_defaults(self._put)
        app_or_blueprint.context_processor(self._template_context)
        if isinstance(app_or_blueprint, Quart):
            self._bind(app_or_blueprint)
        else:
            app_or_blueprint.record(lambda state: self._bind(state.app))

    @property
    def current(self) -> str:
        """The language that URLs get here, where none is given."""
        own = g.get(self.name) if has_app_context() else None
        inherited = _inherited.get()
        if own is None and inherited is not None and inherited[0] is self:
            own = inherited[1]
        return own or self.default

    def negotiate(self) -> str:
        """The language that the client prefers, by its ``Accept-Language``.

        The response says in ``Vary`` that it depends on that.
        """
        asked = request if has_request_context() else websocket
        if has_request_context():
            after_this_request(_vary)
        return lookup(asked.accept_languages, self.languages, self.default)

    def canonical(self, *, keep: Collection[str] = ()) -> str | None:
        """The absolute URL of the page that is asked for, or ``None`` where there is no page.

        Arguments:
            keep: Parameters of the query that make it another page, such as ``page``. The rest
                of the query is left out.
        """
        return self._url(g.get(self.name), keep) if self._is_page() else None

    def alternates(self, *, keep: Collection[str] = ()) -> tuple[Alternate, ...]:
        """The page that is asked for in each language, then ``x-default``.

        There are none where it has no language in its URL, or where there is no page.

        Arguments:
            keep: As for :meth:`canonical`.
        """
        if not self._is_page() or not self._expected(request.endpoint):
            return ()
        tags = {tag: tag for tag in self.languages} | {"x-default": self.default}
        return tuple(Alternate(tag, self._url(language, keep)) for tag, language in tags.items())

    def links(self, *, keep: Collection[str] = ()) -> Markup:
        """The ``<link>`` elements of :meth:`canonical` and :meth:`alternates`.

        In templates it is called ``language_links``.
        """
        return as_html(self.canonical(keep=keep), self.alternates(keep=keep))

    def _bind(self, app: Any) -> None:
        self._maps.append(app.url_map)
        serve_websockets(app)

    def _expected(self, endpoint: str | None) -> bool:
        """Whether the URLs of *endpoint* have a language in them."""
        return any(_expects(map_, endpoint, self.name) for map_ in self._maps)

    def _pull(self, endpoint: str | None, values: dict[str, Any] | None) -> None:
        language = values.pop(self.name, None) if values else None
        known = language if language in self.languages else g.get(self.name)
        setattr(g, self.name, known)
        _inherited.set((self, known))
        if language not in (None, *self.languages):
            abort(404)

    def _put(self, endpoint: str, values: dict[str, Any]) -> None:
        if self.name not in values and self._expected(endpoint):
            values[self.name] = self.current

    def _is_page(self) -> bool:
        """Whether the URL that is asked for has a view, and no language that there isn't."""
        rule: Any = request.url_rule if has_request_context() else None
        return bool(rule) and (self.name not in rule.arguments or g.get(self.name) is not None)

    def _url(self, language: str | None, keep: Collection[str]) -> str:
        values: dict[str, Any] = {key: request.args.getlist(key) for key in keep}
        values |= request.view_args or {}
        values |= {self.name: language} if language else {}
        url = url_for(request.endpoint or "", **values, _external=not self.base_url)
        return f"{self.base_url.rstrip('/')}{url}" if self.base_url else url

    async def _template_context(self) -> dict[str, Any]:
        return {"language_links": self.links}


def _expects(map_: Map, endpoint: str | None, name: str) -> bool:
    try:
        return map_.is_endpoint_expecting(endpoint, name)
    except KeyError:  # there is no such endpoint, and url_for says so better
        return False


async def _vary(response: ResponseTypes) -> ResponseTypes:
    response.vary.add("Accept-Language")
    return response
