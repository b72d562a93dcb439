"""The page's fabfile, in today's Fabric."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import quartpatterns.deployment
from quartpatterns.deployment.example.original import PLAN  # type: ignore[attr-defined, unused-ignore]
from tests.conftest import unavailable


@pytest.mark.checks("FA-1", "FA-2")
def test_fabfile() -> None:
    """It has the page's three tasks."""
    if find_spec("fabric") is None:
        unavailable("Fabric is not installed")
    folder = Path(quartpatterns.deployment.__file__).parent
    command = [sys.executable, "-m", "fabric", "--search-root", str(folder), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.stdout.split()[2:] == ["bootstrap", "deploy", "pack"]
    text = (folder / "fabfile.py").read_text()
    assert all(word in text for word in ("pip install", "touch", "rm ")) and len(PLAN) == 5
