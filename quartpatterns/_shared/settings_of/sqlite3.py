"""The settings of :mod:`quartpatterns.sqlite3`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from quartpatterns._shared.declarations import Declarations, Path, Seconds, Setting

__all__ = ["SETTINGS"]

SETTINGS = Declarations(
    {
        "DATABASE": Setting(
            Path | None,
            None,
            "A path, a `file:` URI (`file:app.db?mode=ro`), or `:memory:`; it is required. A"
            " relative path is in the instance folder, which is created if it does not exist.",
        ),
        "SQLITE_POOL_SIZE": Setting(
            int,
            10,
            "The maximum number of connections of one event loop. Each connection has a thread.",
        ),
        "SQLITE_POOL_TIMEOUT": Setting(
            Seconds,
            5.0,
            "How long to wait for a free connection. After that, the answer is 503.",
        ),
        "SQLITE_BUSY_TIMEOUT": Setting(
            Seconds,
            5.0,
            "How long to wait for another transaction. After that, the answer is 503.",
        ),
        "SQLITE_PRAGMAS": Setting(
            Mapping,
            MappingProxyType({"journal_mode": "WAL", "foreign_keys": "ON"}),
            "Pragmas to set on each connection.",
        ),
        "SQLITE_CONNECT_OPTIONS": Setting(
            Mapping,
            MappingProxyType({}),
            "Arguments of `sqlite3.connect`, such as `detect_types` and `cached_statements`.",
        ),
        "SQLITE_READ_ON_LOOP": Setting(
            bool,
            False,
            "Execute short reads on the event loop instead of in a thread.",
        ),
    },
    prefixes=("SQLITE_",),
)
