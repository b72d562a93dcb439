"""Importing the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCKED = """
import sys
sys.modules["asyncssh"] = None
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "asyncssh" else real(name, *rest)
import quartpatterns.deployment
"""


def test_without_asyncssh() -> None:
    """If asyncssh is missing, the error names the extra."""
    done = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True)
    assert "pip install 'quartpatterns[deployment]'" in done.stderr


@pytest.mark.parametrize("name", ["fabric", "paramiko", "pytest"])
def test_not_imported(name: str) -> None:
    """Importing the package imports neither Fabric nor a test tool."""
    code = f"import sys, quartpatterns.deployment; sys.exit({name!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
