"""The names of a ``LoginManager``'s options and settings, and those that are refused."""

from __future__ import annotations

from typing import Literal

from quart import Quart

from quartpatterns._shared.settings import SettingsReader, refuse_unknown
from quartpatterns.viewdecorators.cookies import (
    DEFAULTS,
    SETTINGS,
    cookie_seconds,
    fallback_keys,
)

__all__ = [
    "ID_ATTRIBUTE",
    "INSTEAD_OF_ATTRIBUTES",
    "LOGIN_MESSAGE",
    "LOGIN_MESSAGE_CATEGORY",
    "PROTECTIONS",
    "REFRESH_MESSAGE",
    "REFRESH_MESSAGE_CATEGORY",
    "Protection",
    "check_settings",
    "refuse_unknown_option",
    "refused_option",
]

LOGIN_MESSAGE = "Please log in to access this page."
LOGIN_MESSAGE_CATEGORY = "message"
REFRESH_MESSAGE = "Please reauthenticate to access this page."
REFRESH_MESSAGE_CATEGORY = "message"
ID_ATTRIBUTE = "get_id"

_ATTRIBUTES = frozenset(
    {
        "anonymous_user",
        "blueprint_login_views",
        "id_attribute",
        "localize_callback",
        "login_message",
        "login_message_category",
        "login_view",
        "needs_refresh_callback",
        "needs_refresh_message",
        "needs_refresh_message_category",
        "refresh_view",
        "session_identifier",
        "session_protection",
        "unauthorized_callback",
        "_request_loader",
        "_session_protection",
        "_user_loader",
    }
)
Protection = Literal["basic", "strong"] | None

PROTECTIONS: tuple[Protection, ...] = ("basic", "strong", None)
INSTEAD_OF_ATTRIBUTES = {
    "header_loader": "write a request_loader, which reads request.headers",
    "setup_app": "call init_app",
    "token_loader": "Flask-Login has removed it; write a request_loader",
    "_login_disabled": 'set app.config["LOGIN_DISABLED"]',
    "_session_identifier_generator": "set session_identifier",
    "_user_callback": "call user_loader",
    "_request_callback": "call request_loader",
    "_header_callback": "call request_loader",
    "_load_user": "await load_user()",
}


def refuse_unknown_option(name: str) -> None:
    """Raise an error if nothing reads the attribute *name*.

    Raises:
        AttributeError: It is no option of a ``LoginManager``.
    """
    if name not in _ATTRIBUTES:
        raise AttributeError(
            f"LoginManager has no option {name!r}. The options are"
            f" {', '.join(sorted(each for each in _ATTRIBUTES if not each.startswith('_')))}."
        )


def refused_option(name: str) -> AttributeError:
    """Return the error for an attribute that a ``LoginManager`` does not have."""
    if name in INSTEAD_OF_ATTRIBUTES:
        return AttributeError(
            f"LoginManager.{name} is not supported: {INSTEAD_OF_ATTRIBUTES[name]}."
        )
    return AttributeError(f"LoginManager has no attribute {name!r}")


def check_settings(app: Quart) -> None:
    """Check the settings of *app*.

    Raises:
        SettingError: A setting is invalid or unknown.
    """
    refuse_unknown(app.config, SETTINGS.prefixes, SETTINGS, SETTINGS.instead)
    reader = SettingsReader(app.config, DEFAULTS)
    reader.choice("SESSION_PROTECTION", PROTECTIONS)
    reader.optional(reader.seconds, "LOGIN_FRESH_LIFETIME")
    for key in DEFAULTS:
        if isinstance(DEFAULTS[key], bool):
            reader.boolean(key)
    reader.text("REMEMBER_COOKIE_NAME")
    cookie_seconds(reader)
    fallback_keys(app.config)
