"""The remember cookie and the session keys of Flask-Login.

They have Flask-Login's formats, so that users stay logged in when an application is moved, and a
Flask part and a Quart part of one application can share logins.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from quart import current_app, has_websocket_context, request, session, websocket
from quart.globals import request_ctx, websocket_ctx
from quart.typing import ResponseTypes

from quartpatterns._shared.settings import SettingsReader, invalid_setting
from quartpatterns._shared.settings_of.viewdecorators import SETTINGS

__all__ = [
    "CLIENT_KEY",
    "COOKIE_DURATION",
    "COOKIE_HTTPONLY",
    "COOKIE_NAME",
    "COOKIE_SECURE",
    "DEFAULTS",
    "FRESH_KEY",
    "FRESH_SINCE_KEY",
    "REMEMBER_KEY",
    "REMEMBER_SECONDS_KEY",
    "SESSION_KEYS",
    "SETTINGS",
    "USER_KEY",
    "connection",
    "cookie_seconds",
    "decode_cookie",
    "encode_cookie",
    "fallback_keys",
    "is_answered",
    "mark_answered",
    "newer_session_identifier",
    "remember_cookie",
    "remembered_id",
    "session_identifier",
    "session_user_id",
    "settings",
    "update_remember_cookie",
]

COOKIE_NAME: str = SETTINGS.defaults["REMEMBER_COOKIE_NAME"]
COOKIE_DURATION: timedelta = SETTINGS.defaults["REMEMBER_COOKIE_DURATION"]
COOKIE_SECURE: bool = SETTINGS.defaults["REMEMBER_COOKIE_SECURE"]
COOKIE_HTTPONLY: bool = SETTINGS.defaults["REMEMBER_COOKIE_HTTPONLY"]

DEFAULTS = SETTINGS.defaults

USER_KEY, FRESH_KEY, CLIENT_KEY = "_user_id", "_fresh", "_id"
REMEMBER_KEY, REMEMBER_SECONDS_KEY = "_remember", "_remember_seconds"
# Not a key of Flask-Login. It exists only with the setting LOGIN_FRESH_LIFETIME.
FRESH_SINCE_KEY = "_fresh_since"
SESSION_KEYS = frozenset(
    {USER_KEY, FRESH_KEY, CLIENT_KEY, REMEMBER_KEY, REMEMBER_SECONDS_KEY, FRESH_SINCE_KEY, "next"}
)

# The attribute of a request whose response headers are complete.
_ANSWERED = "quartpatterns_login_answered"


def session_user_id() -> str | int | UUID | None:
    """Return the id of the user in the session, or ``None`` if there is none."""
    user_id: Any = session.get(USER_KEY)
    valid = isinstance(user_id, str | int | UUID) and not isinstance(user_id, bool)
    return user_id if valid else None


def connection() -> Any:
    """Return the current request or websocket."""
    return websocket if has_websocket_context() else request


def settings() -> SettingsReader:
    """Return the settings of the current application."""
    return SettingsReader(current_app.config, DEFAULTS)


def encode_cookie(payload: str, key: str | bytes | None = None) -> str:
    """Return *payload* and its signature, as Flask-Login's remember cookie has them.

    Arguments:
        payload: The text, such as a user's id.
        key: The secret key; by default that of the application.

    Raises:
        RuntimeError: The application has no secret key.

    .. versionadded:: 0.1
    """
    return f"{payload}|{_digest(payload, next(_keys(key)))}"


def decode_cookie(cookie: str, key: str | bytes | None = None) -> str | None:
    """Return the payload of a cookie of :func:`encode_cookie`, or ``None`` if it is forged.

    Arguments:
        cookie: The value of the cookie.
        key: The secret key; by default that of the application. Its ``SECRET_KEY_FALLBACKS`` are
            valid as well.

    Raises:
        RuntimeError: The application has no secret key.

    .. versionadded:: 0.1
    """
    payload, separator, digest = cookie.rpartition("|")
    if not separator:
        return None
    given = digest.encode(errors="replace")
    for secret in _keys(key):
        if hmac.compare_digest(_digest(payload, secret).encode(), given):
            return payload
    return None


def _keys(key: str | bytes | None) -> Iterator[bytes]:
    app: Any = current_app
    keys: list[str | bytes | None] = [key]
    if key is None:
        keys = [app.secret_key, *fallback_keys(app.config)]
    for secret in keys:
        if not secret:
            raise RuntimeError("the remember cookie needs a secret key: set SECRET_KEY")
        yield _encoded_key(secret)


def fallback_keys(config: Any) -> list[str | bytes]:
    """Return ``SECRET_KEY_FALLBACKS``.

    Raises:
        SettingError: It is a string, of which each character would be a valid key.
    """
    fallbacks: Any = config.get("SECRET_KEY_FALLBACKS") or ()
    if isinstance(fallbacks, str | bytes):
        raise invalid_setting("SECRET_KEY_FALLBACKS", "a list of keys", fallbacks, secret=True)
    return list(fallbacks)


def _encoded_key(key: str | bytes) -> bytes:
    if isinstance(key, bytes):
        return key
    try:
        return key.encode("latin-1")  # As Flask-Login does.
    except UnicodeEncodeError:
        return key.encode()


def _digest(payload: str, key: bytes) -> str:
    return hmac.new(key, payload.encode(errors="backslashreplace"), hashlib.sha512).hexdigest()


def session_identifier() -> str:
    """Return Flask-Login's hash of the address and browser of the request or websocket.

    The address is the first one of the header ``X-Forwarded-For``, if there is one.
    """
    current = _object(connection())
    headers = current.headers
    address = headers.get("X-Forwarded-For", current.remote_addr)
    agent = headers.get("User-Agent")
    return _identifier(address, agent)


@lru_cache(maxsize=1024)
def _identifier(address: str | None, agent: str | None) -> str:
    # Flask-Login 0.6 formats bytes, so that the text contains b'...'.
    client = f"{_first_address(address)!r}|{None if agent is None else _encoded(agent)!r}"
    return hashlib.sha512(client.encode()).hexdigest()


def _object(proxy: Any) -> Any:
    return proxy._get_current_object()


def _first_address(address: str | None) -> bytes | None:
    return None if address is None else _encoded(address).split(b",")[0].strip()


def _encoded(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def newer_session_identifier() -> str:
    """Return the hash of Flask-Login's development version, which reads no ``X-Forwarded-For``."""
    agent = connection().headers.get("User-Agent", "")
    return hashlib.sha512(_encoded(f"{connection().remote_addr}|{agent}")).hexdigest()


def remember_cookie(context: Any = None) -> str | None:
    """Return the value of the remember cookie, unless it is about to be deleted.

    Arguments:
        context: The context of the request or websocket; the current one by default.
    """
    if context is None:
        context = _object(websocket_ctx if has_websocket_context() else request_ctx)
    name: str = context.app.config.get("REMEMBER_COOKIE_NAME", COOKIE_NAME)
    cookie: str | None = context.request_websocket.cookies.get(name)
    return None if cookie is None or context.session.get(REMEMBER_KEY) == "clear" else cookie


def remembered_id() -> str | None:
    """Return the id in the remember cookie, or ``None`` if there is no valid one."""
    cookie = remember_cookie()
    return None if cookie is None else decode_cookie(cookie)


def mark_answered() -> None:
    """Remember that the headers of the response to the current request are complete."""
    setattr(_object(request), _ANSWERED, True)


def is_answered() -> bool:
    """Return whether the headers of the response to the current request are complete."""
    return hasattr(_object(request), _ANSWERED)


def update_remember_cookie(response: ResponseTypes) -> None:
    """Set or delete the remember cookie, as the session says."""
    context: Any = _object(request_ctx)
    current = context.session
    operation = current.pop(REMEMBER_KEY) if REMEMBER_KEY in current else None
    if operation is None and not context.app.config.get("REMEMBER_COOKIE_REFRESH_EACH_REQUEST"):
        return
    reader = settings()
    if operation == "clear":
        response.delete_cookie(
            reader.text("REMEMBER_COOKIE_NAME"),
            path=reader.value("REMEMBER_COOKIE_PATH"),
            domain=reader.value("REMEMBER_COOKIE_DOMAIN"),
            **_flags(reader),
        )
    elif USER_KEY in session and (operation == "set" or _is_refreshed(reader)):
        response.set_cookie(
            reader.text("REMEMBER_COOKIE_NAME"),
            encode_cookie(str(session[USER_KEY])),
            expires=_expires(reader),
            path=reader.value("REMEMBER_COOKIE_PATH"),
            domain=reader.value("REMEMBER_COOKIE_DOMAIN"),
            **_flags(reader),
        )


def _is_refreshed(reader: SettingsReader) -> bool:
    """Return whether the user of the remember cookie gets a new one with each response."""
    if not reader.boolean("REMEMBER_COOKIE_REFRESH_EACH_REQUEST"):
        return False
    return remembered_id() == str(session[USER_KEY])


def _flags(reader: SettingsReader) -> dict[str, Any]:
    return {
        "secure": reader.boolean("REMEMBER_COOKIE_SECURE"),
        "httponly": reader.boolean("REMEMBER_COOKIE_HTTPONLY"),
        "samesite": reader.value("REMEMBER_COOKIE_SAMESITE"),
    }


def _expires(reader: SettingsReader) -> datetime:
    seconds = session.get(REMEMBER_SECONDS_KEY)
    if seconds is None:
        seconds = cookie_seconds(reader)
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def cookie_seconds(reader: SettingsReader) -> float:
    """Return ``REMEMBER_COOKIE_DURATION`` in seconds.

    Raises:
        SettingError: It is not a number of seconds or a ``timedelta``.
    """
    value: Any = reader.value("REMEMBER_COOKIE_DURATION")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise invalid_setting("REMEMBER_COOKIE_DURATION", "a timedelta or a number of seconds", value)
