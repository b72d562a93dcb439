"""The settings of :mod:`quartpatterns.wtforms`, with the names of Flask-WTF."""

from __future__ import annotations

from collections.abc import Mapping

from quartpatterns._shared.declarations import Declarations, Seconds, Setting, Strings

__all__ = ["INSTEAD", "RECAPTCHA", "SETTINGS", "WTF"]

_HIDDEN_TAG = "hidden_tag() writes no element around the fields; write it into the template"

WTF = {
    "WTF_CSRF_ENABLED": Setting(bool, True, "whether requests are checked"),
    "WTF_CSRF_CHECK_DEFAULT": Setting(
        bool, True, "whether every request is checked; if false, views await `csrf.protect()`"
    ),
    "WTF_CSRF_METHODS": Setting(
        Strings, ("POST", "PUT", "PATCH", "DELETE"), "the methods whose requests are checked"
    ),
    "WTF_CSRF_FIELD_NAME": Setting(str, "csrf_token", "the name of the field with the token"),
    "WTF_CSRF_HEADERS": Setting(
        Strings, ("X-CSRFToken", "X-CSRF-Token"), "headers that may contain the token"
    ),
    "WTF_CSRF_META_NAME": Setting(str, "csrf-token", "the name in `csrf_meta_tag()`"),
    "WTF_CSRF_SECRET_KEY": Setting(
        str | bytes | list[str | bytes] | tuple[str | bytes, ...] | None,
        None,
        "the key of tokens, by default `SECRET_KEY`; it can be a list of keys, whose last key signs"
        " new tokens and whose other keys are old",
    ),
    "WTF_CSRF_TIME_LIMIT": Setting(
        Seconds | None,
        3600,
        "how long a token is valid; with `None` it is valid as long as the session",
    ),
    "WTF_CSRF_SSL_STRICT": Setting(
        bool, True, "whether a request over https must show that it comes from this site"
    ),
    "WTF_CSRF_CHECK_ORIGIN": Setting(
        bool,
        True,
        "whether to refuse requests and websockets that come from other sites according to"
        " `Sec-Fetch-Site` or `Origin`",
    ),
    "WTF_CSRF_TRUSTED_ORIGINS": Setting(
        Strings, (), "other sites that may send requests, such as `https://app.example`"
    ),
    "WTF_CSRF_FORM_LIMIT": Setting(
        int,
        500_000,  # the default of MAX_FORM_MEMORY_SIZE
        "how much of a form is searched for the token",
        unit="bytes",
    ),
    "WTF_CSRF_REFRESH": Setting(bool, True, "whether responses to scripts contain new tokens"),
    "WTF_I18N_ENABLED": Setting(bool, True, "whether error messages are translated"),
    "WTF_LOCALES": Setting(
        Strings,
        ("en",),
        "languages of error messages; the `Accept-Language` header selects one, and the first is"
        " the default; see [Languages](#languages) for what has priority",
    ),
}
"""The settings of forms and of the protection against CSRF."""

RECAPTCHA = {
    "RECAPTCHA_ENABLED": Setting(bool, True, "whether answers are verified"),
    "RECAPTCHA_PUBLIC_KEY": Setting(str | None, None, "the key of the site, for the page"),
    "RECAPTCHA_PRIVATE_KEY": Setting(
        str | None, None, "the secret key of the site, for the service"
    ),
    "RECAPTCHA_PARAMETERS": Setting(Mapping | None, None, "the query of the URL of the script"),
    "RECAPTCHA_DATA_ATTRS": Setting(
        Mapping | None, None, "the attributes `data-...` of the element"
    ),
    "RECAPTCHA_HTML": Setting(str | None, None, "HTML that takes the place of the widget"),
    "RECAPTCHA_SCRIPT": Setting(str | None, None, "the URL of the script; by default Google's"),
    "RECAPTCHA_DIV_CLASS": Setting(
        str | None, None, "the class of the element; by default `g-recaptcha`"
    ),
    "RECAPTCHA_VERIFY_SERVER": Setting(
        str | None, None, "the URL that verifies; by default Google's"
    ),
    "RECAPTCHA_TIMEOUT": Setting(Seconds, 10.0, "how long a verification may take"),
}
"""The settings of reCAPTCHA. ``None`` and empty values stand for Google's service."""

INSTEAD = {
    "RECAPTCHA_API_SERVER": "set RECAPTCHA_SCRIPT to the URL of the script",
    "RECAPTCHA_OPTIONS": "set RECAPTCHA_DATA_ATTRS, for example {'theme': 'dark'}",
    "RECAPTCHA_USE_SSL": "remove it; https is always used",
    "WTF_HIDDEN_TAG": _HIDDEN_TAG,
    "WTF_HIDDEN_TAG_ATTRS": _HIDDEN_TAG,
}
"""Settings of older versions of Flask-WTF, and what to do instead."""

SETTINGS = Declarations({**WTF, **RECAPTCHA}, prefixes=("WTF_", "RECAPTCHA_"), instead=INSTEAD)
