"""Background tasks, run by ``quartpatterns worker yourapplication.asgi:app``."""

from __future__ import annotations

from quartpatterns.tasks import Tasks

tasks = Tasks()


@tasks.task
async def count_words(text: str) -> int:
    """Return the number of words in *text*."""
    return len(text.split())
