"""``LoginManager``: the logins of an application and their options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from quart import Quart, current_app, g, session
from quart.typing import ResponseReturnValue, ResponseTypes

from quartpatterns._shared.access import register_access_check
from quartpatterns._shared.calling import is_async
from quartpatterns._shared.settings import SettingsReader
from quartpatterns._shared.vary import add_to_vary
from quartpatterns._shared.visitors import loading_into_globals
from quartpatterns.viewdecorators.access import find_refusal
from quartpatterns.viewdecorators.cookies import (
    CLIENT_KEY,
    mark_answered,
    newer_session_identifier,
    session_identifier,
    update_remember_cookie,
)
from quartpatterns.viewdecorators.globals import globals_with_user
from quartpatterns.viewdecorators.loading import (
    ACCESSED,
    EXTENSION,
    FAILED,
    current_user,
    is_static,
    load_before_view,
    load_if_needed,
    load_user,
)
from quartpatterns.viewdecorators.options import (
    ID_ATTRIBUTE,
    INSTEAD_OF_ATTRIBUTES,
    LOGIN_MESSAGE,
    LOGIN_MESSAGE_CATEGORY,
    PROTECTIONS,
    REFRESH_MESSAGE,
    REFRESH_MESSAGE_CATEGORY,
    Protection,
    check_settings,
    refuse_unknown_option,
    refused_option,
)
from quartpatterns.viewdecorators.order import guard
from quartpatterns.viewdecorators.responses import needs_refresh, unauthorized
from quartpatterns.viewdecorators.signals import (
    flush_signals,
)
from quartpatterns.viewdecorators.users import AnonymousUserMixin

__all__ = ["LoginManager"]

Loader = TypeVar("Loader", bound=Callable[[str], Any])
RequestLoader = TypeVar("RequestLoader", bound=Callable[[Any], Any])
Handler = TypeVar("Handler", bound=Callable[[], Any])


class LoginManager:
    """Logs users in and out. The session contains the id of the user.

    .. code-block:: python

        login_manager = LoginManager(app, login_view="login")

        @login_manager.user_loader
        async def load_user(user_id):
            return await User.get(user_id)

    The attributes are those of Flask-Login, as are the keys of the session and the remember cookie.
    It adds ``Vary: Cookie`` to responses, except those for static files, and raises an error for a
    view that is registered without the decorator that protects it.

    The user of a request is loaded at the first use, except for an asynchronous view: there, the
    user is loaded before the view, because ``current_user`` is not awaited. With
    ``LOGIN_LAZY_LOADING = True``, an asynchronous view without a protecting decorator awaits
    :meth:`load_user` before it uses ``current_user``.

    The settings are:

    * ``SESSION_PROTECTION``: takes the place of the attribute :attr:`session_protection`.
    * ``LOGIN_DISABLED``: whether the decorators let everybody in, for tests; ``False``.
    * ``LOGIN_FRESH_LIFETIME``: seconds for which a login is fresh; ``None`` for the whole session.
    * ``LOGIN_LAZY_LOADING``: see above; ``False``.
    * ``USE_SESSION_FOR_NEXT``: whether ``session["next"]`` has the URL to return to; ``False``.
    * ``FORCE_HOST_FOR_REDIRECTS``: the host in the URL of the login page; ``None``.
    * ``REMEMBER_COOKIE_NAME``, ``_DURATION`` (a ``timedelta`` or seconds), ``_DOMAIN``, ``_PATH``,
      ``_SECURE``, ``_HTTPONLY``, ``_SAMESITE``, and ``_REFRESH_EACH_REQUEST``: the cookie of
      ``login_user(remember=True)``.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.
        add_context_processor: Whether templates have a variable ``current_user``.
        login_view: The endpoint or URL of the login page; without one the response is 401.
        refresh_view: The endpoint or URL of the page that asks for the password again; without one
            the response is 401.

    Attributes:
        anonymous_user: A class or function that makes the user if nobody is logged in.
        login_view: As the argument.
        blueprint_login_views: The login pages of blueprints, by the name of the blueprint.
        refresh_view: As the argument.
        login_message: The message that is flashed before the redirect to the login page, or
            ``None``.
        login_message_category: Its category.
        needs_refresh_message: The message before the redirect to :attr:`refresh_view`.
        needs_refresh_message_category: Its category.
        localize_callback: A function that gets a message and returns its translation.
        id_attribute: The name of the method that returns a user's id.
        unauthorized_callback: What :meth:`unauthorized_handler` has registered.
        needs_refresh_callback: What :meth:`needs_refresh_handler` has registered.
        session_identifier: A function that returns a hash of the client of the current request.
            By default, it is that of Flask-Login 0.6: the address and the ``User-Agent``. The
            address is the first one in ``X-Forwarded-For``, which a client can send, if no proxy
            replaces it.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        app: Quart | None = None,
        add_context_processor: bool = True,
        *,
        login_view: str | None = None,
        refresh_view: str | None = None,
    ) -> None:
        self.anonymous_user: Callable[[], Any] = AnonymousUserMixin
        self.login_view = login_view
        self.blueprint_login_views: dict[str | None, str | None] = {}
        self.login_message: str | None = LOGIN_MESSAGE
        self.login_message_category = LOGIN_MESSAGE_CATEGORY
        self.refresh_view = refresh_view
        self.needs_refresh_message: str | None = REFRESH_MESSAGE
        self.needs_refresh_message_category = REFRESH_MESSAGE_CATEGORY
        self.session_protection = "basic"
        self.localize_callback: Callable[[Any], Any] | None = None
        self.unauthorized_callback: Callable[[], Any] | None = None
        self.needs_refresh_callback: Callable[[], Any] | None = None
        self.id_attribute = ID_ATTRIBUTE
        self.session_identifier: Callable[[], str] = session_identifier
        self._user_loader: Callable[[str], Any] | None = None
        self._request_loader: Callable[[Any], Any] | None = None
        if app is not None:
            self.init_app(app, add_context_processor)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; one that nothing reads is an error."""
        if name in INSTEAD_OF_ATTRIBUTES:
            raise refused_option(name)
        if type(self) is LoginManager:
            refuse_unknown_option(name)
        if name in ("anonymous_user", "session_identifier") and is_async(value):
            raise TypeError(f"LoginManager.{name} must be a synchronous function or a class")
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        raise refused_option(name)

    @property
    def session_protection(self) -> Protection:
        """What a session is worth that comes from another client than the login.

        ``"basic"``: it is not fresh. ``"strong"``: it is not logged in, unless it is permanent.
        ``None``: it makes no difference.
        """
        return self._session_protection

    @session_protection.setter
    def session_protection(self, value: Protection) -> None:
        self._session_protection: Protection = SettingsReader({"session_protection": value}).choice(
            "session_protection", PROTECTIONS
        )

    def init_app(self, app: Quart, add_context_processor: bool = True) -> None:
        """Initialize the application. ``app.login_manager`` is this manager afterwards.

        Arguments:
            app: The application.
            add_context_processor: Whether templates have a variable ``current_user``.

        Raises:
            DecoratorOrderError: A view is registered without the decorator that protects it.
            RuntimeError: The application has another :class:`LoginManager` already.
            SettingError: A setting is invalid or unknown.
        """
        if app.extensions.get(EXTENSION, self) is not self:
            raise RuntimeError("this application has a LoginManager already: create only one")
        if EXTENSION in app.extensions:
            return
        check_settings(app)
        guard(app)
        app.extensions[EXTENSION] = self
        register_access_check(app, find_refusal)
        cast("Any", app).login_manager = self
        app.app_ctx_globals_class = globals_with_user(app.app_ctx_globals_class, load_if_needed)
        # First, because the functions of the application may use the user.
        app.before_request_funcs[None].insert(0, self._before_view)
        app.before_websocket_funcs[None].insert(0, self._before_view)
        app.after_request(_after_request)
        app.after_websocket(_after_websocket)
        if add_context_processor:
            app.template_context_processors[None].insert(0, self._template_context)

    def user_loader(self, callback: Loader) -> Loader:
        """Register the function that returns the user with an id.

        Arguments:
            callback: A synchronous or asynchronous function. It gets the id, and returns the user,
                or ``None`` if there is no user with this id.
        """
        self._user_loader = callback
        return callback

    @property
    def user_callback(self) -> Callable[[str], Any] | None:
        """What :meth:`user_loader` has registered."""
        return self._user_loader

    def request_loader(self, callback: RequestLoader) -> RequestLoader:
        """Register the function that finds the user of a request without a login.

        Arguments:
            callback: A synchronous or asynchronous function. It gets the request or websocket, and
                returns the user, or ``None``. The session does not store this user.
        """
        self._request_loader = callback
        return callback

    @property
    def request_callback(self) -> Callable[[Any], Any] | None:
        """What :meth:`request_loader` has registered."""
        return self._request_loader

    def unauthorized_handler(self, callback: Handler) -> Handler:
        """Register the function whose result :meth:`unauthorized` returns.

        Arguments:
            callback: A synchronous or asynchronous function without arguments.
        """
        self.unauthorized_callback = callback
        return callback

    def needs_refresh_handler(self, callback: Handler) -> Handler:
        """Register the function whose result :meth:`needs_refresh` returns.

        Arguments:
            callback: A synchronous or asynchronous function without arguments.
        """
        self.needs_refresh_callback = callback
        return callback

    async def load_user(self) -> Any:
        """Load the user of this request, unless that was done, and return it.

        It is needed only before ``current_user`` in code that runs on the event loop, and only
        where an asynchronous loader has not been called yet; an error says so there.
        """
        return await load_user(self)

    async def unauthorized(self) -> Any:
        """Return the response for a user who is not logged in.

        It is the result of the :meth:`unauthorized_handler`, or a redirect to the login page, with
        :attr:`login_message` flashed.

        Raises:
            Unauthorized: There is no login page, or the client is a websocket or prefers JSON.
        """
        return await unauthorized(self)

    async def needs_refresh(self) -> Any:
        """Return the response for a user whose login is not fresh.

        It is the result of the :meth:`needs_refresh_handler`, or a redirect to
        :attr:`refresh_view`, with :attr:`needs_refresh_message` flashed.

        Raises:
            Unauthorized: As for :meth:`unauthorized`.
        """
        return await needs_refresh(self)

    def identifier(self) -> str:
        """Return the hash of the client of the current request."""
        return self.session_identifier()

    def is_same_client(self) -> bool:
        """Return whether the login came from the client of the current request."""
        stored: Any = session.get(CLIENT_KEY)
        if stored is None:
            return False
        if stored == self.session_identifier():
            return True
        return self.session_identifier is session_identifier and stored == (
            newer_session_identifier()
        )

    def protection(self) -> Protection:
        """Return ``SESSION_PROTECTION``, or :attr:`session_protection` if it is not set."""
        config: Any = current_app.config
        mode: Any = config.get("SESSION_PROTECTION", self.session_protection)
        for protection in PROTECTIONS:
            if mode == protection:
                return protection
        return SettingsReader(config).choice("SESSION_PROTECTION", PROTECTIONS)

    def is_async(self) -> bool:
        """Return whether a loader is asynchronous."""
        loaders = (self._user_loader, self._request_loader)
        return any(loader is not None and is_async(loader) for loader in loaders)

    async def _before_view(self) -> ResponseReturnValue | None:
        await load_before_view(self)
        return None

    async def _template_context(self) -> dict[str, Any]:
        if FAILED in g:
            # The error page must not fail for the same reason, such as a database that is away.
            return {"current_user": self.anonymous_user()}
        with loading_into_globals():  # Most templates don't use it.
            await load_user(self)
        return {"current_user": current_user}


async def _after_request(response: ResponseTypes) -> ResponseTypes:
    await flush_signals()
    mark_answered()
    if not is_static() or ACCESSED in g:
        update_remember_cookie(response)
        add_to_vary(response, "Cookie")
    return response


async def _after_websocket(response: ResponseTypes | None) -> ResponseTypes | None:
    await flush_signals()
    return response
