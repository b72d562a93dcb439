"""The language of a request, and of the URLs that are built for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import MethodType
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup
from quart import (
    Blueprint,
    Quart,
    abort,
    current_app,
    g,
    has_app_context,
    has_request_context,
    request,
    url_for,
    websocket,
)
from quart.ctx import WebsocketContext
from quart.globals import websocket_ctx
from werkzeug.routing import Map

from quartpatterns._shared.calling import call
from quartpatterns._shared.languages import add_language_source, vary_by
from quartpatterns.urlprocessors.accept_language import lookup

__all__ = ["Alternate", "LanguageURLs"]

# A background task has its own g, but inherits context variables from the request.
_inherited: ContextVar[tuple[LanguageURLs, str | None] | None] = ContextVar(
    "quartpatterns.urlprocessors", default=None
)


@dataclass(frozen=True, slots=True)
class Alternate:
    """The URL of a page in one language.

    Arguments:
        language: The tag of the language, or ``x-default`` for all other languages.
        url: The absolute URL.

    .. versionadded:: 0.1
    """

    language: str
    url: str


class LanguageURLs:
    """Reads the language from each URL into ``g``, and adds it to each URL that is built.

    Routes contain ``<lang_code>``. Views have no such parameter; they read ``g.lang_code``, which
    is ``None`` if the URL has no language. A language that is not in *languages* is a 404.

    ``url_for`` adds the language of the request, unless you pass another one:

    .. code-block:: python

        languages = LanguageURLs(app, languages=["en", "de"], default="en")

        @app.get("/<lang_code>/about")
        async def about():
            return url_for("index"), url_for("index", lang_code="de")

    Outside of a request, ``url_for`` adds the language in ``g.lang_code``, or that of the request
    that started the task, or *default*. URLs outside of a request need ``SERVER_NAME``.

    Templates have the function ``language_links()``, see :meth:`links`.

    Arguments:
        app_or_blueprint: The application, or a blueprint that is not registered yet. With a
            blueprint, only its routes and those of its nested blueprints have a language.
        languages: The tags (BCP 47) of the languages as they are written in URLs.
        default: The default language; without it, the first one.
        name: The name of the variable in routes and of the attribute of ``g``.
        base_url: Scheme and host of canonical and alternate URLs, such as ``https://example.com``.
            Without it they come from the request, where a client can choose the host.

    Raises:
        ValueError: *languages* is empty or a string, *default* is not in it, or *base_url* has a
            path.

    .. versionadded:: 0.1
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
            raise ValueError(f"default must be one of the languages {languages!r}, not {default!r}")
        if base_url and urlsplit(base_url)[2:] not in {("", "", ""), ("/", "", "")}:
            raise ValueError(f"base_url must be a scheme and a host without a path: {base_url!r}")
        self.name = name
        self.base_url = base_url
        self._url_maps: list[Map] = []
        app_or_blueprint.url_value_preprocessor(self._read_language)
        app_or_blueprint.url_defaults(self._add_language)
        app_or_blueprint.context_processor(self._template_context)
        if isinstance(app_or_blueprint, Quart):
            self._register(app_or_blueprint)
        else:
            app_or_blueprint.record(lambda state: self._register(state.app))

    @property
    def current(self) -> str:
        """The language that ``url_for`` adds here."""
        return self._known or self.default

    @property
    def url_language(self) -> str | None:
        """The language of the current URL, or of the request that started the task, or ``None``.

        A URL that matches no route has a language as well if a route begins like it:
        ``/de/unknown`` is German.

        .. versionadded:: 0.1
        """
        if (language := self._known) is None and has_request_context():
            return self._unmatched_language()
        return language

    @property
    def _known(self) -> str | None:
        language = g.get(self.name) if has_app_context() else None
        inherited = _inherited.get()
        if language is None and inherited is not None and inherited[0] is self:
            language = inherited[1]
        return language

    def _unmatched_language(self) -> str | None:
        """Return the language in the path of a request without a route, where routes have it."""
        if request.url_rule is not None:
            return None
        path = request.path
        variable = re.compile(rf"<(?:[^<>]+:)?{re.escape(self.name)}>")
        for rule in current_app.url_map.iter_rules():
            if found := variable.search(rule.rule):
                before = rule.rule[: found.start()]
                language = path.removeprefix(before).partition("/")[0]
                if path.startswith(before) and language in self.languages:
                    return language
        return None

    def negotiate(self) -> str:
        """Return the language that the client prefers, according to ``Accept-Language``.

        It adds ``Vary: Accept-Language`` to the response.
        """
        if not has_request_context():
            return lookup(websocket.accept_languages, self.languages, self.default)
        vary_by("Accept-Language")
        return lookup(request.accept_languages, self.languages, self.default)

    def canonical(self, *, query: Collection[str] = ()) -> str | None:
        """Return the absolute URL of the current page, or ``None`` if there is no page.

        Arguments:
            query: The query parameters that belong to the URL, such as ``page``. All others are
                left out.
        """
        return self._url(g.get(self.name), query) if self._is_page() else None

    def alternates(self, *, query: Collection[str] = ()) -> tuple[Alternate, ...]:
        """Return the URL of the current page in each language, then ``x-default``.

        The result is empty if the URL has no language or if there is no page.

        Arguments:
            query: As for :meth:`canonical`.
        """
        if not self._is_page() or not self._has_language(request.endpoint):
            return ()
        tags = {tag: tag for tag in self.languages} | {"x-default": self.default}
        return tuple(Alternate(tag, self._url(language, query)) for tag, language in tags.items())

    def links(self, *, query: Collection[str] = ()) -> Markup:
        """Return the ``<link>`` elements for the head of the page (RFC 6596, HTML 4.6.7.1).

        They are those of :meth:`canonical` and :meth:`alternates`. In templates the function is
        called ``language_links``.

        Arguments:
            query: As for :meth:`canonical`.
        """
        canonical = self.canonical(query=query)
        lines = [Markup('<link rel="canonical" href="{}">').format(canonical)] if canonical else []
        lines += (
            Markup('<link rel="alternate" hreflang="{}" href="{}">').format(one.language, one.url)
            for one in self.alternates(query=query)
        )
        return Markup("\n").join(lines)

    def _register(self, app: Any) -> None:
        self._url_maps.append(app.url_map)
        add_language_source(app, self)
        _fix_websockets(app)

    def _has_language(self, endpoint: str | None) -> bool:
        """Return whether the URLs of *endpoint* contain a language."""
        for url_map in self._url_maps:
            try:
                if url_map.is_endpoint_expecting(endpoint, self.name):
                    return True
            except KeyError:  # unknown endpoint: url_for raises the better error
                pass
        return False

    def _read_language(self, endpoint: str | None, values: dict[str, Any] | None) -> None:
        # Quart calls it also for URLs that match no rule, with None instead of the values.
        language = values.pop(self.name, None) if values else None
        valid = language if language in self.languages else g.get(self.name)
        setattr(g, self.name, valid)
        _inherited.set((self, valid))
        if language not in (None, *self.languages):
            abort(404)

    def _add_language(self, endpoint: str, values: dict[str, Any]) -> None:
        if self.name not in values and self._has_language(endpoint):
            values[self.name] = self.current

    def _is_page(self) -> bool:
        """Return whether the URL matches a rule, and its language is valid if it has one."""
        rule: Any = request.url_rule if has_request_context() else None
        return bool(rule) and (self.name not in rule.arguments or g.get(self.name) is not None)

    def _url(self, language: str | None, query: Collection[str]) -> str:
        values: dict[str, Any] = {key: request.args.getlist(key) for key in query}
        values |= request.view_args or {}
        values |= {self.name: language} if language else {}
        url = url_for(request.endpoint or "", **values, _external=not self.base_url)
        return f"{self.base_url.rstrip('/')}{url}" if self.base_url else url

    async def _template_context(self) -> dict[str, Any]:
        return {"language_links": self.links}


def _fix_websockets(app: Quart) -> None:
    """Make *app* call its URL value preprocessors for websockets.

    Quart 0.22 reads ``request`` there, which fails with a ``RuntimeError``. An application whose
    class overrides the method is not changed.
    """
    if type(app).preprocess_websocket is Quart.preprocess_websocket:
        app.preprocess_websocket = MethodType(_preprocess, app)  # type: ignore[method-assign]


async def _preprocess(app: Quart, context: WebsocketContext | None = None) -> Any:
    """Do what Quart's method does, with the websocket instead of the request."""
    current = (context or websocket_ctx).websocket
    names = (None, *reversed(current.blueprints))
    for name in names:
        for preprocessor in app.url_value_preprocessors[name]:
            preprocessor(current.endpoint, current.view_args)
    for name in names:
        for function in app.before_websocket_funcs[name]:
            result: Any = await call(function)
            if result is not None:
                return result
    return None
