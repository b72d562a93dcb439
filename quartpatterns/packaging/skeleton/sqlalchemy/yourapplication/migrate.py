"""``python -m yourapplication.migrate`` brings the database up to date.

A server does it, too, when it starts. Where several machines serve, one of them migrates before the
others are started.
"""

from __future__ import annotations

from pathlib import Path

from quartpatterns.sqlalchemy.migrations import upgrade

from yourapplication import create_app
from yourapplication.paths import beside


def migrate() -> None:
    """Run the migrations that the database of the settings does not have yet."""
    app = create_app()
    files = Path(app.instance_path)
    files.mkdir(parents=True, exist_ok=True)
    upgrade(app.config["SQLALCHEMY_DATABASE_URI"], folder=beside("migrations"), files=files)


if __name__ == "__main__":
    migrate()
