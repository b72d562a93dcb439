"""The settings of :mod:`quartpatterns.subclassing`."""

from __future__ import annotations

from quartpatterns._shared.declarations import Declarations, Setting
from quartpatterns._shared.file_cache import DEFAULT_SIZE

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "CANCEL_ON_DISCONNECT": Setting(
            bool,
            False,
            "Whether a view is cancelled when its client disconnects, see"
            " [below](#a-client-that-disconnects).",
        ),
        "FILE_CACHE_SIZE": Setting(
            int,
            DEFAULT_SIZE,
            "The memory for small files, see [below](#static-files). `0` means none.",
            unit="bytes",
        ),
        "GREENLET_VIEWS": Setting(
            bool,
            False,
            "Whether SQLAlchemy can load relationships when they are read, see"
            " [below](#lazy-loads).",
        ),
        "SYNC_THREADS": Setting(
            int | None,
            40,
            "The number of threads for synchronous views and hooks; generators have as many of"
            " their own. `None` means the default threads of asyncio. See"
            " [below](#threads).",
        ),
    },
)
