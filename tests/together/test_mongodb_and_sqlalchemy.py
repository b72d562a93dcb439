"""Applications with several databases: one ``diagnose`` and one handler for the errors of all."""

from __future__ import annotations

import sqlite3

from pymongo.errors import AutoReconnect, DuplicateKeyError
from quart import Blueprint, Quart
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import Conflict

from quartpatterns.mongodb import MongoUnavailable
from quartpatterns.sqlalchemy import DatabaseUnavailable, handle_database_error
from quartpatterns.sqlite3 import diagnose


def busy() -> sqlite3.Error:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return error


ERRORS = {"mongodb": AutoReconnect("gone"), "sqlalchemy": PoolTimeoutError(), "sqlite3": busy()}


def test_diagnose() -> None:
    """The function that one helper exports knows the errors of all."""
    for error in ERRORS.values():
        assert isinstance(diagnose(error), DatabaseUnavailable)
    assert isinstance(diagnose(ERRORS["mongodb"]), MongoUnavailable)
    assert isinstance(diagnose(DuplicateKeyError("", 11000, {})), Conflict)
    assert diagnose(ValueError()) is None
    assert diagnose(SQLAlchemyError()) is None


async def test_handler(app_class: type[Quart]) -> None:
    """One handler answers for all databases; an error of another kind stays a 500."""
    app = app_class(__name__)
    views = Blueprint("views", __name__)
    views.register_error_handler(Exception, handle_database_error)

    @views.get("/<name>")
    async def view(name: str) -> str:
        raise ERRORS.get(name, LookupError("a bug"))

    app.register_blueprint(views)
    client = app.test_client()
    statuses = {name: (await client.get(f"/{name}")).status_code for name in [*ERRORS, "bug"]}
    assert statuses == {"mongodb": 503, "sqlalchemy": 503, "sqlite3": 503, "bug": 500}
