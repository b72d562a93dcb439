"""The languages: in the address of each page, and of the texts."""

from __future__ import annotations

from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.urlprocessors.messages import MessageCatalogs

languages = LanguageURLs(languages=["en", "de"])
catalogs = MessageCatalogs(languages=languages)
