"""The fabfile of Flask's page, with the current version of Fabric."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from quartpatterns.deployment.example import original
from tests.conftest import unavailable


@pytest.mark.checks("FA-1", "FA-2")
def test_fabfile() -> None:
    """It has the three tasks of the page."""
    if find_spec("fabric") is None:
        unavailable("Fabric is not installed")
    folder = Path(original.__file__).parent
    command = [sys.executable, "-m", "fabric", "--search-root", str(folder), "--list"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert result.stdout.split()[2:] == ["bootstrap", "deploy", "pack"]
    text = (folder / "fabfile.py").read_text()
    assert all(word in text for word in ("pip install", "touch", "rm ")) and len(original.PLAN) == 5
