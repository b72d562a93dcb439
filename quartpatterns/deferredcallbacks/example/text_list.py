"""A list of the last texts, in the memory of the process or in Redis."""

from __future__ import annotations

from collections import deque

from quart import Quart

__all__ = ["TextList", "create_text_list"]


class TextList:
    """The last texts, in the memory of the process.

    Arguments:
        limit: The number of texts; the oldest are removed.
    """

    def __init__(self, limit: int) -> None:
        self._texts: deque[str] = deque(maxlen=limit)

    async def append(self, text: str) -> None:
        """Add *text*."""
        self._texts.append(text)

    async def all(self) -> list[str]:
        """Return the texts, from the oldest to the newest."""
        return list(self._texts)


def create_text_list(app: Quart, name: str, limit: int) -> TextList:
    """Return a list. With ``REDIS_URL``, all server processes share the one with this name."""
    if url := app.config.get("REDIS_URL"):
        from quartpatterns.deferredcallbacks.example.redis_text_list import RedisTextList

        return RedisTextList(app, url, name, limit)
    return TextList(limit)
