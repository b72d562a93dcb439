"""The languages: in the URL of each page, and of the texts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from babel.support import LazyProxy, NullTranslations, Translations
from quart import g

LANGUAGES = ["en", "de"]
FOLDER = Path(__file__).parent / "translations"


@cache
def catalog(language: str) -> NullTranslations:
    return Translations.load(FOLDER, [language])


def gettext(text: str, **values: object) -> str:
    translated: str = catalog(g.get("lang_code") or "en").gettext(text)
    return translated % values if values else translated


def lazy(text: str) -> LazyProxy:
    return LazyProxy(gettext, text, enable_cache=False)
