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
    """Without SQLAlchemy the import says what to install."""
    said = run(
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "try:\n import quartpatterns.sqlalchemy\nexcept ImportError as error:\n print(error)"
    )
    assert said == (
        "quartpatterns.sqlalchemy needs sqlalchemy: pip install 'quartpatterns[sqlalchemy]'"
    )


def test_nothing_more() -> None:
    """The helper needs no Flask extension, no migration tool and no driver that is not used."""
    script = "import sys, quartpatterns.sqlalchemy; print(*sys.modules)"
    loaded = {name.partition(".")[0] for name in run(script).split()}
    assert not loaded & {"alembic", "flask_sqlalchemy", "asyncpg", "aiosqlite", "psycopg", "pytest"}
