"""The settings, with the names of Flask-WTF, and their defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from quart import Quart, current_app, has_app_context

from quartpatterns._shared.settings import (
    SettingsReader,
    apply_defaults,
    invalid_setting,
    refuse_unknown,
)

__all__ = [
    "DEFAULTS",
    "INSTEAD",
    "check_names",
    "init_settings",
    "secret_keys",
    "settings",
    "time_limit",
]

EXTENSION = "quartpatterns.wtforms"
"""The key in ``app.extensions`` that is set once the names of all settings have been checked."""

DEFAULTS: dict[str, Any] = {
    "WTF_CSRF_ENABLED": True,
    "WTF_CSRF_CHECK_DEFAULT": True,
    "WTF_CSRF_METHODS": ("POST", "PUT", "PATCH", "DELETE"),
    "WTF_CSRF_FIELD_NAME": "csrf_token",
    "WTF_CSRF_HEADERS": ("X-CSRFToken", "X-CSRF-Token"),
    "WTF_CSRF_META_NAME": "csrf-token",
    "WTF_CSRF_SECRET_KEY": None,
    "WTF_CSRF_TIME_LIMIT": 3600,
    "WTF_CSRF_SSL_STRICT": True,
    "WTF_CSRF_CHECK_ORIGIN": True,
    "WTF_CSRF_TRUSTED_ORIGINS": (),
    # The default of MAX_FORM_MEMORY_SIZE.
    "WTF_CSRF_FORM_LIMIT": 500_000,
    "WTF_CSRF_REFRESH": True,
    "WTF_I18N_ENABLED": True,
    "WTF_LOCALES": ("en",),
}
"""The settings and their default values."""

_HIDDEN_TAG = "hidden_tag() writes no element around the fields; write it into the template"

INSTEAD = {
    "RECAPTCHA_API_SERVER": "set RECAPTCHA_SCRIPT to the URL of the script",
    "RECAPTCHA_OPTIONS": "set RECAPTCHA_DATA_ATTRS, for example {'theme': 'dark'}",
    "RECAPTCHA_USE_SSL": "remove it; https is always used",
    "WTF_HIDDEN_TAG": _HIDDEN_TAG,
    "WTF_HIDDEN_TAG_ATTRS": _HIDDEN_TAG,
}
"""Settings of older versions of Flask-WTF, and what to do instead."""


def settings() -> SettingsReader:
    """Return the settings of the current application; outside of one, the defaults."""
    config = cast("dict[str, Any]", current_app.config) if has_app_context() else {}
    return SettingsReader(config, DEFAULTS)


def secret_keys(value: Any = None) -> list[Any]:
    """Return the keys in *value* or ``WTF_CSRF_SECRET_KEY``. The last one signs new tokens."""
    value = value or settings().value("WTF_CSRF_SECRET_KEY")
    if not value:
        return []
    keys: list[Any] = list(value) if type(value) in {list, tuple} else [value]
    if all(isinstance(key, str | bytes) and key for key in keys):
        return keys
    requirement = "a string, bytes, or a list of these"
    raise invalid_setting("WTF_CSRF_SECRET_KEY", requirement, value, secret=True)


def time_limit(reader: SettingsReader | None = None) -> float | None:
    """Return the seconds for which a token is valid; ``None`` means for the whole session."""
    reader = reader or settings()
    return reader.optional(reader.seconds, "WTF_CSRF_TIME_LIMIT")


def check_names(app: Quart) -> None:
    """Refuse unknown settings of *app*, once for each application.

    Raises:
        SettingError: A setting is unknown or not supported.
    """
    if EXTENSION not in app.extensions:
        refuse_unknown(app.config, "WTF_", DEFAULTS, INSTEAD)
        app.extensions[EXTENSION] = True


def init_settings(app: Quart) -> None:
    """Set the defaults in the configuration of *app*, and validate all settings.

    Raises:
        SettingError: A setting is invalid or unknown.
    """
    check_names(app)
    apply_defaults(app, DEFAULTS)
    reader = SettingsReader(app.config)
    readers: dict[type, Callable[[str], object]] = {
        bool: reader.boolean,
        str: reader.text,
        tuple: reader.strings,
    }
    for key, default in DEFAULTS.items():
        if type(default) in readers:
            readers[type(default)](key)
    reader.size("WTF_CSRF_FORM_LIMIT")
    time_limit(reader)
    secret_keys(reader.value("WTF_CSRF_SECRET_KEY"))
    for origin in reader.strings("WTF_CSRF_TRUSTED_ORIGINS"):
        if "://" not in origin:
            requirement = "origins such as 'https://app.example'"
            raise invalid_setting("WTF_CSRF_TRUSTED_ORIGINS", requirement, origin)
