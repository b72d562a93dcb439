"""The applications of the documentation, as they are after each step."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = [
    "DOCS",
    "ROOT",
    "assemble",
    "environment",
    "files_not_changed",
    "files_not_shown",
    "run",
    "steps",
]

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_SCRIPT: dict[str, Any] = runpy.run_path(str(DOCS / "assemble.py"))
assemble: Callable[[str, int, Path], None] = _SCRIPT["assemble"]
steps: Callable[[str], dict[int, Path]] = _SCRIPT["steps"]


def environment(folder: Path, **values: str) -> dict[str, str]:
    """Return the environment of a program that runs in *folder*, without settings of this one."""
    inherited = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("FLASK_", "PYTEST_", "QUART_"))
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    modules = [str(folder), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return inherited | {"PATH": path, "PYTHONPATH": os.pathsep.join(modules)} | values


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


def _files(step: Path) -> list[Path]:
    return [file for file in step.rglob("*") if file.is_file() and "__pycache__" not in file.parts]


def files_not_shown(step: Path, page: Path) -> set[str]:
    """Return the files of a step that its page neither shows nor links."""
    application = step.parent
    shown = set(
        re.findall(
            rf"(?:literalinclude\}} |download\}}`[^`]*<){application.name}/([^>\s]+)",
            page.read_text(),
        )
    )
    files = {str(file.relative_to(application)) for file in _files(step) if file.stat().st_size}
    return files - shown


def files_not_changed(name: str, number: int, folder: Path) -> list[Path]:
    """Return the files of a step that are as they were before. *folder* is a new one."""
    assemble(name, number - 1, folder)
    step = steps(name)[number]
    return [
        file
        for file in _files(step)
        if (old := folder / file.relative_to(step)).exists()
        and old.read_bytes() == file.read_bytes()
    ]
