"""The settings, by Flask-WTF's names, and their defaults."""

from __future__ import annotations

from typing import Any, cast

from quart import current_app, has_app_context

__all__ = ["DEFAULTS", "setting"]

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
    # As much as the fields of a form may have in memory.
    "WTF_CSRF_FORM_LIMIT": 500_000,
    "WTF_CSRF_REFRESH": True,
    "WTF_I18N_ENABLED": True,
    "WTF_LOCALES": ("en",),
}


def setting(name: str) -> Any:
    """The value of a setting in the current application, or its default."""
    config = cast(dict[str, Any], current_app.config) if has_app_context() else {}
    return config.get(name, DEFAULTS[name])
