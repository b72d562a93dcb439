"""Paths of files that are beside the package in a checkout, and in the package in a wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def project_file(name: str) -> Path:
    """Return the path of a file or folder of the project."""
    folder = PACKAGE if (PACKAGE / name).exists() else PACKAGE.parent
    return folder / name
