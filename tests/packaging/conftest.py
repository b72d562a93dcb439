"""Environments to install projects into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging.building import ROOT, Environment, build, copy_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this project."""
    return copy_checkout(ROOT, tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="session")
def wheel(checkout: Path) -> Path:
    """The wheel of this project."""
    return build(checkout, "--wheel")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment with the dependencies of a project, but without the project."""
    return Environment.with_dependencies(tmp_path / "environment")
