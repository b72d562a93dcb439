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

from quartpatterns.viewdecorators.access import fresh_login_required, login_required, roles_required
from quartpatterns.viewdecorators.caching import cached
from quartpatterns.viewdecorators.login import confirm_login, login_fresh, login_user, logout_user
from quartpatterns.viewdecorators.manager import DEFAULTS, LoginManager, UserMixin, current_user
from quartpatterns.viewdecorators.order import DecoratorOrderError
from quartpatterns.viewdecorators.redirects import own_path, safe_next
from quartpatterns.viewdecorators.views import endpoint, templated

__all__ = [
    "DEFAULTS",
    "DecoratorOrderError",
    "LoginManager",
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
