"""``python -m yourapplication.migrate`` runs the database migrations.

``python -m yourapplication`` also runs them before it serves.
If several machines serve, run the migrations on one of them before the others start.
"""

from __future__ import annotations

from pathlib import Path

from quartpatterns.sqlalchemy.migrations import upgrade

from yourapplication import create_app
from yourapplication.paths import project_file


def run_migrations() -> None:
    """Run the migrations that the database does not have yet."""
    app = create_app()
    files = Path(app.instance_path)
    files.mkdir(parents=True, exist_ok=True)
    upgrade(app.config["SQLALCHEMY_DATABASE_URI"], folder=project_file("migrations"), files=files)


if __name__ == "__main__":
    run_migrations()
