"""Login, caching, templates and endpoints, written above a view.

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

The decorator of the route is always the uppermost.
"""

from quartpatterns.viewdecorators.access import fresh_login_required, login_required, roles_required
from quartpatterns.viewdecorators.caching import StreamNotCachedError, cached
from quartpatterns.viewdecorators.endpoints import endpoint
from quartpatterns.viewdecorators.login import confirm_login, login_fresh, login_user, logout_user
from quartpatterns.viewdecorators.manager import DEFAULTS, LoginManager, current_user
from quartpatterns.viewdecorators.order import DecoratorOrderError
from quartpatterns.viewdecorators.templating import templated
from quartpatterns.viewdecorators.urls import own_path, safe_next
from quartpatterns.viewdecorators.users import UserMixin

__all__ = [
    "DEFAULTS",
    "DecoratorOrderError",
    "LoginManager",
    "StreamNotCachedError",
    "UserMixin",
    "cached",
    "confirm_login",
    "current_user",
    "endpoint",
    "fresh_login_required",
    "login_fresh",
    "login_required",
    "login_user",
    "logout_user",
    "own_path",
    "roles_required",
    "safe_next",
    "templated",
]
