"""The session in a signed cookie, with the same bytes as Flask's."""

# Quart's annotations leave type arguments out.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import Any

from flask.json.tag import TaggedJSONSerializer
from flask.sessions import session_json_serializer
from itsdangerous import URLSafeTimedSerializer
from quart import Quart, json
from quart.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from quart.wrappers import Response
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.vary import add_to_vary

__all__ = ["FaithfulSessionInterface", "SessionSerializer"]

SERIALIZER = "session_serializer"


class SessionSerializer(TaggedJSONSerializer):
    """Flask's serializer with ``app.json`` of the current application.

    Under Quart, Flask's own finds no current application and uses the module :mod:`json`, so that
    keys keep their order, and types of a JSON provider of one's own are a ``TypeError``.

    It has the tags that are registered with ``flask.sessions.session_json_serializer``.
    """

    __slots__ = ()

    def __init__(self) -> None:
        self.tags = session_json_serializer.tags
        self.order = session_json_serializer.order

    def dumps(self, value: Any) -> str:
        """Return *value* as compact JSON with tags."""
        return json.dumps(self.tag(value), separators=(",", ":"))

    def loads(self, value: str) -> Any:
        """Return the value of a JSON text with tags."""
        return self._convert(json.loads(value))

    def _convert(self, value: Any) -> Any:
        if isinstance(value, dict):
            return self.untag({key: self._convert(each) for key, each in value.items()})
        if isinstance(value, list):
            return [self._convert(each) for each in value]
        return value


class FaithfulSessionInterface(SecureCookieSessionInterface):
    """Flask's cookie sessions, without creating a signer for each request.

    .. versionadded:: 0.1
    """

    serializer = SessionSerializer()

    def get_signing_serializer(self, app: Quart) -> URLSafeTimedSerializer | None:
        """Return the serializer that signs sessions, or ``None`` without a secret key.

        It is used again while the keys and the attributes of this object are the same. Creating it
        takes longer than reading a session.
        """
        config: Any = app.config
        key, fallbacks = app.secret_key, tuple(config["SECRET_KEY_FALLBACKS"] or ())
        attributes = (self.salt, self.key_derivation, self.digest_method, self.serializer)
        made_for = (type(self), key, fallbacks, *attributes)
        known: Any = app.extensions.get(SERIALIZER)
        if known is None or known[0] != made_for:
            known = app.extensions[SERIALIZER] = (made_for, super().get_signing_serializer(app))
        serializer: URLSafeTimedSerializer | None = known[1]
        return serializer

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        """Return the session of the request's cookie, or ``None`` without a secret key."""
        if not app.secret_key:
            return None
        name = self.get_cookie_name(app)
        if "Cookie" not in request.headers or not request.cookies.get(name):
            return self.session_class()
        return await super().open_session(app, request)

    async def save_session(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        """Save the session, unless it is empty and was not accessed."""
        if session or session.modified or response is None:
            await super().save_session(app, session, response)
        elif session.accessed:
            # Quart's method does the same, after it has read seven settings of the cookie.
            add_to_vary(response, "Cookie")

    def is_null_session(self, instance: object) -> bool:
        """Return whether *instance* is the session of an application without a secret key."""
        return type(instance) is not self.session_class and super().is_null_session(instance)
