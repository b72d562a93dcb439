"""Where files are that a checkout has beside the package, and a wheel in it."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def beside(name: str) -> Path:
    """The file or folder called *name*."""
    folder = PACKAGE if (PACKAGE / name).exists() else PACKAGE.parent
    return folder / name
