"""The libraries that an import of the helper needs."""

from __future__ import annotations

from tests.databases import import_error, imported_packages


def test_missing_library() -> None:
    """Without SQLAlchemy the error names the extra."""
    assert import_error("quartpatterns.sqlalchemy", "sqlalchemy") == (
        "quartpatterns.sqlalchemy needs sqlalchemy: pip install 'quartpatterns[sqlalchemy]'"
    )


def test_nothing_more() -> None:
    """The helper imports no Flask extension, no migration tool and no driver."""
    loaded = imported_packages("import quartpatterns.sqlalchemy")
    assert not loaded & {"alembic", "flask_sqlalchemy", "asyncpg", "aiosqlite", "psycopg", "pytest"}
