"""``LoginManager``: loads the user of each request and websocket from the session."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, TypeVar

from quart import Quart, current_app, g, has_websocket_context, request, session, websocket
from quart.typing import ResponseTypes
from werkzeug.local import LocalProxy

from quartpatterns._shared.calling import call
from quartpatterns._shared.settings import SettingsReader, apply_defaults
from quartpatterns.viewdecorators.order import guard
from quartpatterns.viewdecorators.redirects import redirect_to_login

__all__ = ["CLIENT_KEY", "DEFAULTS", "FRESH_KEY", "USER_KEY", "LoginManager", "UserMixin"]
__all__ += ["client_digest", "current_user", "is_same_client", "login_manager"]

DEFAULTS: dict[str, Any] = {
    # Seconds for which a login is fresh.
    "LOGIN_FRESH_LIFETIME": 3600,
    # What a session from another address or browser is worth: "basic", "strong" or None.
    "SESSION_PROTECTION": "basic",
}
EXTENSION = "quartpatterns.viewdecorators"
# The session keys of Flask-Login, so that users stay logged in when an application is moved.
USER_KEY, FRESH_KEY, CLIENT_KEY = "_user_id", "_fresh", "_id"

Loader = TypeVar("Loader", bound=Callable[[str], Any])


class UserMixin:
    """Base of user classes, as in Flask-Login. A subclass has an ``id``.

    .. versionadded:: 0.1
    """

    id: Any
    is_authenticated = True
    is_active = True
    is_anonymous = False

    def get_id(self) -> str:
        """Return the string that the session stores and the user loader gets."""
        return str(self.id)


class _AnonymousUser:
    """What :data:`current_user` is if nobody is logged in."""

    is_authenticated = False
    is_active = False
    is_anonymous = True

    def __bool__(self) -> bool:
        return False

    def get_id(self) -> None:
        """Return None."""


_ANONYMOUS = _AnonymousUser()


class LoginManager:
    """Logs users in and out. The session contains the id of the user.

    .. code-block:: python

        login_manager = LoginManager(app, login_view="login")

        @login_manager.user_loader
        async def load_user(user_id):
            return await User.get(user_id)

    Before each request and websocket, except for static files, it sets ``g.user`` to the user or
    to ``None``. Because responses then depend on the cookie, it adds ``Vary: Cookie`` to them. It
    raises an error for a view that is registered without the decorator that protects it. The
    settings are:

    * ``LOGIN_FRESH_LIFETIME``: seconds for which a login is fresh; 3600.
    * ``SESSION_PROTECTION``: how to treat a session that comes from another address or browser
      than the login. ``"basic"``: it is not fresh; ``"strong"``: nobody is logged in; ``None``:
      it makes no difference.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.
        login_view: The endpoint of the login page; without one the response is 401.
        refresh_view: The endpoint of the page that asks for the password again; by default the
            login page.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | None = None,
        *,
        login_view: str | None = None,
        refresh_view: str | None = None,
    ) -> None:
        self.login_view = login_view
        self.refresh_view = refresh_view
        self._loader: Callable[[str], Any] | None = None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Initialize the application.

        Raises:
            DecoratorOrderError: A view is registered without the decorator that protects it.
            RuntimeError: The application has a :class:`LoginManager` already.
            SettingError: A setting is invalid.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError("this application has a LoginManager already: create only one")
        apply_defaults(app, DEFAULTS)
        settings = SettingsReader(app.config)
        settings.seconds("LOGIN_FRESH_LIFETIME")
        settings.choice("SESSION_PROTECTION", ("basic", "strong", None))
        guard(app)
        app.extensions[EXTENSION] = self
        # First, because the functions of the application may use the user.
        app.before_request_funcs[None].insert(0, self._load_user)
        app.before_websocket_funcs[None].insert(0, self._load_user)
        app.after_request(_add_vary)
        app.context_processor(_template_context)

    def user_loader(self, func: Loader) -> Loader:
        """Register the function that returns the user with an id.

        Arguments:
            func: A synchronous or asynchronous function. It gets the id as a string, and returns
                the user, or ``None`` if there is no user with this id.
        """
        self._loader = func
        return func

    def unauthorized(self) -> ResponseTypes:
        """Return the response for a user who is not logged in: a redirect to the login page.

        Raises:
            Unauthorized: There is no login page, or the client is a websocket or prefers JSON.
        """
        return redirect_to_login(self.login_view, "log in first")

    def needs_refresh(self) -> ResponseTypes:
        """Return the response for a user whose login is not fresh.

        Raises:
            Unauthorized: As for :meth:`unauthorized`.
        """
        return redirect_to_login(self.refresh_view or self.login_view, "log in again")

    async def _load_user(self) -> None:
        g.user = None if _is_static() else await self._user()

    async def _user(self) -> Any:
        user_id = session.get(USER_KEY)
        if not isinstance(user_id, str):
            return None
        if current_app.config["SESSION_PROTECTION"] == "strong" and not is_same_client():
            return None
        if self._loader is None:
            raise RuntimeError("the LoginManager has no user loader: register one with user_loader")
        return await call(self._loader, user_id)


def login_manager() -> LoginManager:
    """Return the LoginManager of the current application.

    Raises:
        RuntimeError: There is none, or it has not loaded the user of this request.
    """
    manager: LoginManager | None = current_app.extensions.get(EXTENSION)
    if manager is None:
        raise RuntimeError("this application has no LoginManager: create one, LoginManager(app)")
    if "user" not in g:
        raise RuntimeError(
            "g.user is not set: the user is loaded only for a request or websocket, before the"
            " view is called"
        )
    return manager


def _get_current_user() -> Any:
    login_manager()
    return _ANONYMOUS if g.user is None else g.user


current_user: Any = LocalProxy(_get_current_user)
"""The user of this request or websocket, also in templates.

It is ``g.user``. If nobody is logged in, it is an object that is false and has
``is_authenticated = False``. Its
type is ``Any``, because the application's user class is not known here.
"""


def client_digest() -> str:
    """Return a hash of the address and browser of the current request or websocket."""
    current = _connection()
    client = f"{current.remote_addr}|{current.headers.get('User-Agent', '')}"
    return hashlib.sha256(client.encode(errors="surrogateescape")).hexdigest()


def is_same_client() -> bool:
    """Return whether the login came from the address and browser of the current request."""
    return bool(session.get(CLIENT_KEY) == client_digest())


def _connection() -> Any:
    return websocket if has_websocket_context() else request


def _is_static() -> bool:
    return (_connection().endpoint or "").rpartition(".")[2] == "static"


async def _add_vary(response: ResponseTypes) -> ResponseTypes:
    if not _is_static():
        response.vary.add("Cookie")
    return response


async def _template_context() -> dict[str, Any]:
    return {"current_user": current_user}
