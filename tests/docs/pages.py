"""The blocks of code on a page of the documentation."""

from __future__ import annotations

from pathlib import Path

from tests.reading import page as reading

__all__ = ["blocks"]


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language, in their order."""
    return [block.text for block in reading.blocks(page) if block.language == language]
