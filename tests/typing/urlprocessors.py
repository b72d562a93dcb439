"""What type checkers infer for users of urlprocessors. This module is checked, and never run."""

from __future__ import annotations

from datetime import datetime
from typing import assert_type

from quart import Quart
from wtforms import StringField
from wtforms.validators import DataRequired

from quartpatterns.urlprocessors import LanguageURLs
from quartpatterns.urlprocessors.messages import (
    MessageCatalogs,
    current_formats,
    current_language,
    force_language,
    gettext,
    lazy_gettext,
    ngettext,
)
from quartpatterns.wtforms import QuartForm


class NameForm(QuartForm):
    """Lazy texts are accepted where WTForms takes strings."""

    name = StringField(
        lazy_gettext("Name"),
        [DataRequired(lazy_gettext("Who are you?"))],
        description=lazy_gettext("In full"),
    )


def texts(app: Quart) -> None:
    """Texts are strings."""
    languages = LanguageURLs(app, languages=["en", "de"])
    assert_type(languages.url_language, str | None)
    catalogs = MessageCatalogs(app, languages=languages.languages, locale_selector=lambda: None)
    assert_type(catalogs.languages, tuple[str, ...])
    with force_language("de"):
        assert_type(gettext("Hello, %(name)s", name="Ada"), str)
        assert_type(ngettext("%(num)d cake", "%(num)d cakes", 2), str)
        assert_type(current_language(), str)
        assert_type(current_formats().date(datetime.now()), str)
        assert_type(current_formats().currency(1.5, "EUR"), str)
