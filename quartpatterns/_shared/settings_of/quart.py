"""The settings of Quart and Flask whose type their default does not show.

The others have the type of the default that Quart sets.
"""

from __future__ import annotations

from datetime import timedelta

from quartpatterns._shared.declarations import Declarations, Setting

__all__ = ["SETTINGS"]

_JSON = "set app.json.{}, an attribute of the JSON provider"

SETTINGS = Declarations(
    {
        "BACKGROUND_TASK_SHUTDOWN_TIMEOUT": Setting(int | float | None, 5, unit="seconds"),
        "BODY_TIMEOUT": Setting(int | float | None, 60, unit="seconds"),
        "DEBUG": Setting(bool, False),
        "MAX_CONTENT_LENGTH": Setting(int | None, 16 * 1024 * 1024, unit="bytes"),
        "MAX_FORM_MEMORY_SIZE": Setting(int | None, 500_000, unit="bytes"),
        "MAX_FORM_PARTS": Setting(int | None, 1000),
        "PERMANENT_SESSION_LIFETIME": Setting(timedelta, timedelta(days=31)),
        "PROPAGATE_EXCEPTIONS": Setting(bool | None, None),
        "RESPONSE_TIMEOUT": Setting(int | float | None, 60, unit="seconds"),
        "SECRET_KEY": Setting(str | bytes | None, None),
        "SECRET_KEY_FALLBACKS": Setting(list[str | bytes] | None, None),
        "SEND_FILE_MAX_AGE_DEFAULT": Setting(timedelta | None, timedelta(hours=12)),
        "SERVER_NAME": Setting(str | None, None),
        "SESSION_COOKIE_DOMAIN": Setting(str | bool | None, None),
        "SESSION_COOKIE_PATH": Setting(str | None, None),
        "SESSION_COOKIE_SAMESITE": Setting(str | None, None),
        "TEMPLATES_AUTO_RELOAD": Setting(bool | None, None),
        "TRAP_BAD_REQUEST_ERRORS": Setting(bool | None, None),
        "TRUSTED_HOSTS": Setting(list[str] | None, None),
    },
    instead={
        "JSON_AS_ASCII": _JSON.format("ensure_ascii"),
        "JSON_SORT_KEYS": _JSON.format("sort_keys"),
        "JSONIFY_MIMETYPE": _JSON.format("mimetype"),
        "JSONIFY_PRETTYPRINT_REGULAR": _JSON.format("compact"),
    },
)
"""Only settings that Quart's configuration has are valid; these declare the type."""
