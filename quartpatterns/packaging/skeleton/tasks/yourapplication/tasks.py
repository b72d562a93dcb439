"""What a worker does: ``quartpatterns worker yourapplication.asgi:app``."""

from __future__ import annotations

from quartpatterns.tasks import Tasks

tasks = Tasks()


@tasks.task
async def count_words(text: str) -> int:
    """How many words *text* has."""
    return len(text.split())
