"""The language in the URL of a request, and responses that depend on headers of the request.

Patterns do not import each other, so what reads languages from URLs registers itself here.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

from quart import (
    Quart,
    Request,
    after_this_request,
    has_request_context,
    request,
)
from quart.typing import ResponseTypes

from quartpatterns._shared.loop_bound import current_context
from quartpatterns._shared.visitors import LANGUAGE

__all__ = [
    "TEXTS_KEY",
    "LanguageSource",
    "add_language_source",
    "current_languages",
    "language_globals",
    "negotiated_headers",
    "resolved",
    "text_language",
    "url_language",
    "vary_by",
]

EXTENSION_KEY = "quartpatterns.languages"
"""The key in ``app.extensions`` of a list of :class:`LanguageSource`."""

TEXTS_KEY = "quartpatterns.messages"
"""The key in ``app.extensions`` of the message catalogs, whose ``language`` is that of texts."""

# The header names in lower case. They are not in the ASGI scope, because caching watches who reads
# that.
_negotiated: WeakKeyDictionary[Request, set[str]] = WeakKeyDictionary()


class LanguageSource(Protocol):
    """What reads the language from URLs, such as ``urlprocessors.LanguageURLs``."""

    @property
    def url_language(self) -> str | None:
        """The language (BCP 47) in the current URL, or ``None``. It is one of a fixed list."""
        ...

    @property
    def name(self) -> str:
        """The attribute of ``g`` with the language."""
        ...

    @property
    def current(self) -> str:
        """The language that ``url_for`` adds here."""
        ...


def add_language_source(app: Quart, source: LanguageSource) -> None:
    """Make :func:`url_language` ask *source* in *app*, after those that were added before."""
    sources = app.extensions.setdefault(EXTENSION_KEY, [])
    if source not in sources:
        sources.append(source)


def _extensions() -> dict[str, Any]:
    """Return the extensions of the current application."""
    # Not current_app.extensions: a form asks for the language several times.
    context = current_context()
    return {} if context is None else context.app.extensions


def url_language() -> str | None:
    """Return the language in the URL of the current request or websocket, or ``None``.

    In a background task it is that of the request that has started the task.
    """
    for source in _extensions().get(EXTENSION_KEY, ()):
        if (language := cast("LanguageSource", source).url_language) is not None:
            return language
    return None


def text_language() -> str | None:
    """Return the language of the application's message catalogs, else that of the URL."""
    catalogs: Any = _extensions().get(TEXTS_KEY)
    return cast("str | None", catalogs.language) if catalogs is not None else url_language()


def language_globals() -> Collection[str]:
    """Return the attributes of ``g`` with the language, and the name that stands for any other."""
    sources = _extensions().get(EXTENSION_KEY, ())
    return {LANGUAGE, *(cast("LanguageSource", source).name for source in sources)}


def current_languages() -> Collection[str | None]:
    """Return the languages of texts and of the URLs that ``url_for`` builds."""
    sources = _extensions().get(EXTENSION_KEY, ())
    return {text_language(), *(cast("LanguageSource", source).current for source in sources)}


def resolved(text: Any) -> Any:
    """Return a lazy text of Babel as a string, and everything else unchanged.

    A lazy text can't be stored, because its language would depend on who reads it.
    """
    babel: Any = None if isinstance(text, str) else sys.modules.get("babel.support")
    return str(text) if babel is not None and isinstance(text, babel.LazyProxy) else text


def vary_by(header: str) -> None:
    """Add *header* to ``Vary`` of the response. Nothing happens outside of a request.

    Call it when the request's header is read. The header of the response is set after the view,
    and :func:`negotiated_headers` knows before that what the response depends on.
    """
    if not has_request_context():
        return
    current: Request = cast(Any, request)._get_current_object()
    headers = _negotiated.setdefault(current, set())
    if header.lower() in headers:
        return
    headers.add(header.lower())

    async def add(response: ResponseTypes) -> ResponseTypes:
        response.vary.add(header)
        return response

    after_this_request(add)


def negotiated_headers(current: Request) -> Collection[str]:
    """Return the names, in lower case, that :func:`vary_by` got during the request *current*."""
    return _negotiated.get(current, ())
