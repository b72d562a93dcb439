"""The settings of :mod:`quartpatterns.flashing`."""

from __future__ import annotations

from quartpatterns._shared.declarations import Declarations, Setting

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "FLASHING_COOKIE_NAME": Setting(str, "flash", "the prefix of the cookies' names"),
        # Half of what Hypercorn and nginx accept as the head of a request: other cookies need
        # space.
        "FLASHING_MAX_SIZE": Setting(
            int,
            8 * 1024,
            "the maximum size of all pending messages together in one request; servers reject"
            " request headers above about 16 KB",
            unit="bytes",
        ),
    },
    prefixes=("FLASHING_",),
)
