"""The users who log in, and their passwords."""

from __future__ import annotations

# {% if flashing and i18n %}
from quartpatterns.urlprocessors.messages import lazy_gettext as _
# {% endif %}
from quartpatterns.viewdecorators import LoginManager
from quartpatterns.viewdecorators.passwords import AsyncPasswordHasher

from yourapplication.models import User, db

login_manager = LoginManager(login_view="account.log_in")
# {% if flashing %}
login_manager.login_message = @{p("Please log in to see this page.")}
# {% else %}
login_manager.login_message = None  # the pages show no messages
# {% endif %}
passwords = AsyncPasswordHasher()


@login_manager.user_loader
@db.preloading()
async def load_user(user_id: str) -> User | None:
    """Return the user with an id."""
    return await db.session.get(User, int(user_id))
