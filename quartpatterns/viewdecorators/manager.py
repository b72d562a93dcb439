"""Who is logged in: a user in the session, loaded before every request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from quart import Quart, current_app, g, session
from quart.typing import ResponseTypes
from werkzeug.local import LocalProxy

from quartpatterns.viewdecorators.order import guard
from quartpatterns.viewdecorators.refusals import sent_to
from quartpatterns.viewdecorators.sessions import USER, connection, same_client
from quartpatterns.viewdecorators.users import Anonymous

__all__ = ["DEFAULTS", "LoginManager", "current_user", "login_manager"]

DEFAULTS: dict[str, Any] = {
    "LOGIN_FRESH_LIFETIME": 3600,
    "SESSION_PROTECTION": "basic",
}

KEY = "quartpatterns.viewdecorators"

Loader = TypeVar("Loader", bound=Callable[[str], Any])

_ANONYMOUS = Anonymous()


class LoginManager:
    """Logins for an application, with the user's id in the session.

    .. code-block:: python

        login_manager = LoginManager(app, login_view="login")

        @login_manager.user_loader
        async def load_user(user_id):
            return await User.get(user_id)

    Before each request and websocket, but not for static files, it sets ``g.user`` to the user or
    to ``None``; as that depends on the cookie, all answers say ``Vary: Cookie``. It also makes
    sure that no function below ``login_required`` is registered without it. The settings are:

    * ``LOGIN_FRESH_LIFETIME``: seconds for which a login counts as fresh; 3600.
    * ``SESSION_PROTECTION``: what a session is worth that comes from another address or browser
      than that of the login. ``basic``: it is not fresh; ``strong``: it is no login; ``None``: no
      matter.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.
        login_view: The endpoint of the login page; without one the answer is 401.
        refresh_view: The endpoint of the page that asks for the password again; by default the
            login page.
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
        """Register with *app*.

        Raises:
            DecoratorOrderError: A view is registered without the decorator that protects it.
            RuntimeError: It has a :class:`LoginManager` already.
            ValueError: ``SESSION_PROTECTION`` is none of its values.
        """
        if KEY in app.extensions:
            raise RuntimeError("this application has a LoginManager already: register it once")
        app.config.from_mapping({**DEFAULTS, **app.config})
        if app.config["SESSION_PROTECTION"] not in ("basic", "strong", None):
            raise ValueError("SESSION_PROTECTION is 'basic', 'strong' or None")
        guard(app)
        app.extensions[KEY] = self
        # Before all others, which may want to know the user.
        app.before_request_funcs[None].insert(0, self._load)
        app.before_websocket_funcs[None].insert(0, self._load)
        app.after_request(_varies)
        app.context_processor(_in_templates)

    def user_loader(self, func: Loader) -> Loader:
        """Use *func*, which may be asynchronous, to turn an id into a user.

        Arguments:
            func: It is given the id as a string, and returns the user, or ``None`` where there is
                none with that id any longer.
        """
        self._loader = func
        return func

    def unauthorized(self) -> ResponseTypes:
        """What somebody is answered who is not logged in: the way to the login page.

        Raises:
            Unauthorized: There is no login page, or the client is a program or a websocket.
        """
        return sent_to(self.login_view, "log in first")

    def needs_refresh(self) -> ResponseTypes:
        """What somebody is answered whose login is not fresh.

        Raises:
            Unauthorized: As for :meth:`unauthorized`.
        """
        return sent_to(self.refresh_view or self.login_view, "log in again")

    async def _load(self) -> None:
        g.user = None if _is_static() else await self._user()

    async def _user(self) -> Any:
        user_id = session.get(USER)
        if not isinstance(user_id, str):
            return None
        if current_app.config["SESSION_PROTECTION"] == "strong" and not same_client():
            return None
        if self._loader is None:
            raise RuntimeError("the LoginManager has no user_loader: decorate one with it")
        return await current_app.ensure_async(self._loader)(user_id)


def login_manager() -> LoginManager:
    """The manager of the current application, where it has loaded the user of this request.

    Raises:
        RuntimeError: There is none, or no request.
    """
    manager: LoginManager | None = current_app.extensions.get(KEY)
    if manager is None:
        raise RuntimeError("this application has no LoginManager: make one, LoginManager(app)")
    if "user" not in g:
        raise RuntimeError("g.user is not set: there is a user in requests and websockets only")
    return manager


def _current() -> Any:
    login_manager()
    return _ANONYMOUS if g.user is None else g.user


current_user: Any = LocalProxy(_current)
"""The user of this request or websocket: ``g.user``, or somebody false with
``is_authenticated = False``. In templates, too."""


def _is_static() -> bool:
    return (connection().endpoint or "").rpartition(".")[2] == "static"


async def _varies(response: ResponseTypes) -> ResponseTypes:
    if not _is_static():
        response.vary.add("Cookie")
    return response


async def _in_templates() -> dict[str, Any]:
    return {"current_user": current_user}
