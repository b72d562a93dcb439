import sqlite3

import pytest
from bulletin.db import get_db, transaction


def test_close(app):
    with app.app_context():
        db = get_db()
        assert db is get_db()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        db.execute("SELECT 1")


def test_rollback(app):
    with app.app_context():
        with pytest.raises(ZeroDivisionError), transaction() as db:
            db.execute("DELETE FROM user")
            raise ZeroDivisionError
        with transaction() as db:
            assert db.execute("SELECT count(*) FROM user").fetchone()[0] == 2


def test_init_db_command(runner, monkeypatch):
    class Recorder:
        called = False

    def fake_init_db():
        Recorder.called = True

    monkeypatch.setattr("bulletin.db.init_db", fake_init_db)
    result = runner.invoke(args=["init-db"])
    assert "Initialized" in result.output
    assert Recorder.called


@pytest.mark.parametrize(("table", "number"), [("user", 2), ("notice", 0)])
def test_count_command(runner, table, number):
    assert runner.invoke(args=["count", table]).output == f"{table}: {number}\n"
