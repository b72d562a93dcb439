"""The languages of the pages: in their addresses, and of their texts."""

from __future__ import annotations

from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.urlprocessors.messages import MessageCatalogs

LANGUAGES = {"en": "English", "de": "Deutsch"}
language_urls = LanguageURLs(languages=[*LANGUAGES])
catalogs = MessageCatalogs(languages=[*LANGUAGES])
