"""The settings, with the names of Flask-WTF, and their defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quart import Quart, current_app, has_app_context

from quartpatterns._shared.settings import (
    SettingsReader,
    apply_defaults,
    invalid_setting,
    refuse_unknown,
)
from quartpatterns._shared.settings_of.wtforms import INSTEAD, SETTINGS, WTF

__all__ = [
    "DEFAULTS",
    "INSTEAD",
    "SETTINGS",
    "check_names",
    "init_settings",
    "secret_keys",
    "settings",
    "time_limit",
]

EXTENSION = "quartpatterns.wtforms"
"""The key in ``app.extensions`` that is set once the names of all settings have been checked."""

READER = "quartpatterns.wtforms.settings"
"""The key in ``app.extensions`` of the reader of the settings."""

DEFAULTS: dict[str, Any] = {key: one.default for key, one in WTF.items()}
"""The default of each setting, without those of reCAPTCHA."""


def settings() -> SettingsReader:
    """Return the settings of the current application; outside of one, the defaults."""
    if not has_app_context():
        return SettingsReader({}, DEFAULTS)
    # A page reads a dozen settings, and each access to the proxy takes as long as one of them.
    proxy: Any = current_app
    app = proxy._get_current_object()
    reader: SettingsReader | None = app.extensions.get(READER)
    if reader is None or reader.config is not app.config:
        reader = app.extensions[READER] = SettingsReader(app.config, DEFAULTS)
    return reader


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
