"""The language of a request, and of the URLs that are built for it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from types import MethodType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary, WeakSet

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
from quart.globals import request_ctx, websocket_ctx
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, MapAdapter, PathConverter, RequestRedirect

from quartpatterns._shared.calling import call
from quartpatterns._shared.languages import add_language_source, vary_by
from quartpatterns._shared.visitors import mark_language
from quartpatterns.urlprocessors.accept_language import lookup
from quartpatterns.urlprocessors.rules import language_of, restrict_languages

__all__ = ["Alternate", "LanguageURLs"]

ON_APP = "urlprocessors"  # the extension of an application that has languages itself

_ONE_VARIABLE = re.compile(r"/<(\w+)(?:\(.*\))?:\w+>")

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

    A URL that matches no route, or not with its method, has the language in its path. So error
    pages are in the language of the URL.

    Create it before the routes: only later routes leave URLs such as ``/robots.txt`` alone, which
    do not begin with a language. With an application factory, create it once, without an
    application, and call :meth:`init_app`.

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
        app_or_blueprint: Quart | Blueprint | None = None,
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
        # Weak, because tests create many applications.
        self._endpoints: WeakKeyDictionary[Map, tuple[str, ...]] = WeakKeyDictionary()
        self._prepared: WeakSet[Quart | Blueprint] = WeakSet()
        if app_or_blueprint is not None:
            self.init_app(app_or_blueprint)

    def init_app(self, app_or_blueprint: Quart | Blueprint) -> None:
        """Give an application or a blueprint languages.

        One object can be used for several applications. A second call for the same one does
        nothing, so that ``create_app()`` can contain it.

        Arguments:
            app_or_blueprint: The application, or a blueprint that is not registered yet.

        Raises:
            RuntimeError: The blueprint is already registered.
        """
        if app_or_blueprint in self._prepared:
            return
        try:
            app_or_blueprint.url_value_preprocessor(self._read_language)
        except AssertionError as error:
            raise RuntimeError(
                f"The blueprint {app_or_blueprint.name!r} is already registered, and a new"
                " LanguageURLs would come too late: create LanguageURLs once, beside the blueprint,"
                " and not in create_app()"
            ) from error
        self._prepared.add(app_or_blueprint)
        app_or_blueprint.url_defaults(self._add_language)
        app_or_blueprint.context_processor(self._template_context)
        if isinstance(app_or_blueprint, Quart):
            app_or_blueprint.extensions[ON_APP] = self
            self._register(app_or_blueprint, "")
        else:
            app_or_blueprint.record(self._register_blueprint)

    @property
    def current(self) -> str:
        """The language that ``url_for`` adds here."""
        return self.url_language or self.default

    @property
    def url_language(self) -> str | None:
        """The language of the current URL, or of the request that started the task, or ``None``.

        .. versionadded:: 0.1
        """
        mark_language()
        language = g.get(self.name) if has_app_context() else None
        inherited = _inherited.get()
        if language is None and inherited is not None and inherited[0] is self:
            language = inherited[1]
        # Another object may have set the language, with other languages.
        return language if language in self.languages else None

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

    def _register_blueprint(self, state: Any) -> None:
        app: Quart = state.app
        if app not in self._prepared:
            self._prepared.add(app)
            # Pages outside of the blueprint, such as error pages, may use the same layout.
            app.context_processor(_outside_context)
            app.url_value_preprocessor(self._read_outside)
        name = f"{state.name_prefix}.{state.name}".lstrip(".")
        self._register(app, f"{name}.")

    def _register(self, app: Any, endpoints: str) -> None:
        """Prepare *app* for the routes whose endpoints begin with *endpoints*."""
        self._endpoints[app.url_map] = (*self._endpoints.get(app.url_map, ()), endpoints)
        app.url_rule_class = restrict_languages(
            app.url_rule_class, self.name, self.languages, endpoints
        )
        add_language_source(app, self)
        _fix_websockets(app)

    def _has_language(self, endpoint: str | None) -> bool:
        """Return whether the URLs of *endpoint* contain a language."""
        for url_map in self._endpoints:
            try:
                if url_map.is_endpoint_expecting(endpoint, self.name):
                    return True
            except KeyError:  # unknown endpoint: url_for raises the better error
                pass
        return False

    def _read_language(self, endpoint: str | None, values: dict[str, Any] | None) -> None:
        if endpoint is None or _is_catch_all():
            self._read_outside(endpoint, values)
            return
        language = values.pop(self.name, None) if values else None
        self._set_language(language if language in self.languages else g.get(self.name))
        if language not in (None, *self.languages):
            abort(404)

    def _read_outside(self, endpoint: str | None, values: dict[str, Any] | None) -> None:
        """Read the language of a URL that matches no rule, for which Quart passes None.

        A rule that matches every path, such as that of a single-page application, is none.
        All other URLs outside of a blueprint have no language.
        """
        if endpoint is None or _is_catch_all():
            current = _connection()
            adapter = (request_ctx if has_request_context() else websocket_ctx).url_adapter
            if adapter is None:
                return
            if isinstance(current.routing_exception, RequestRedirect):
                self._check_redirect(adapter, f"{current.path}/")
            endpoints = self._endpoints.get(adapter.map, ())
            found = language_of(adapter.map, current.path, self.name, self.languages, endpoints)
            self._set_language(found or g.get(self.name))
        elif self.name not in g:
            setattr(g, self.name, None)

    def _check_redirect(self, adapter: MapAdapter, path: str) -> None:
        """Answer 404 at once if a slash is missing in a URL with an unknown language."""
        try:
            _, values = adapter.match(path)
        except (HTTPException, RequestRedirect):
            return
        if values.get(self.name, self.default) not in self.languages:
            abort(404)

    def _set_language(self, language: str | None) -> None:
        setattr(g, self.name, language)
        _inherited.set((self, language))

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


def _connection() -> Any:
    return request if has_request_context() else websocket


def _is_catch_all() -> bool:
    """Return whether the rule of the current URL is only a path, so that it matches every URL."""
    rule: Any = _connection().url_rule
    found = _ONE_VARIABLE.fullmatch(rule.rule) if rule is not None else None
    converters: Any = current_app.url_map.converters
    return found is not None and issubclass(converters.get(found[1], str), PathConverter)


async def _outside_context() -> dict[str, Any]:
    # The application may have languages of its own, whose links are right here.
    return {} if ON_APP in current_app.extensions else {"language_links": _no_links}


def _no_links(*, query: Collection[str] = ()) -> Markup:
    return Markup()


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
