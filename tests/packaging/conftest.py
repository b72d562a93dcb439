"""Environments for what is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.building import Environment


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment without the project, in which its dependencies are found."""
    return Environment.with_dependencies(tmp_path / "environment")
