"""A photo board. :func:`create_app` returns the application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart_schema import QuartSchema
from quartpatterns.appfactories import Setting, configure, init_extensions
from quartpatterns.errorpages import ErrorPages
from quartpatterns.fileuploads import configure_uploads
from quartpatterns.flashing import Flashing
from quartpatterns.packages import register_blueprints
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.wtforms import CSRFProtect

from photoboard.cache import cache
from photoboard.languages import catalogs
from photoboard.login import login_manager
from photoboard.models import db
from photoboard.tasks import tasks
from photoboard.uploads import photos

SETTINGS: dict[str, Any] = {
    "CACHE_TYPE": "RedisCache",
    "REDIS_URL": "redis://localhost:6379/0",
    "SECRET_KEY": Setting(str),
    "SQLALCHEMY_DATABASE_URI": "sqlite:///photoboard.db",
    "UPLOADED_PHOTOS_DEST": "uploads",
    "UPLOADS_AUTOSERVE": True,
}


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return a new application. *config* overrides the environment."""
    app = FaithfulQuart(__name__)
    configure(app, SETTINGS, overrides=config)
    ErrorPages(app, default="error.html", prefixes={"/api": "problem"})
    app.config["CACHE_REDIS_URL"] = app.config["REDIS_URL"]
    init_extensions(
        app, catalogs, db, login_manager, CSRFProtect(), Flashing(), tasks, cache
    )
    QuartSchema(app, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
    configure_uploads(app, photos)
    register_blueprints(app, ".views")
    return app
