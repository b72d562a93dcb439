"""Who is logged in."""

from __future__ import annotations

from quart.utils import run_sync
from quartpatterns.viewdecorators import LoginManager
from werkzeug.security import check_password_hash, generate_password_hash

from photoboard.models import User, db

login_manager = LoginManager(login_view="account.login")


@login_manager.user_loader
async def load_user(user_id: str) -> User | None:
    """Return the user with an id."""
    return await db.session.get(User, int(user_id))


async def hash_password(password: str) -> str:
    return await run_sync(generate_password_hash)(password)


async def verify_password(hash: str, password: str) -> bool:
    return await run_sync(check_password_hash)(hash, password)
