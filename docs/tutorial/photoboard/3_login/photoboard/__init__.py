"""A photo board. :func:`create_app` returns the application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartpatterns.appfactories import Setting, configure, init_extensions
from quartpatterns.errorpages import ErrorPages
from quartpatterns.flashing import Flashing
from quartpatterns.packages import register_blueprints
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.wtforms import CSRFProtect

from photoboard.languages import catalogs
from photoboard.login import login_manager
from photoboard.models import db

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": Setting(str),
    "SQLALCHEMY_DATABASE_URI": "sqlite:///photoboard.db",
}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return a new application. *config* overrides the environment."""
    app = FaithfulQuart(__name__)
    configure(app, SETTINGS, overrides=config)
    ErrorPages(app, default="error.html")
    init_extensions(app, catalogs, db, login_manager, CSRFProtect(), Flashing())
    register_blueprints(app, ".views")
    return app
