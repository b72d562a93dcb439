"""The blocks of code on a page of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["blocks"]


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)
