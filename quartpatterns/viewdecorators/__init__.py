"""Decorators for views: login, caching, templates and endpoints.

.. code-block:: python

    from quartpatterns.viewdecorators import LoginManager, cached, login_required, templated

    login_manager = LoginManager(app, login_view="login")

    @login_manager.user_loader
    async def load_user(user_id):
        return await User.get(user_id)

    @app.get("/secret_page")
    @login_required
    async def secret_page():
        return f"Hello {g.user.name}"

    @app.get("/slow")
    @cached(timeout=60)
    @templated("slow.html")
    async def slow():
        return {"rows": await query()}

The route is always the topmost decorator.
"""

from typing import TYPE_CHECKING

from quartpatterns.caching import cached
from quartpatterns.viewdecorators.access import fresh_login_required, login_required, roles_required
from quartpatterns.viewdecorators.cookies import (
    COOKIE_DURATION,
    COOKIE_HTTPONLY,
    COOKIE_NAME,
    COOKIE_SECURE,
    SETTINGS,
    decode_cookie,
    encode_cookie,
)
from quartpatterns.viewdecorators.loading import current_user
from quartpatterns.viewdecorators.login import (
    confirm_login,
    login_fresh,
    login_remembered,
    login_user,
    logout_user,
    set_login_view,
)
from quartpatterns.viewdecorators.manager import LoginManager
from quartpatterns.viewdecorators.options import (
    ID_ATTRIBUTE,
    LOGIN_MESSAGE,
    LOGIN_MESSAGE_CATEGORY,
    REFRESH_MESSAGE,
    REFRESH_MESSAGE_CATEGORY,
)
from quartpatterns.viewdecorators.order import DecoratorOrderError
from quartpatterns.viewdecorators.other_sites import same_origin_required
from quartpatterns.viewdecorators.redirects import login_url, make_next_param, own_path, safe_next
from quartpatterns.viewdecorators.signals import (
    session_protected,
    user_accessed,
    user_loaded_from_cookie,
    user_loaded_from_request,
    user_logged_in,
    user_logged_out,
    user_login_confirmed,
    user_needs_refresh,
    user_unauthorized,
)
from quartpatterns.viewdecorators.testing import FlaskLoginClient
from quartpatterns.viewdecorators.users import AnonymousUserMixin, UserMixin
from quartpatterns.viewdecorators.views import endpoint, templated

__all__ = [
    "COOKIE_DURATION",
    "COOKIE_HTTPONLY",
    "COOKIE_NAME",
    "COOKIE_SECURE",
    "ID_ATTRIBUTE",
    "LOGIN_MESSAGE",
    "LOGIN_MESSAGE_CATEGORY",
    "REFRESH_MESSAGE",
    "REFRESH_MESSAGE_CATEGORY",
    "SETTINGS",
    "AnonymousUserMixin",
    "DecoratorOrderError",
    "FlaskLoginClient",
    "LoginManager",
    "UserMixin",
    "cached",
    "confirm_login",
    "current_user",
    "decode_cookie",
    "encode_cookie",
    "endpoint",
    "fresh_login_required",
    "login_fresh",
    "login_remembered",
    "login_required",
    "login_url",
    "login_user",
    "logout_user",
    "make_next_param",
    "own_path",
    "roles_required",
    "safe_next",
    "same_origin_required",
    "session_protected",
    "set_login_view",
    "templated",
    "user_accessed",
    "user_loaded_from_cookie",
    "user_loaded_from_request",
    "user_logged_in",
    "user_logged_out",
    "user_login_confirmed",
    "user_needs_refresh",
    "user_unauthorized",
]

if not TYPE_CHECKING:  # A type checker would take every name for one of this module.
    _REFUSED = {
        "AUTH_HEADER_NAME": "write a request_loader, which reads request.headers",
        "user_loaded_from_header": "connect to user_loaded_from_request",
    }

    def __getattr__(name: str) -> object:
        """Raise an error that names the remedy for a name of Flask-Login."""
        if name == "__version__":
            raise AttributeError('write importlib.metadata.version("quartpatterns")')
        if name in _REFUSED:  # An ImportError, because another error would lose its message.
            raise ImportError(f"quartpatterns.viewdecorators has no {name}: {_REFUSED[name]}.")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
