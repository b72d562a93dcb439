"""The photo board of the tutorial, as it is after each step."""

from __future__ import annotations

from pathlib import Path

from tests import assembled
from tests.assembled import DOCS, ROOT, environment, run

__all__ = ["PAGES", "ROOT", "STEPS", "assemble", "environment", "run"]

PAGES = DOCS / "tutorial"
STEPS = list(assembled.steps("tutorial").values())
"""A folder for each step, with the files that the step adds or changes."""


def assemble(number: int, folder: Path) -> Path:
    """Write the photo board after a step into the new *folder*, ready to run, and return it."""
    assembled.assemble("tutorial", number, folder)
    translations = folder / "photoboard" / "translations"
    if translations.exists():
        run(folder, "babel.messages.frontend", "-q", "compile", "-d", str(translations))
    return folder
