"""The photo board of the tutorial, as it is after each step."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

__all__ = ["PAGES", "ROOT", "STEPS", "assemble", "environment", "run"]

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "tutorial"
_SCRIPT: dict[str, Any] = runpy.run_path(str(PAGES / "assemble.py"))
STEPS: list[Path] = _SCRIPT["STEPS"]
"""A folder for each step, with the files that the step adds or changes."""


def assemble(number: int, folder: Path) -> Path:
    """Write the photo board after a step into the new *folder*, ready to run, and return it."""
    _SCRIPT["assemble"](number, folder)
    translations = folder / "photoboard" / "translations"
    if translations.exists():
        run(folder, "babel.messages.frontend", "-q", "compile", "-d", str(translations))
    return folder


def environment(folder: Path, **values: str) -> dict[str, str]:
    """Return the environment of a program that runs in *folder*, without settings of this one."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("QUART_")}
    return inherited | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])} | values


def run(folder: Path, module: str, *arguments: str, env: dict[str, str] | None = None) -> str:
    """Run a Python module in *folder*, and return what it prints.

    Raises:
        AssertionError: It has failed; the message is its output.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env=env or environment(folder),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
