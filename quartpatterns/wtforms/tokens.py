"""Tokens against requests that another site makes a browser send; the same as Flask-WTF's."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from weakref import WeakKeyDictionary

from itsdangerous import BadData, URLSafeTimedSerializer
from markupsafe import Markup, escape
from quart import (
    current_app,
    has_request_context,
    has_websocket_context,
    request,
    session,
    websocket,
)
from wtforms.validators import ValidationError

from quartpatterns.wtforms.settings import setting

__all__ = [
    "Reason",
    "RequestState",
    "TokenError",
    "check",
    "csrf_meta_tag",
    "generate_csrf",
    "state",
    "validate_csrf",
]

Reason = Literal["missing", "session", "expired", "invalid", "mismatch", "origin", "referrer"]

# Flask-WTF's sentences first, as programs and tests look for them.
REMEDIES: dict[str, str] = {
    "missing": (
        "The CSRF token is missing. Put {{{{ form.hidden_tag() }}}}, or a hidden field {field} with"
        " the value {{{{ csrf_token() }}}}, into the form of the template, before its other fields,"
        " or send the token in the header {header}."
    ),
    "session": (
        "The CSRF session token is missing. No page of this session has rendered a token: put"
        " {{{{ form.hidden_tag() }}}} or {{{{ csrf_token() }}}} into the form of the template. If"
        " it is there, the browser has not sent the session's cookie, or the session has ended:"
        " allow cookies, load the page again and repeat."
    ),
    "expired": "The CSRF token has expired. Load the page again and repeat.",
    "invalid": "The CSRF token is invalid. Load the page again and repeat.",
    "mismatch": (
        "The CSRF tokens do not match. The page belongs to another session: load it again and"
        " repeat."
    ),
}


class TokenError(ValidationError):
    """A token that is not valid.

    Arguments:
        reason: Why, in one word.
    """

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason
        header = next(iter(setting("WTF_CSRF_HEADERS")), "X-CSRFToken")
        super().__init__(
            REMEDIES[reason].format(field=setting("WTF_CSRF_FIELD_NAME"), header=header)
        )


@dataclass(slots=True, eq=False)
class RequestState:
    """What is known of one request: never shared, as ``g`` would be within an outer context."""

    tokens: dict[tuple[Any, ...], str] = field(default_factory=dict[tuple[Any, ...], str])
    valid: bool = False
    refresh: bool = False
    answered: bool = False
    unawaited: int = 0


_states: WeakKeyDictionary[Any, RequestState] = WeakKeyDictionary()


def state() -> RequestState:
    """What is known of the current request or websocket.

    Raises:
        RuntimeError: There is none: a token belongs to somebody's session.
    """
    if has_request_context():
        one = cast(Any, request)._get_current_object()
    elif has_websocket_context():
        one = cast(Any, websocket)._get_current_object()
    else:
        raise RuntimeError(
            "a CSRF token belongs to a session, and there is none outside of a request: make the"
            ' form with meta={"csrf": False}'
        )
    return _states.setdefault(one, RequestState())


def generate_csrf(secret_key: str | None = None, token_key: str | None = None) -> str:
    """A token for the current session; in templates it is called ``csrf_token()``.

    Within one request it is always the same.

    Arguments:
        secret_key: What signs it; ``WTF_CSRF_SECRET_KEY`` or ``SECRET_KEY`` by default.
        token_key: Its name in the session; ``WTF_CSRF_FIELD_NAME`` by default.

    Raises:
        RuntimeError: There is no secret key, no request, or the session's cookie is sent already.
    """
    key = token_key or setting("WTF_CSRF_FIELD_NAME")
    keys = _secret_keys(secret_key)
    current = state()
    if (token := current.tokens.get((key, *keys))) is None:
        signed = _serializer(keys).dumps(_session_token(key, current))
        assert isinstance(signed, str)
        token = current.tokens[key, *keys] = signed
    return token


def _session_token(key: str, current: RequestState) -> str:
    """The secret of the session, made when it is first wanted."""
    found = session.get(key)
    if isinstance(found, str):
        return found
    if current.answered:
        raise RuntimeError(
            "the head of the answer is on its way, and the token's session travels in it: call"
            " generate_csrf() in the view, before it returns its stream"
        )
    made = hashlib.sha1(os.urandom(64), usedforsecurity=False).hexdigest()
    session[key] = made
    return made


def validate_csrf(
    data: str | None,
    secret_key: str | None = None,
    time_limit: float | None = None,
    token_key: str | None = None,
) -> None:
    """Check that *data* is a token of the current session.

    Arguments:
        data: The token that came with the request.
        secret_key: As in :func:`generate_csrf`, as is *token_key*.
        time_limit: Seconds for which a token is valid; ``WTF_CSRF_TIME_LIMIT`` by default.

    Raises:
        TokenError: It is not; a ``ValidationError`` of WTForms that names reason and remedy.
        RuntimeError: There is no secret key, or no request.
    """
    check(data, secret_key, time_limit, token_key)


def check(
    data: str | None,
    secret_key: str | None = None,
    time_limit: float | None = None,
    token_key: str | None = None,
) -> float:
    """The age in seconds of the token *data*, which is checked as in :func:`validate_csrf`."""
    keys = _secret_keys(secret_key)
    if not data:
        raise TokenError("missing")
    own = session.get(token_key or setting("WTF_CSRF_FIELD_NAME"))
    if not isinstance(own, str):
        raise TokenError("session")
    limit = setting("WTF_CSRF_TIME_LIMIT") if time_limit is None else time_limit
    try:
        token, made = _serializer(keys).loads(data, return_timestamp=True)
    except BadData as error:
        raise TokenError("invalid") from error
    # Not the serializer's own limit, for which a clock that is a second ahead is an error.
    age: float = time.time() - made.timestamp()
    if limit is not None and age > limit:
        raise TokenError("expired")
    if not (isinstance(token, str) and hmac.compare_digest(own.encode(), token.encode())):
        raise TokenError("mismatch")
    return age


def csrf_meta_tag(
    name: str | None = None, secret_key: str | None = None, token_key: str | None = None
) -> Markup:
    """The token in a ``<meta>`` element, where scripts find it.

    Arguments:
        name: Its ``name``; ``WTF_CSRF_META_NAME`` by default, which is ``csrf-token``.
        secret_key: As in :func:`generate_csrf`, as is *token_key*.
    """
    token = generate_csrf(secret_key, token_key)
    name = name or setting("WTF_CSRF_META_NAME")
    return Markup(f'<meta name="{escape(name)}" content="{escape(token)}">')


def _secret_keys(given: str | None) -> list[Any]:
    """The keys that a token may be signed with, the one that signs last."""
    if key := given or setting("WTF_CSRF_SECRET_KEY"):
        return list(cast("list[Any]", key)) if isinstance(key, list | tuple) else [key]
    if not current_app.secret_key:
        raise RuntimeError(
            "CSRF tokens are signed: set SECRET_KEY (or WTF_CSRF_SECRET_KEY) to something unique"
            " and secret"
        )
    fallbacks = cast(dict[str, Any], current_app.config)["SECRET_KEY_FALLBACKS"]
    return [*(fallbacks or ()), current_app.secret_key]


def _serializer(keys: list[Any]) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(keys, salt="wtf-csrf-token")
