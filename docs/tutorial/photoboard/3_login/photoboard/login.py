"""Who is logged in, and passwords."""

from __future__ import annotations

from quartpatterns.viewdecorators import LoginManager
from quartpatterns.viewdecorators.passwords import AsyncPasswordHasher

from photoboard.models import User, db

login_manager = LoginManager(login_view="account.login")
passwords = AsyncPasswordHasher()


@login_manager.user_loader
@db.preloading()
async def load_user(user_id: str) -> User | None:
    """Return the user with an id."""
    return await db.session.get(User, int(user_id))
