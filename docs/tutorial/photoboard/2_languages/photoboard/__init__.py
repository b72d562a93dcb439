"""A photo board. :func:`create_app` returns the application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartpatterns.appfactories import Setting, configure
from quartpatterns.errorpages import ErrorPages
from quartpatterns.packages import register_blueprints
from quartpatterns.subclassing import FaithfulQuart

from photoboard.languages import catalogs

SETTINGS: dict[str, Any] = {
    "SECRET_KEY": Setting(str),
}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return a new application. *config* overrides the environment."""
    app = FaithfulQuart(__name__)
    configure(app, SETTINGS, overrides=config)
    ErrorPages(app, default="error.html")
    catalogs.init_app(app)
    register_blueprints(app, ".views")
    return app
