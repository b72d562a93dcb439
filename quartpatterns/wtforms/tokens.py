"""CSRF tokens, in the format of Flask-WTF."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from weakref import WeakKeyDictionary

from itsdangerous import BadData, URLSafeTimedSerializer
from markupsafe import Markup, escape
from quart import (
    current_app,
    g,
    has_request_context,
    has_websocket_context,
    request,
    session,
    websocket,
)
from wtforms.validators import ValidationError

from quartpatterns.wtforms.settings import secret_keys, settings
from quartpatterns.wtforms.settings import time_limit as default_limit

# Flask-WTF logs failures of requests and of forms by one logger, that of its module csrf.
logger = logging.getLogger("quartpatterns.wtforms.csrf")

Reason = Literal["missing", "session", "expired", "invalid", "mismatch", "origin", "referrer"]

MESSAGES: dict[str, str] = {
    "missing": "The CSRF token is missing.",
    "session": "The CSRF session token is missing.",
    "expired": "The CSRF token has expired.",
    "invalid": "The CSRF token is invalid.",
    "mismatch": "The CSRF tokens do not match.",
}
"""The messages of Flask-WTF, which programs and tests may look for."""

REMEDIES: dict[str, str] = {
    "missing": (
        "Put {{{{ form.hidden_tag() }}}}, or a hidden field {field} with the value"
        " {{{{ csrf_token() }}}}, into the form of the template, before its other fields, or send"
        " the token in the header {header}."
    ),
    "session": (
        "No page of this session has rendered a token: put {{{{ form.hidden_tag() }}}} or"
        " {{{{ csrf_token() }}}} into the form of the template. If it is there, the browser has not"
        " sent the session cookie, or the session has ended: allow cookies, load the page again,"
        " and repeat the request."
    ),
    "expired": "Load the page again, and repeat the request.",
    "invalid": "Load the page again, and repeat the request.",
    "mismatch": "The page belongs to another session: load it again, and repeat the request.",
}


class TokenError(ValidationError):
    """The token is not valid.

    Arguments:
        reason: The reason in one word, such as ``expired``.

    Attributes:
        remedy: How to get a valid token, for the developer.

    .. versionadded:: 0.1
    """

    def __init__(self, reason: Reason) -> None:
        self.reason: Reason = reason
        header = next(iter(settings().strings("WTF_CSRF_HEADERS")), "X-CSRFToken")
        field = settings().text("WTF_CSRF_FIELD_NAME")
        self.remedy = REMEDIES[reason].format(field=field, header=header)
        super().__init__(MESSAGES[reason])


@dataclass(slots=True, eq=False)
class RequestState:
    """The state of CSRF protection in one request.

    It is not read from ``g``, which requests within one application context share. The values on
    ``g`` are for the application, as in Flask-WTF.
    """

    tokens: dict[tuple[Any, ...], str] = field(default_factory=dict[tuple[Any, ...], str])
    valid: bool = False
    refresh: bool = False
    response_sent: bool = False
    unawaited: int = 0


_states: WeakKeyDictionary[Any, RequestState] = WeakKeyDictionary()


def request_state() -> RequestState:
    """Return the state of the current request or websocket.

    Raises:
        RuntimeError: There is no current request.
    """
    proxy: Any
    if has_request_context():
        proxy = request
    elif has_websocket_context():
        proxy = websocket
    else:
        raise RuntimeError(
            "A CSRF token belongs to a session, and there is no session outside of a request:"
            ' create the form with meta={"csrf": False}.'
        )
    current = proxy._get_current_object()
    if (state := _states.get(current)) is None:
        state = _states[current] = RequestState()
    return state


def generate_csrf(secret_key: str | None = None, token_key: str | None = None) -> str:
    """Return a token for the current session. In templates it is ``csrf_token()``.

    All calls within one request return the same token. It is also an attribute of ``g`` with the
    name *token_key*, such as ``g.csrf_token``.

    Arguments:
        secret_key: The key that signs the token. The default is ``WTF_CSRF_SECRET_KEY`` or
            ``SECRET_KEY``.
        token_key: The key in the session. The default is ``WTF_CSRF_FIELD_NAME``.

    Raises:
        RuntimeError: There is no secret key or no current request. Or the session has no token
            yet, and the response with the session cookie has already been sent.

    .. versionadded:: 0.1
    """
    key = token_key or settings().text("WTF_CSRF_FIELD_NAME")
    keys = _secret_keys(secret_key)
    state = request_state()
    if (token := state.tokens.get((key, *keys))) is None:
        signed = _serializer(*keys).dumps(_session_token(key, state))
        assert isinstance(signed, str)
        token = state.tokens[key, *keys] = signed
        setattr(g, key, token)
    return token


def _session_token(key: str, state: RequestState) -> str:
    """Return the token of the session, which is created when it is first needed."""
    proxy: Any = session
    current = proxy._get_current_object()
    token = current.get(key)
    if isinstance(token, str):
        return token
    if state.response_sent:
        raise RuntimeError(
            "The response headers with the session cookie have already been sent: call"
            " generate_csrf() in the view, before it returns its stream."
        )
    # The format of Flask-WTF.
    token = hashlib.sha1(os.urandom(64), usedforsecurity=False).hexdigest()
    current[key] = token
    return token


def validate_csrf(
    data: str | None,
    secret_key: str | None = None,
    time_limit: float | None = None,
    token_key: str | None = None,
) -> None:
    """Check that *data* is a valid token of the current session.

    Arguments:
        data: The token that the client sent.
        secret_key: As in :func:`generate_csrf`.
        time_limit: Seconds for which a token is valid. The default is ``WTF_CSRF_TIME_LIMIT``.
        token_key: As in :func:`generate_csrf`.

    Raises:
        TokenError: The token is not valid. It is a ``ValidationError`` of WTForms.
        RuntimeError: There is no secret key or no request.

    .. versionadded:: 0.1
    """
    check_token(data, secret_key, time_limit, token_key)


def check_token(
    data: str | None,
    secret_key: str | None = None,
    time_limit: float | None = None,
    token_key: str | None = None,
) -> float:
    """Return the age of a token in seconds, after the checks of :func:`validate_csrf`."""
    keys = _secret_keys(secret_key)
    if not data:
        raise TokenError("missing")
    own = session.get(token_key or settings().text("WTF_CSRF_FIELD_NAME"))
    if not isinstance(own, str):
        raise TokenError("session")
    limit = default_limit() if time_limit is None else time_limit
    try:
        token, created = _serializer(*keys).loads(data, return_timestamp=True)
    except BadData as error:
        raise TokenError("invalid") from error
    # The limit of the serializer itself refuses tokens of a worker whose clock is a second ahead.
    age: float = time.time() - created.timestamp()
    if limit is not None and age > limit:
        raise TokenError("expired")
    if not (isinstance(token, str) and hmac.compare_digest(own.encode(), token.encode())):
        raise TokenError("mismatch")
    return age


def csrf_meta_tag(
    name: str | None = None, secret_key: str | None = None, token_key: str | None = None
) -> Markup:
    """Return a ``<meta>`` element with the token, for scripts.

    Arguments:
        name: The ``name`` of the element. The default is ``WTF_CSRF_META_NAME``: ``csrf-token``.
        secret_key: As in :func:`generate_csrf`.
        token_key: As in :func:`generate_csrf`.

    .. versionadded:: 0.1
    """
    token = generate_csrf(secret_key, token_key)
    name = name or settings().text("WTF_CSRF_META_NAME")
    return Markup(f'<meta name="{escape(name)}" content="{escape(token)}">')


def _secret_keys(given: str | None) -> list[Any]:
    """Return the keys that may have signed a token. The last one signs new tokens."""
    if keys := secret_keys(given):
        return keys
    proxy: Any = current_app
    app = proxy._get_current_object()
    if not (key := app.secret_key):
        raise RuntimeError(
            "CSRF tokens are signed: set SECRET_KEY or WTF_CSRF_SECRET_KEY to something unique and"
            " secret."
        )
    return [*(app.config["SECRET_KEY_FALLBACKS"] or ()), key]


@lru_cache(maxsize=16)
def _serializer(*keys: Any) -> URLSafeTimedSerializer:
    # Creating it takes as long as verifying a token.
    return URLSafeTimedSerializer(list(keys), salt="wtf-csrf-token")
