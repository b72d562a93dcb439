"""The texts of an application in several languages, from message catalogs of gettext.

.. code-block:: python

    from quartpatterns.urlprocessors import LanguageURLs
    from quartpatterns.urlprocessors.messages import MessageCatalogs, gettext as _

    languages = LanguageURLs(languages=["en", "de"], default="en")
    catalogs = MessageCatalogs(app, languages=languages)

    @app.get("/<lang_code>/")
    async def index():
        return _("Welcome, %(name)s", name="Ada")

Babel reads the catalogs and formats dates and numbers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from datetime import date as Date  # noqa: N812
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from quart import (
    Quart,
    current_app,
    has_app_context,
    has_request_context,
    has_websocket_context,
    request,
    websocket,
)
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.languages import TEXTS_KEY, url_language, vary_by
from quartpatterns._shared.visitors import mark_language
from quartpatterns.urlprocessors.accept_language import lookup
from quartpatterns.urlprocessors.languages import LanguageURLs

with requires_extra("i18n", needed_by="quartpatterns.urlprocessors.messages"):
    from babel import Locale, UnknownLocaleError
    from babel.dates import format_datetime, get_timezone
    from babel.support import Format, LazyProxy, NullTranslations, Translations

    from quartpatterns.urlprocessors.catalog_files import CatalogError, load_catalog
    from quartpatterns.urlprocessors.lazy_texts import add_to_json, add_to_session

__all__ = [
    "CatalogError",
    "Formats",
    "MessageCatalogs",
    "current_formats",
    "current_language",
    "force_language",
    "gettext",
    "lazy_gettext",
    "lazy_ngettext",
    "lazy_pgettext",
    "ngettext",
    "npgettext",
    "pgettext",
]

FILTERS = {
    "dateformat": "date",
    "timeformat": "time",
    "datetimeformat": "datetime",
    "timedeltaformat": "timedelta",
    "numberformat": "number",
    "decimalformat": "decimal",
    "currencyformat": "currency",
    "percentformat": "percent",
    "scientificformat": "scientific",
}
"""The filters of templates, with the names of Flask-Babel, and the methods of ``Format``."""

_forced: ContextVar[str | None] = ContextVar("quartpatterns.forced_language", default=None)

AnyTranslations = NullTranslations | Translations


class MessageCatalogs:
    """The message catalogs of an application, and the language of the current request.

    The catalog of German is ``translations/de/LC_MESSAGES/messages.po``, beside the application.
    The ``.mo`` file that ``pybabel compile`` writes is used instead if it is not older.

    The language is the first of these that exists and is one of *languages*:

    1. the argument of :func:`force_language`
    2. the language of the URL, see :class:`~quartpatterns.urlprocessors.LanguageURLs`
    3. what *locale_selector* returns
    4. the one that fits ``Accept-Language`` best; the response then has a ``Vary`` header
    5. *default*

    Templates have ``gettext``, ``ngettext``, ``pgettext``, ``npgettext``, ``_``, ``{% trans %}``,
    ``current_language()``, ``current_formats()``, and the filters of Flask-Babel such as
    ``dateformat`` and ``decimalformat``. Error messages of :mod:`quartpatterns.wtforms` are in the
    same language.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.
        languages: The tags (BCP 47) of the languages, as in ``LanguageURLs``; or a
            :class:`~quartpatterns.urlprocessors.LanguageURLs`, whose languages and default are
            used, and whose ``init_app`` :meth:`init_app` calls too.
        default: The default language; without it, the first one.
        source: The language of the texts in the code. It needs no catalog.
        folders: Folders with catalogs, relative to ``app.root_path``. The first translation counts.
        domain: The name of the catalogs' files.
        locale_selector: A function that returns a language for the current request, or ``None``.
            It is called for each text, so read a database in ``before_request`` instead.
        timezone: The name of the time zone in which times are shown.
        timezone_selector: A function that returns the time zone for the current request, as a name
            or an object. For ``None`` or an unknown name, it is *timezone*.

    Raises:
        ValueError: *languages* is empty or a string, a tag is unknown, or *default* is not in it.
        TypeError: A selector is a coroutine function.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        languages: Sequence[str] | LanguageURLs,
        default: str | None = None,
        source: str = "en",
        folders: str | Iterable[str] = ("translations",),
        domain: str = "messages",
        locale_selector: Callable[[], str | None] | None = None,
        timezone: str = "UTC",
        timezone_selector: Callable[[], str | tzinfo | None] | None = None,
    ) -> None:
        self.language_urls: LanguageURLs | None = None
        if isinstance(languages, LanguageURLs):
            self.language_urls = languages
            default = default if default is not None else languages.default
            languages = languages.languages
        self.languages = tuple(languages)
        self.default = default if default is not None else next(iter(self.languages), "")
        if isinstance(languages, str) or self.default not in self.languages:
            raise ValueError(f"default must be one of the languages {languages!r}, not {default!r}")
        for selector in (locale_selector, timezone_selector):
            if inspect.iscoroutinefunction(selector):
                raise TypeError(
                    f"{selector.__name__} can't be asynchronous: await in a before_request"
                    " function, keep the result in g, and return it here"
                )
        self.locales = {tag: _locale(tag) for tag in self.languages}
        self.source = source
        self.folders = (folders,) if isinstance(folders, str) else tuple(folders)
        self.domain = domain
        self.locale_selector = locale_selector
        self.timezone = timezone
        self.timezone_selector = timezone_selector
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Read the catalogs, and register with *app*. Several applications may share the object.

        Raises:
            CatalogError: A language has no catalog, or a catalog is invalid.
            LookupError: The time zone is unknown.
            RuntimeError: The application already has catalogs.
        """
        if TEXTS_KEY in app.extensions:
            raise RuntimeError("This application already has a MessageCatalogs: register it once.")
        folders = [Path(app.root_path, folder) for folder in self.folders]
        texts = {
            tag: load_catalog(folders, tag, str(locale), self.domain, required=tag != self.source)
            for tag, locale in self.locales.items()
        }
        zone = get_timezone(self.timezone)
        for locale in self.locales.values():
            # Babel reads its data now, and not while a request is handled.
            format_datetime(datetime.now(UTC), "full", zone, locale)
        if self.language_urls is not None:
            self.language_urls.init_app(app)
        app.extensions[TEXTS_KEY] = _AppCatalogs(self, texts, zone)
        _add_to_templates(app)
        add_to_json(app)
        add_to_session(app)

    @property
    def language(self) -> str:
        """The language of texts here, one of :attr:`languages`."""
        mark_language()
        for found in (_forced.get(), url_language()):
            if found is not None and (known := self._known(found)) is not None:
                return known
        if not (has_request_context() or has_websocket_context()):
            return self.default
        selected = self.locale_selector() if self.locale_selector is not None else None
        if selected is not None and (known := self._known(str(selected))) is not None:
            return known
        if len(self.languages) == 1:
            return self.default
        if has_request_context():
            vary_by("Accept-Language")
        headers = (request if has_request_context() else websocket).headers
        accepted = headers.get("Accept-Language", "")
        return _negotiated(accepted, self.languages, self.default) if accepted else self.default

    def _known(self, tag: str) -> str | None:
        """Return the one of the languages that fits *tag*: for ``de_AT`` it may be ``de``."""
        if tag in self.languages:
            return tag
        available = {_normalized(one): one for one in self.languages}
        name = _normalized(tag)
        while name not in available and "-" in name:
            name = name.rpartition("-")[0]
        longer = (one for one in available if one.startswith(f"{name}-"))
        return available.get(name) or available.get(next(longer, ""))


class Formats(Format):
    """Babel's :class:`~babel.support.Format`, which shows the date in its time zone as well.

    .. versionadded:: 0.1
    """

    def date(self, date: Date | None = None, format: Any = "medium") -> str:
        """Return a date. Of a datetime it is the date in the time zone; without one it is in UTC.

        Arguments:
            date: The date or datetime; by default it is now.
            format: ``short``, ``medium``, ``long``, ``full``, or a pattern.
        """
        if date is None or isinstance(date, datetime):
            moment = datetime.now(UTC) if date is None else date
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            date = moment.astimezone(self.tzinfo)
        return super().date(date, format)


class _AppCatalogs:
    """The catalogs of one application; other patterns read :attr:`language`."""

    def __init__(
        self, catalogs: MessageCatalogs, texts: dict[str, AnyTranslations], timezone: tzinfo
    ) -> None:
        self.catalogs = catalogs
        self.texts = texts
        self._timezone = timezone

    @property
    def language(self) -> str:
        return self.catalogs.language

    @property
    def translations(self) -> AnyTranslations:
        return self.texts[self.language]

    @property
    def formats(self) -> Formats:
        selector = self.catalogs.timezone_selector
        in_request = has_request_context() or has_websocket_context()
        zone = selector() if selector is not None and in_request else None
        if isinstance(zone, str):
            zone = _timezone(zone)
        zone = zone if zone is not None else self._timezone
        return Formats(self.catalogs.locales[self.language], zone)


def current_language() -> str:
    """Return the language of texts in the current request, such as ``de``.

    Raises:
        RuntimeError: There is no application context, or the application has no catalogs.

    .. versionadded:: 0.1
    """
    return _app_catalogs().language


def current_formats() -> Formats:
    """Return Babel's functions for dates, times and numbers, with the current language and zone.

    Its methods format dates, times and numbers: ``current_formats().date(day)``. A datetime without
    a time zone is in UTC.

    Raises:
        RuntimeError: There is no application context, or the application has no catalogs.

    .. versionadded:: 0.1
    """
    return _app_catalogs().formats


@contextmanager
def force_language(language: str) -> Generator[None]:
    """Use *language* for all texts in the block, for example to write an e-mail.

    Other tasks are not affected, except those that the block starts.

    Arguments:
        language: One of the languages of the catalogs.

    Raises:
        ValueError: It is none of them.

    .. versionadded:: 0.1
    """
    languages = _app_catalogs().catalogs.languages
    if language not in languages:
        raise ValueError(f"language must be one of {languages!r}, not {language!r}")
    token = _forced.set(language)
    try:
        yield
    finally:
        _forced.reset(token)


def gettext(message: str, /, **variables: object) -> str:
    """Return the translation of *message*, with ``%(name)s`` replaced by the variable *name*.

    Without variables the text is not formatted. Without an application context, or without a
    translation, the text is *message*.

    Raises:
        RuntimeError: The application has no catalogs.

    .. versionadded:: 0.1
    """
    return _formatted(_translations().gettext(message), variables)


def ngettext(singular: str, plural: str, num: int, /, **variables: object) -> str:
    """Return the translation of *singular* or *plural* for *num*, which is a variable as well.

    .. versionadded:: 0.1
    """
    return _formatted(_plural(singular, plural, num), {"num": num, **variables})


def pgettext(context: str, message: str, /, **variables: object) -> str:
    """Return the translation of *message* in a context, such as ``month`` for ``May``.

    .. versionadded:: 0.1
    """
    return _formatted(cast(str, _translations().pgettext(context, message)), variables)


def npgettext(context: str, singular: str, plural: str, num: int, /, **variables: object) -> str:
    """Return what :func:`ngettext` returns, in a context.

    .. versionadded:: 0.1
    """
    text = _plural_in_context(context, singular, plural, num)
    return _formatted(text, {"num": num, **variables})


def lazy_gettext(message: str, /, **variables: object) -> str:
    """Return a text that is translated whenever it is used, such as the label of a form field.

    It is Babel's ``LazyProxy``, which behaves like a string. Use ``str()`` where a real one is
    needed. ``jsonify`` and the session convert it.

    .. versionadded:: 0.1
    """
    return _lazy(lambda: gettext(message, **variables))


def lazy_ngettext(singular: str, plural: str, num: int, /, **variables: object) -> str:
    """Return what :func:`ngettext` returns, translated whenever it is used.

    .. versionadded:: 0.1
    """
    return _lazy(lambda: ngettext(singular, plural, num, **variables))


def lazy_pgettext(context: str, message: str, /, **variables: object) -> str:
    """Return what :func:`pgettext` returns, translated whenever it is used.

    .. versionadded:: 0.1
    """
    return _lazy(lambda: pgettext(context, message, **variables))


def _lazy(function: Callable[[], str]) -> str:
    # Libraries such as WTForms declare that they take strings.
    return cast(str, LazyProxy(function, enable_cache=False))


def _app_catalogs() -> _AppCatalogs:
    catalogs = current_app.extensions.get(TEXTS_KEY)
    if not isinstance(catalogs, _AppCatalogs):
        raise RuntimeError(
            "This application has no message catalogs: write MessageCatalogs(app, languages=[...])"
        )
    return catalogs


def _translations() -> AnyTranslations:
    return _app_catalogs().translations if has_app_context() else NullTranslations()


def _plural(singular: str, plural: str, num: int) -> str:
    return _translations().ngettext(singular, plural, num)


def _plural_in_context(context: str, singular: str, plural: str, num: int) -> str:
    return _translations().npgettext(context, singular, plural, num)


def _formatted(text: str, variables: dict[str, object]) -> str:
    return text % variables if variables else text


def _locale(tag: str) -> Locale:
    try:
        return Locale.parse(tag.replace("_", "-"), sep="-")
    except (UnknownLocaleError, ValueError) as error:
        raise ValueError(f"{tag!r} is no language that Babel knows: {error}") from error


def _normalized(tag: str) -> str:
    return tag.replace("_", "-").lower()


@lru_cache(maxsize=64)
def _timezone(name: str) -> tzinfo | None:
    """Return the time zone, or ``None``: a selector may return what a client has sent."""
    try:
        return get_timezone(name)
    except (LookupError, OSError, ValueError):
        return None


@lru_cache(maxsize=512)
def _negotiated(accepted: str, languages: tuple[str, ...], default: str) -> str:
    return lookup(parse_accept_header(accepted, LanguageAccept), languages, default)


def _add_to_templates(app: Quart) -> None:
    environment = cast(Any, app.jinja_env)
    environment.add_extension("jinja2.ext.i18n")
    # The plural forms get no variables. Jinja inserts them itself, and escapes them.
    environment.install_gettext_callables(
        gettext, _plural, newstyle=True, pgettext=pgettext, npgettext=_plural_in_context
    )
    environment.globals.update(current_language=current_language, current_formats=current_formats)
    for name, method in FILTERS.items():
        environment.filters[name] = _filter(method)


def _filter(method: str) -> Callable[..., str]:
    def format_value(value: Any, *args: Any, **kwargs: Any) -> str:
        found: str = getattr(current_formats(), method)(value, *args, **kwargs)
        return found

    return format_value
