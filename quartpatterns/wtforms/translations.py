"""WTForms' messages in the language of the request, from the translations that WTForms has."""

from __future__ import annotations

import gettext
import sys
from collections.abc import Sequence
from typing import Any

from quart import (
    has_request_context,
    has_websocket_context,
    request,
    websocket,
)
from wtforms.i18n import messages_path

from quartpatterns._shared.languages import text_language
from quartpatterns._shared.loop_bound import current_context
from quartpatterns._shared.threads import run_sync
from quartpatterns.wtforms.settings import settings

_ONLY_WITH_TERRITORY = {"cs": "cs_CZ", "no": "nb"}
"""Languages that WTForms has under another name only."""

_TRADITIONAL = {"HK", "MO", "TW"}
"""Territories whose Chinese is written in traditional characters."""

# The keys are locales of the application's configuration or of Babel, never what a client sent.
_cache: dict[tuple[str, ...], gettext.NullTranslations] = {}


def translations(locales: tuple[str, ...]) -> gettext.NullTranslations:
    """Return the messages in the first of *locales* that WTForms has, else in English.

    Each translation is read from the disk once. :func:`load_translations` does so in a thread.
    """
    if locales not in _cache:
        names = [_ONLY_WITH_TERRITORY.get(name, name.replace("-", "_")) for name in locales]
        found = gettext.translation("wtforms", messages_path(), names, fallback=True)
        _cache[locales] = found
    return _cache[locales]


async def load_translations(locales: tuple[str, ...]) -> None:
    """Load :func:`translations` for *locales* without blocking the event loop."""
    if locales not in _cache:
        await run_sync(translations)(locales)


def form_locales(own: Any) -> tuple[str, ...] | None:
    """Return the locales of a form.

    They are those of its ``Meta.locales``, else the language of the application's message catalogs,
    else that of the URL, else the locale of quart-babel or Flask-Babel if the application uses it,
    else the language of the visitor. ``None`` means that its messages need no translation.
    """
    found = own or _text_locale() or _babel_locale() or _visitor_locale()
    locales = (found,) if isinstance(found, str) else tuple(found or ())
    # The untranslated messages are English.
    return None if not locales or locales[0].lower().startswith("en") else locales


def depends_on_request() -> bool:
    """Return whether the language is negotiated with the client."""
    return len(_locales()) > 1 and text_language() is None


def _text_locale() -> str | None:
    """Return the language of texts as WTForms' folders are named: ``pt_BR`` for ``pt-br``."""
    language = text_language()
    if language is None or not settings().boolean("WTF_I18N_ENABLED"):
        return None
    first, *others = language.replace("_", "-").split("-")
    script = next((tag.title() for tag in others if len(tag) == 4 and tag.isalpha()), "")
    territory = next((tag.upper() for tag in others if len(tag) == 2), "")
    name = first.lower()
    if name == "zh":
        traditional = script == "Hant" or (not script and territory in _TRADITIONAL)
        territory = "TW" if traditional else ""
    return f"{name}_{territory}" if territory else name


def _babel_locale() -> str | None:
    """Return the locale of the current request from quart-babel or Flask-Babel."""
    context = current_context()
    babel = None if context is None else context.app.extensions.get("babel")
    if babel is None or not (has_request_context() or has_websocket_context()):
        return None
    if not settings().boolean("WTF_I18N_ENABLED"):
        return None
    # The extension in use has been imported. Its get_locale() respects force_locale().
    package: Any = sys.modules[type(babel).__module__.partition(".")[0]]
    # Flask-Babel knows no request of Quart unless bridge_flask() is used.
    locale: Any = package.get_locale() or (babel.locale_selector and babel.locale_selector())
    known = _known_locale(locale) or _known_locale(babel.default_locale)
    # WTForms has zh_TW, which Babel calls zh_Hant_TW.
    return "_".join(filter(None, (known.language, known.territory))) if known else None


def _known_locale(locale: Any) -> Any:
    """Return Babel's object for a locale, or ``None`` if Babel does not know it.

    A locale selector may return what a client sent. It must not be part of the path of a file, or a
    key of the cache.
    """
    from babel import Locale, UnknownLocaleError  # the extension depends on it

    if not locale or not isinstance(locale, str):
        return locale
    try:
        return Locale.parse(locale, sep="-" if "-" in locale else "_")
    except (UnknownLocaleError, ValueError):
        return None


def _visitor_locale() -> str | None:
    """Return the best of ``WTF_LOCALES`` by ``Accept-Language`` (RFC 9110, section 12.5.4).

    Without a match it is the first one. ``None`` means that messages are not translated.
    """
    locales = _locales()
    if not locales:
        return None
    if len(locales) == 1 or not (has_request_context() or has_websocket_context()):
        return locales[0]
    context: Any = request if has_request_context() else websocket
    ranges = (name for name, quality in context.accept_languages if quality > 0)
    return next(filter(None, (_lookup(name, locales) for name in ranges)), locales[0])


def _locales() -> tuple[str, ...]:
    """Return ``WTF_LOCALES``, or nothing without ``WTF_I18N_ENABLED``."""
    reader = settings()
    locales = reader.strings("WTF_LOCALES")
    return locales if reader.boolean("WTF_I18N_ENABLED") else ()


def _lookup(language_range: str, locales: Sequence[str]) -> str | None:
    """Return the locale for a language range, such as ``de`` for ``de-AT`` (RFC 4647, 3.4).

    A range such as ``pt`` also matches the more specific ``pt-BR``. Werkzeug's ``best_match``
    does not serve here: for ``de-AT, en;q=0.5`` it chooses English although there is ``de``.
    """
    names = {locale.replace("_", "-").lower(): locale for locale in locales}
    parts = language_range.replace("_", "-").lower().split("-")
    for length in range(len(parts), 0, -1):
        if (found := names.get("-".join(parts[:length]))) is not None:
            return found
    return next((names[name] for name in names if name.split("-")[0] == parts[0]), None)
