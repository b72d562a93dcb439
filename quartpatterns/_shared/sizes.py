"""Sizes in units that people read."""

from __future__ import annotations

__all__ = ["readable_size"]

_BINARY = ("KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("kB", "MB", "GB", "TB")


def readable_size(size: int) -> str:
    """Return a number of bytes as text: ``500 kB``, ``16 MiB``, ``1.23 MB``.

    A whole number of binary units is shown in these. Other sizes have at most two decimals, and are
    rounded down, so that a limit is never overstated.
    """
    for power, unit in reversed(list(enumerate(_BINARY, 1))):
        count, rest = divmod(size, 1024**power)
        if not rest and 0 < count < 1024:
            return f"{count} {unit}"
    for power, unit in reversed(list(enumerate(_DECIMAL, 1))):
        hundredths = size * 100 // 1000**power
        if hundredths >= 100:
            return f"{hundredths // 100}.{hundredths % 100:02}".rstrip("0").rstrip(".") + f" {unit}"
    return "1 byte" if size == 1 else f"{size} bytes"
