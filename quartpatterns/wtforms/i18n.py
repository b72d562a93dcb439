"""The translations of WTForms' messages, with the names of Flask-WTF."""

from __future__ import annotations

from quart import has_request_context

from quartpatterns.wtforms.translations import form_locales
from quartpatterns.wtforms.translations import translations as translations_of

__all__ = ["Translations", "translations"]


class Translations:
    """Translates messages of WTForms into the language of the current request.

    Forms do so themselves. This class is for a ``get_translations`` of the application. Outside of
    a request, messages are not translated.

    .. versionadded:: 0.1
    """

    def gettext(self, string: str) -> str:
        """Return the translation of *string*."""
        locales = form_locales(None) if has_request_context() else None
        return translations_of(locales).gettext(string) if locales else string

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """Return the translation of *singular* or *plural*, which depends on *n*."""
        locales = form_locales(None) if has_request_context() else None
        if locales is None:
            return singular if n == 1 else plural
        return translations_of(locales).ngettext(singular, plural, n)


translations = Translations()
"""The translations of the current request."""
