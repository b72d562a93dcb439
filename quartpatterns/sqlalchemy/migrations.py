"""Bring a database to the newest schema, from a program instead of the command ``alembic``."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from quartpatterns.sqlalchemy.urls import async_url

__all__ = ["MigrationsMissingError", "configuration", "find_migrations", "upgrade"]


class MigrationsMissingError(FileNotFoundError):
    """The folder with the migrations is not where it should be; the message says where."""


def find_migrations() -> Path:
    """The folder with this project's migrations: beside the package, or in it when installed.

    Raises:
        MigrationsMissingError: It is in neither place.
    """
    package = Path(__file__).parents[1]
    # A checkout has it beside the package, a wheel carries it inside.
    for folder in (package / "alembic", package.parent / "alembic"):
        if (folder / "env.py").is_file():
            return folder
    raise MigrationsMissingError(
        f"no migrations in {package / 'alembic'} or {package.parent / 'alembic'}: install"
        " quartpatterns again, or name the folder"
    )


def configuration(url: str, *, folder: Path | None = None, files: Path | None = None) -> Config:
    """Alembic's configuration for the database at *url*.

    Arguments:
        url: As in ``SQLALCHEMY_DATABASE_URI``.
        folder: Holds ``env.py`` and ``versions/``; this project's where none is given. Its
            ``env.py`` finds the URL, with its driver, in ``config.attributes["url"]``.
        files: Where relative SQLite files are; the working directory where none is given.

    Raises:
        MigrationsMissingError: There is no such folder.
        ValueError: The URL can't be used.
    """
    folder = folder or find_migrations()
    if not (folder / "env.py").is_file():
        raise MigrationsMissingError(f"{folder} has no env.py: name the folder with migrations")
    config = Config()
    # The percent sign is an interpolation to the configuration parser.
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    config.attributes["url"] = async_url(url, files or "")
    return config


def upgrade(
    url: str, *, folder: Path | None = None, files: Path | None = None, revision: str = "head"
) -> None:
    """Bring the database at *url* to *revision*; what is up to date is left alone.

    Processes that start at the same time wait for one another. It blocks, and makes an event loop
    of its own: call it before the application is served, from a coroutine through
    :func:`quart.utils.run_sync`.

    Arguments:
        url: As in ``SQLALCHEMY_DATABASE_URI``.
        folder: Holds the migrations; this project's where none is given.
        files: Where relative SQLite files are; the working directory where none is given.
        revision: Where to stop.

    Raises:
        MigrationsMissingError: There is no such folder.
        ValueError: The URL can't be used.
        SQLAlchemyError: The database can't be reached, or refuses;
            :func:`~quartpatterns.sqlalchemy.errors.diagnose` explains.
    """
    command.upgrade(configuration(url, folder=folder, files=files), revision)
