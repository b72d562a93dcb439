"""The table of all helpers against all helpers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import pairs_table

TWO_HELPERS = """
from quartpatterns.caching import Cache
from quartpatterns.flashing import Flashing
from quartpatterns.tasks import Tasks
from quartpatterns.wtforms import CSRFProtect

def create_app(app):
    Cache(app)

@pytest.fixture
def flashing(app):
    return Flashing(app)

def test_together(flashing):
    create_app(app)

@pytest.mark.parametrize("helper", [CSRFProtect, Tasks])
def test_each(helper):
    create_app(app)

def test_alone():
    Tasks(app)
"""


@pytest.mark.slow
def test_page() -> None:
    """``docs/together.md`` is current: write it anew with ``python -m tests.pairs_table``."""
    assert pairs_table.PAGE.read_text() == pairs_table.page()


@pytest.mark.slow
def test_every_pair_is_tested() -> None:
    """A pair without a test is an exception that has a reason."""
    assert pairs_table.untested() == []


def test_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers count if one test uses both, and alternatives do not."""
    monkeypatch.setattr(pairs_table, "ROOT", tmp_path)
    (tmp_path / "tests").mkdir()
    file = tmp_path / "tests" / "test_app.py"
    file.write_text(TWO_HELPERS)
    assert pairs_table.pairs_of(file) == {
        ("caching", "flashing"),
        ("caching", "tasks"),
        ("caching", "wtforms"),
    }
