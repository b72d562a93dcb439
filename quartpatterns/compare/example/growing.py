"""What grows: the rows of a page and of an export, a file, and connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quartpatterns.compare.growth import Work

__all__ = ["WORKS", "settings"]

CONNECTIONS = (10, 100, 1_000, 10_000)
FILES = (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
WORKS = (
    Work("page", "rows", "/page?rows={size}", (10, 100, 1_000, 10_000)),
    Work("export", "rows", "/export.csv?rows={size}", (1_000, 10_000, 100_000, 1_000_000)),
    Work("file", "bytes", "/files/{size}", FILES),
    Work(
        "requests",
        "connections",
        "/sleep?seconds=0.01",
        CONNECTIONS,
        kind="connections",
        beginning=b"waited",
    ),
    Work("streams", "idle event streams", "/events", CONNECTIONS, kind="connections"),
)


def settings(folder: Path) -> dict[str, Any]:
    """Create the files and the database in *folder*, and return the settings of both."""
    files = folder / "files"
    files.mkdir()
    for size in FILES:
        (files / str(size)).write_bytes(b"x" * size)
    return {"FILES": str(files), "DATABASE": str(folder / "empty.db")}
