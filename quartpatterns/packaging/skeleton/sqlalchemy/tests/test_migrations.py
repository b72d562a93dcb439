"""The migrations of the database."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from quartpatterns.sqlalchemy.migrations import configuration, upgrade

from yourapplication.paths import project_file


def test_migrations(tmp_path: Path) -> None:
    """The migrations create the tables of the models, and can be undone."""
    url = f"sqlite:///{tmp_path / 'test.db'}"
    config = configuration(url, folder=project_file("migrations"))
    upgrade(url, folder=project_file("migrations"))
    command.check(config)
    command.downgrade(config, "base")
