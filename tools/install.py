"""Install a lock file and this project into the environment of this Python, and show the progress.

The Makefile runs ``.venv/bin/python tools/install.py requirements-serve.lock``. What is installed
already in the locked version stays as it is. It needs nothing but Python and pip.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Python compiles a module when it is first imported. Most modules of the packages never are.
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--no-compile"]
LAST_LINES = 20


def run(*arguments: str, packages: int) -> None:
    """Run ``pip install``; exit with its last lines if it fails."""
    lines: deque[str] = deque(maxlen=LAST_LINES)
    number = 0
    with subprocess.Popen(
        [*PIP, *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if found := re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)", line):
                number += 1
                show(f"package {number} of {packages}: {found[1]}")
            elif line.startswith("Ignoring "):  # It is for another platform.
                packages -= 1
            elif line.startswith("Installing "):
                show(f"unpacking {line.count(',') + 1} packages")
    if process.returncode:
        sys.exit("\n" + "".join(lines) + "The installation failed. See the messages above.")


def show(text: str) -> None:
    """Show *text* in place of the text before, if a person is looking."""
    if sys.stdout.isatty():
        print(f"\r\033[K  {text}", end="", flush=True)  # noqa: T201


def main(lock: str) -> None:
    """Install *lock* and the project."""
    started = time.monotonic()
    packages = len(re.findall(r"(?m)^\S+==", (ROOT / lock).read_text()))
    print(f"Installing {lock}: {packages} packages", flush=True)  # noqa: T201
    run("--require-hashes", "--no-deps", "--requirement", lock, packages=packages)
    show("quartpatterns")
    run("--no-deps", "--no-build-isolation", "--editable", ".", packages=1)
    show("")
    print(f"\rInstalled in {time.monotonic() - started:.0f} s", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
