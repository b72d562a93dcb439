"""The application that Hypercorn runs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from quart import Quart

from quartpatterns.appdispatch import DispatcherMiddleware
from quartpatterns.gallery.pages import pages
from quartpatterns.gallery.ports import kept_out, mounts
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["ENVIRONMENT", "create_app"]

# Settings of the ports, and the environment variables that people know them by.
ENVIRONMENT = {
    "DATABASE": "SQLITE_FILE",
    "MONGODB_URL": "MONGODB_URL",
    "REDIS_URL": "REDIS_URL",
    "SECRET_KEY": "SECRET_KEY",
    "SQLALCHEMY_DATABASE_URI": "DATABASE_URL",
    "UPLOAD_FOLDER": "UPLOAD_FOLDER",
}


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """The gallery, with each port that is built mounted under its name.

    Arguments:
        config: Settings for the gallery and every port. Those not given come from the
            environment: ``REDIS_URL``, ``MONGODB_URL``, ``DATABASE_URL``, ``SQLITE_FILE``,
            ``UPLOAD_FOLDER`` and ``SECRET_KEY``.
    """
    app = FaithfulQuart(__name__, static_url_path="/gallery/static")
    # A key of this process alone: with several workers `quartpatterns serve` sets one for all.
    app.config.from_mapping(SECRET_KEY=secrets.token_hex())
    settings = {
        key: os.environ[variable] for key, variable in ENVIRONMENT.items() if variable in os.environ
    }
    app.config.from_mapping(settings | dict(config or {}))
    app.register_blueprint(pages)
    shared = {key: app.config[key] for key in {*settings, *(config or {}), "SECRET_KEY"}}
    app.asgi_app = DispatcherMiddleware(  # type: ignore[method-assign]
        app.asgi_app, mounts(shared), on_startup_failure=kept_out
    )
    return app
