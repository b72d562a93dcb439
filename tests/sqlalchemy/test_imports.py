"""What an import of the helper needs, and what it does not."""

from __future__ import annotations

from tests.databases import import_error, imported_packages


def test_missing_library() -> None:
    """Without SQLAlchemy the import says what to install."""
    assert import_error("quartpatterns.sqlalchemy", "sqlalchemy") == (
        "quartpatterns.sqlalchemy needs sqlalchemy: pip install 'quartpatterns[sqlalchemy]'"
    )


def test_nothing_more() -> None:
    """The helper imports no Flask extension, no migration tool and no driver that is not used."""
    imported = imported_packages("import quartpatterns.sqlalchemy")
    assert "sqlalchemy" in imported
    assert not imported & {
        "alembic",
        "flask_sqlalchemy",
        "asyncpg",
        "aiosqlite",
        "psycopg",
        "pytest",
    }
