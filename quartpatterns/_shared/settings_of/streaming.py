"""The settings of :mod:`quartpatterns.streaming`."""

from __future__ import annotations

from quartpatterns._shared.declarations import Declarations, Seconds, Setting

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "STREAM_SEND_TIMEOUT": Setting(
            Seconds | None,
            60,
            "A client that takes nothing of a stream for this time is cut off. `None` means no"
            " limit.",
        ),
        "BROADCASTER_REDIS_URL": Setting(
            str | None,
            None,
            "The Redis or Valkey that connects the broadcasters of all processes, such as"
            " `redis://localhost:6379/0`. Without it messages stay in their process.",
        ),
    },
    prefixes=("STREAM_SEND_", "BROADCASTER_"),
)
