"""The settings of :mod:`quartpatterns.errorpages`."""

from __future__ import annotations

from quartpatterns._shared.declarations import Declarations, Setting

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "REQUEST_ID_HEADER": Setting(
            str | None,
            "X-Request-ID",
            "the header with the id in requests and in responses to errors; `None` reads and"
            " sends none",
        ),
    },
    prefixes=("REQUEST_ID_",),
)
