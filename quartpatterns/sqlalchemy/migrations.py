"""Migrating a database from a program instead of the command ``alembic``."""

from __future__ import annotations

from pathlib import Path

from quartpatterns._shared.extras import requires_extra

with requires_extra("migrations", needed_by="quartpatterns.sqlalchemy.migrations"):
    from alembic import command
    from alembic.config import Config

from quartpatterns.sqlalchemy.migration_environment import run_migrations
from quartpatterns.sqlalchemy.settings import async_url

__all__ = [
    "MigrationsMissingError",
    "configuration",
    "find_migrations",
    "run_migrations",
    "upgrade",
]


class MigrationsMissingError(FileNotFoundError):
    """The folder with the migrations is missing; the message says where it should be."""


def find_migrations() -> Path:
    """Return the folder with the migrations of this project.

    Raises:
        MigrationsMissingError: It is neither in the package nor beside it.
    """
    package = Path(__file__).parents[1]
    # A wheel has it in the package, a checkout beside it.
    for folder in (package / "alembic", package.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise MigrationsMissingError(
        f"there are no migrations in {package / 'alembic'} or {package.parent / 'alembic'}:"
        " install quartpatterns again, or pass the folder"
    )


def configuration(url: str, *, folder: Path | None = None, files: Path | None = None) -> Config:
    """Return Alembic's configuration for the database at *url*.

    Arguments:
        url: A URL as in ``SQLALCHEMY_DATABASE_URI``.
        folder: The folder of ``env.py`` and ``versions/``; by default that of this project. Its
            ``env.py`` reads the URL, with its driver, from ``config.attributes["url"]``.
        files: The folder of relative SQLite files; by default the working directory.

    Raises:
        MigrationsMissingError: The folder does not exist.
        ValueError: The URL can't be used.
    """
    folder = folder or find_migrations()
    if not (folder / "env.py").is_file():
        raise MigrationsMissingError(f"{folder} has no env.py: pass the folder with the migrations")
    config = Config()
    # The configuration parser interpolates percent signs.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["url"] = async_url(url, files or "")
    return config


def upgrade(
    url: str, *, folder: Path | None = None, files: Path | None = None, revision: str = "head"
) -> None:
    """Migrate the database at *url* to *revision*, unless it is up to date.

    Processes that start at the same time wait for one another. The function blocks, and runs an
    event loop of its own: call it before the application is served, or from a coroutine through
    :func:`quart.utils.run_sync`.

    Arguments:
        url: As for :func:`configuration`, like *folder* and *files*.
        revision: The revision to stop at.

    Raises:
        SQLAlchemyError: The migration failed; :func:`~quartpatterns.sqlalchemy.diagnose` explains
            why.
    """
    command.upgrade(configuration(url, folder=folder, files=files), revision)
