"""README.md describes each setting and each public name."""

from __future__ import annotations

from pathlib import Path

import quartpatterns.sqlite3

README = Path(quartpatterns.sqlite3.__file__).with_name("README.md").read_text()


def test_settings() -> None:
    """README.md describes every setting."""
    for key in quartpatterns.sqlite3.SETTINGS:
        assert f"| `{key}` |" in README


def test_names() -> None:
    """README.md mentions every public name."""
    for name in set(quartpatterns.sqlite3.__all__) - {"SETTINGS", "Transaction"}:
        assert f"`{name}" in README or f".{name}" in README, name
