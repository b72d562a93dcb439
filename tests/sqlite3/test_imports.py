"""What an import of the helper needs, and what it does not."""

from __future__ import annotations

import subprocess
import sys


def run(script: str) -> str:
    """What *script* printed."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()


def test_missing_library() -> None:
    """Without aiosqlite the import says what to install."""
    said = run(
        "import sys; sys.modules['aiosqlite'] = None\n"
        "try:\n import quartpatterns.sqlite3\nexcept ImportError as error:\n print(error)"
    )
    assert said == "quartpatterns.sqlite3 needs aiosqlite: pip install 'quartpatterns[sqlite3]'"


def test_nothing_more() -> None:
    """The helper needs no ORM, and is not taken for the module of the same name."""
    script = (
        "import sys, sqlite3, quartpatterns.sqlite3\n"
        "assert sqlite3.connect and sqlite3 is not quartpatterns.sqlite3\n"
        "print(*sys.modules)"
    )
    loaded = {name.partition(".")[0] for name in run(script).split()}
    assert not loaded & {"sqlalchemy", "flask_sqlalchemy", "pytest", "hypothesis"}
