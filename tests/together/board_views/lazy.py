"""Views that are imported when they are first requested."""

from __future__ import annotations

from quart import url_for

from quartpatterns.viewdecorators import current_user, login_required


@login_required
async def settings() -> str:
    """A page for members."""
    return f"settings of {current_user.name} at {url_for('settings')}"
