"""URLs without a driver become those of an asynchronous one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from quartpatterns.sqlalchemy import async_url
from quartpatterns.sqlalchemy.settings import sqlite_file


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("sqlite://", "sqlite+aiosqlite://"),
        ("sqlite:///:memory:", "sqlite+aiosqlite:///:memory:"),
        ("sqlite:///app.db", "sqlite+aiosqlite:////instance/app.db"),
        ("sqlite+aiosqlite:///data/app.db", "sqlite+aiosqlite:////instance/data/app.db"),
        ("sqlite:////var/app.db", "sqlite+aiosqlite:////var/app.db"),
        ("sqlite:///file:app.db?uri=true", "sqlite+aiosqlite:///file:/instance/app.db?uri=true"),
        (
            "sqlite:///file::memory:?cache=shared&uri=true",
            "sqlite+aiosqlite:///file::memory:?cache=shared&uri=true",
        ),
        (
            "sqlite:///file:name?mode=memory&uri=true",
            "sqlite+aiosqlite:///file:name?mode=memory&uri=true",
        ),
        ("postgresql://u:p%40@h:5/d", "postgresql+asyncpg://u:p%40@h:5/d"),
        ("postgres://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
        ("postgresql+psycopg://h/d?sslmode=require", "postgresql+psycopg://h/d?sslmode=require"),
        ("mysql://h/d", "mysql+aiomysql://h/d"),
    ],
)
def test_async_url(given: str, made: str) -> None:
    assert async_url(given, "/instance") == make_url(made)


def test_url_object() -> None:
    assert async_url(URL.create("sqlite"), "/instance").drivername == "sqlite+aiosqlite"


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ("sqlite+pysqlite:///app.db", r"write sqlite:// without a driver, or sqlite\+aiosqlite://"),
        ("postgresql+psycopg2://h/d", r"names psycopg2, .* or postgresql\+asyncpg://"),
        ("postgresql+pg8000://h/d", "write postgresql:// without a driver"),
        ("mysql+pymysql://h/d", "write mysql:// without a driver"),
        ("app.db", "is not the URL of a database .* write sqlite:///name.db"),
        ("mongodb://h/d", "is not the URL of a database"),
        ("postgresql+nothing://h/d", "is not the URL of a database"),
    ],
)
def test_refused(given: str, remedy: str) -> None:
    """A driver that blocks is refused, and the error names the URL to write."""
    with pytest.raises(ValueError, match=remedy):
        async_url(given, "/instance")


def test_no_password_in_errors() -> None:
    with pytest.raises(ValueError, match="blocks") as caught:
        async_url("postgresql+psycopg2://user:secret@host/name", "/instance")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("sqlite:///a.db", Path("a.db")),
        ("sqlite:///file:a.db?uri=true", Path("a.db")),
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///file:a?mode=memory&uri=true", None),
        ("postgresql://h/a.db", None),
    ],
)
def test_sqlite_file(url: str, file: Path | None) -> None:
    assert sqlite_file(make_url(url)) == file
