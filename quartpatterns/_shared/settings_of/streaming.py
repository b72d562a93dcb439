"""The settings of :mod:`quartpatterns.streaming`."""

from __future__ import annotations

from quartpatterns._shared.declarations import Declarations, Setting

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "BROADCASTER_REDIS_URL": Setting(
            str | None,
            None,
            "the Redis or Valkey that connects all processes, such as `redis://localhost:6379/0`;"
            " without it messages stay in their process",
        ),
    },
    prefixes=("BROADCASTER_",),
)
