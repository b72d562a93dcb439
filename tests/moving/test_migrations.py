"""Alembic goes on with the folder and the database of Flask-Migrate."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.assembled import DOCS, run

EXAMPLE = DOCS / "coming_from_flask" / "examples" / "flask_migrate"


@pytest.mark.slow
def test_migrations(tmp_path: Path) -> None:
    """The steps of docs/coming_from_flask/flask_migrate.md."""
    pytest.importorskip("flask_migrate")
    shutil.copy(EXAMPLE / "before.py", tmp_path / "shop.py")
    flask = ("flask", "--app", "shop", "db")
    run(tmp_path, *flask, "init")
    run(tmp_path, *flask, "migrate", "-m", "Add users")
    run(tmp_path, *flask, "upgrade")
    first = run(tmp_path, *flask, "current").split()[0]

    shutil.copy(EXAMPLE / "after.py", tmp_path / "shop.py")
    shutil.copy(EXAMPLE / "env.py", tmp_path / "migrations" / "env.py")
    (tmp_path / "migrations" / "alembic.ini").unlink()
    shutil.copy(EXAMPLE / "alembic.toml", tmp_path / "pyproject.toml")
    assert run(tmp_path, "alembic", "current").split()[0] == first
    run(tmp_path, "alembic", "revision", "--autogenerate", "-m", "Add addresses")
    run(tmp_path, "alembic", "upgrade", "head")
    with closing(sqlite3.connect(tmp_path / "instance" / "shop.db")) as connection:
        assert connection.execute("SELECT id, name, email FROM user").fetchall() == []
    assert first in run(tmp_path, "alembic", "history")
    assert run(tmp_path, "alembic", "current").split()[0] != first
    run(tmp_path, "alembic", "downgrade", "-1")
    assert run(tmp_path, "alembic", "current").split()[0] == first
