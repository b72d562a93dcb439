"""A cookie for each message: its name, its signed value, and what is too large for it."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from itsdangerous import BadData, URLSafeTimedSerializer
from quart import Quart
from quart.sessions import session_json_serializer
from werkzeug.http import dump_cookie

__all__ = ["FlashCookie", "FlashTooLargeError", "decode", "encode", "fit", "options"]


class FlashTooLargeError(ValueError):
    """A message would be lost, as no browser keeps a cookie so large, or no server takes so many.

    It is raised by :func:`~quartpatterns.flashing.flash`; what was flashed before it is kept.
    """


@dataclass(frozen=True, slots=True)
class FlashCookie:
    """One message as it travels.

    Arguments:
        name: The cookie's name; names sort by the time at which the messages were flashed.
        value: The signed value.
        category: What kind of message it is.
        message: What it says.
    """

    name: str
    value: str
    category: str
    message: str

    @property
    def size(self) -> int:
        """The bytes that it takes in a ``Cookie`` header."""
        return len(f"{self.name}={self.value}; ")


def encode(app: Quart, category: str, message: str, *, after: str = "") -> FlashCookie:
    """The cookie for a message, which sorts behind that named *after*.

    Raises:
        FlashTooLargeError: It is larger than ``MAX_COOKIE_SIZE``, which is what browsers keep.
        RuntimeError: The application has no secret key.
        TypeError: The message can't be written as JSON.
    """
    config = cast(dict[str, Any], app.config)
    name = _name(config["FLASHING_COOKIE_NAME"], after)
    value = _serializer(app, name).dumps((category, message))
    assert isinstance(value, str)
    # 0 means no limit here, and the size is checked above a warning that Werkzeug would give.
    size = len(dump_cookie(name, value, max_size=0, **options(app)))
    if 0 < config["MAX_COOKIE_SIZE"] < size:
        raise FlashTooLargeError(
            f"a message of {len(message)} characters makes a cookie of {size} bytes, and browsers"
            f" keep none above {config['MAX_COOKIE_SIZE']}: flash a short message, and keep"
            " the long one where the next page can look it up"
        )
    return FlashCookie(name, value, category, message)


def decode(app: Quart, cookies: Mapping[str, str]) -> tuple[list[FlashCookie], list[str]]:
    """The messages among *cookies*, in the order in which they were flashed, and expired names.

    What is not signed with the application's key is left alone: it belongs to another
    application of the same host.
    """
    prefix = f"{app.config['FLASHING_COOKIE_NAME']}-"
    names = sorted(name for name in cookies if name.startswith(prefix))
    if not names or not app.secret_key:
        return [], []
    lifetime = app.permanent_session_lifetime.total_seconds()
    valid: list[FlashCookie] = []
    expired: list[str] = []
    for name in names:
        try:
            loaded = _serializer(app, name).loads(cookies[name], return_timestamp=True)
        except BadData:
            continue
        (category, message), when = loaded
        # Not the serializer's own limit, for which a clock that is a second ahead is an error.
        if time.time() - when.timestamp() > lifetime:
            expired.append(name)
        else:
            valid.append(FlashCookie(name, cookies[name], category, message))
    return valid, expired


def fit(app: Quart, kept: list[FlashCookie], one: FlashCookie) -> None:
    """Have room for *one* more cookie beside those that are *kept*.

    Raises:
        FlashTooLargeError: The messages that nobody has read are too many for a request's head.
    """
    config = cast(dict[str, Any], app.config)
    limit = config["FLASHING_MAX_SIZE"]
    size = sum(cookie.size for cookie in [*kept, one])
    if size > limit:
        raise FlashTooLargeError(
            f"{len(kept)} messages wait to be shown, and with this one they take {size} bytes of"
            f" each request: render a page that calls get_flashed_messages(), or raise"
            f" FLASHING_MAX_SIZE ({limit}) and the server's limit on the head of a request"
        )


def options(app: Quart) -> dict[str, Any]:
    """The attributes of the cookies: those of the session's."""
    sessions = app.session_interface
    return {
        "domain": sessions.get_cookie_domain(app),
        "path": sessions.get_cookie_path(app),
        "secure": sessions.get_cookie_secure(app),
        "httponly": sessions.get_cookie_httponly(app),
        "samesite": sessions.get_cookie_samesite(app),
        "partitioned": sessions.get_cookie_partitioned(app),
    }


def _name(prefix: str, after: str) -> str:
    """A name that nobody else makes, even if two servers flash in the same nanosecond."""
    last = int(after.rpartition("-")[2][:16], 16) if after else 0
    return f"{prefix}-{max(time.time_ns(), last + 1):016x}{secrets.token_hex(4)}"


def _serializer(app: Quart, name: str) -> URLSafeTimedSerializer:
    """What signs the cookie called *name*, and no other."""
    if not app.secret_key:
        raise RuntimeError(
            "messages travel in signed cookies: set app.secret_key to something unique and secret"
        )
    keys: list[Any] = [*(app.config["SECRET_KEY_FALLBACKS"] or ()), app.secret_key]
    return URLSafeTimedSerializer(
        keys,
        salt=f"quartpatterns.flashing:{name}",
        serializer=session_json_serializer,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )
