"""Environments to install projects into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.building import Environment


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment with the dependencies of a project, but without the project."""
    return Environment.with_dependencies(tmp_path / "environment")
