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
            unit="seconds",
        ),
    },
    prefixes=("STREAM_SEND_",),
)
