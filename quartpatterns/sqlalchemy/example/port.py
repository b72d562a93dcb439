"""Users in a database, in the four ways of Flask's page, with asynchronous queries.

Each section of the page is a module: ``port_extension``, ``port_declarative``, ``port_manual`` and
``port_core``. They use the same table, as on the page.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart_schema import Info, QuartSchema, RequestSchemaValidationError

from quartpatterns.ajax import swagger_ui
from quartpatterns.errorpages import handle_invalid_request
from quartpatterns.sqlalchemy.example import (
    port_core,
    port_declarative,
    port_extension,
    port_manual,
)
from quartpatterns.sqlalchemy.example.port_extension import User, db
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["User", "create_app", "db"]


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create the application; the migrations create the table."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        SQLALCHEMY_DATABASE_URI="sqlite:///sqlalchemy.db",
        SQLALCHEMY_SQLITE_READ_ON_LOOP=True,
    )
    app.config.from_mapping(config or {})
    db.init_app(app)
    info = Info("Users in SQLAlchemy", "1")
    QuartSchema(app, info=info, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
    swagger_ui(app)
    app.register_error_handler(RequestSchemaValidationError, handle_invalid_request)
    app.teardown_appcontext(port_declarative.shutdown_session)
    app.teardown_appcontext(port_manual.shutdown_session)
    for module in (port_extension, port_declarative, port_manual, port_core):
        app.register_blueprint(module.views)
    return app
