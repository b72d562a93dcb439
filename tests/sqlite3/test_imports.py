"""What an import of the helper needs, and what it does not."""

from __future__ import annotations

from tests.databases import import_error, imported_packages


def test_missing_library() -> None:
    """Without aiosqlite the import says what to install."""
    assert import_error("quartpatterns.sqlite3", "aiosqlite") == (
        "quartpatterns.sqlite3 needs aiosqlite: pip install 'quartpatterns[sqlite3]'"
    )


def test_nothing_more() -> None:
    """The helper imports no ORM, and does not hide the module ``sqlite3``."""
    imported = imported_packages(
        "import sqlite3, quartpatterns.sqlite3\n"
        "assert sqlite3.connect and sqlite3 is not quartpatterns.sqlite3"
    )
    assert "aiosqlite" in imported
    assert not imported & {"sqlalchemy", "flask_sqlalchemy", "pytest", "hypothesis"}
