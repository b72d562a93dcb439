"""Sessions in signed cookies, opened and saved only where there is something to do."""

from __future__ import annotations

from quart import Quart
from quart.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from quart.wrappers import Response
from quart.wrappers.base import BaseRequestWebsocket
from werkzeug.wrappers import Response as WerkzeugResponse

__all__ = ["FaithfulSessionInterface"]


class FaithfulSessionInterface(SecureCookieSessionInterface):
    """Quart's cookie sessions, without a signer for a request that brings no cookie."""

    async def open_session(
        self, app: Quart, request: BaseRequestWebsocket
    ) -> SecureCookieSession | None:
        """The session that the request's cookie holds; ``None`` without a secret key."""
        if not app.secret_key:
            return None
        if not request.cookies.get(self.get_cookie_name(app)):
            return self.session_class()
        return await super().open_session(app, request)

    async def save_session(
        self, app: Quart, session: SessionMixin, response: Response | WerkzeugResponse | None
    ) -> None:
        """Set or remove the cookie, where the session was touched or has to be refreshed."""
        if session or session.accessed or session.modified:
            await super().save_session(app, session, response)
