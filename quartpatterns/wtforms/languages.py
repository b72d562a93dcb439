"""Messages of WTForms in the visitor's language, from the translations that come with it."""

from __future__ import annotations

import gettext
from collections.abc import Sequence
from typing import Any

from quart import has_request_context, has_websocket_context, request, websocket
from quart.utils import run_sync
from wtforms.i18n import messages_path

from quartpatterns.wtforms.settings import setting

__all__ = ["catalog", "load", "negotiated", "visitors_locale", "wanted_locales"]


# By names that the application has, never by what a visitor says.
_catalogs: dict[tuple[str, ...], gettext.NullTranslations] = {}


def catalog(locales: tuple[str, ...]) -> gettext.NullTranslations:
    """WTForms' messages in the first of *locales* that it has, in English where it has none.

    They are read from disk once; :func:`load` does that without blocking the event loop.
    """
    if locales not in _catalogs:
        names = [name.replace("-", "_") for name in locales]
        found = gettext.translation("wtforms", messages_path(), names, fallback=True)
        _catalogs[locales] = found
    return _catalogs[locales]


async def load(locales: tuple[str, ...]) -> None:
    """Have the :func:`catalog` for *locales* in memory."""
    if locales not in _catalogs:
        await run_sync(catalog)(locales)


def wanted_locales(own: Any) -> tuple[str, ...] | None:
    """The locales of a form, as :func:`catalog` takes them; ``None`` where nothing is translated.

    Arguments:
        own: What the form itself says, in ``Meta.locales``, or nothing.
    """
    found = own or visitors_locale()
    locales = (found,) if isinstance(found, str) else tuple(found or ())
    # English is what is translated from.
    return None if not locales or locales[0].lower().startswith("en") else locales


def visitors_locale() -> str | None:
    """The one of ``WTF_LOCALES`` that the visitor likes best, else the first of them.

    It is negotiated by ``Accept-Language`` (RFC 9110, section 12.5.4). ``None`` where messages are
    not to be translated.
    """
    locales: Sequence[str] = setting("WTF_LOCALES")
    if not locales or not setting("WTF_I18N_ENABLED"):
        return None
    if not negotiated() or not (has_request_context() or has_websocket_context()):
        return locales[0]
    one: Any = request if has_request_context() else websocket
    wanted = (name for name, quality in one.accept_languages if quality > 0)
    return next(filter(None, (_lookup(name, locales) for name in wanted)), locales[0])


def _lookup(wanted: str, locales: Sequence[str]) -> str | None:
    """The locale for one range of languages: ``de`` for ``de-AT`` (RFC 4647, section 3.4).

    Not Werkzeug's ``best_match``, for which ``de-AT, en;q=0.5`` means English where there is
    ``de``. Where a range asks for less than there is, as ``pt`` of ``pt-BR``, it gets that.
    """
    names = {locale.replace("_", "-").lower(): locale for locale in locales}
    parts = wanted.replace("_", "-").lower().split("-")
    for length in range(len(parts), 0, -1):
        if (found := names.get("-".join(parts[:length]))) is not None:
            return found
    return next((names[name] for name in names if name.split("-")[0] == parts[0]), None)


def negotiated() -> bool:
    """Whether the language depends on the request."""
    return setting("WTF_I18N_ENABLED") and len(setting("WTF_LOCALES")) > 1
