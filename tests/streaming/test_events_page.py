"""The comparison in docs/events.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_comparison(name: str) -> None:
    """Each test that the comparison names is there."""
    texts = [file.read_text() for file in Path(__file__).parent.glob("test_*.py")]
    assert any(re.search(rf"def {name}\(", text) for text in texts)
