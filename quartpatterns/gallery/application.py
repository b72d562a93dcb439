"""The application that Hypercorn runs."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from typing import Any

from quart import Quart, Response

from quartpatterns import catalog
from quartpatterns.appdispatch import ASGIApp, DispatcherMiddleware
from quartpatterns.gallery import operation, originals, runs
from quartpatterns.gallery.back_link import BackLink
from quartpatterns.gallery.observation import Observation
from quartpatterns.gallery.pages import pages
from quartpatterns.gallery.ports import create_ports, failed_port
from quartpatterns.gallery.settings import GallerySettings, read_environment
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["create_app"]

# The pages of the gallery have neither inline scripts nor inline styles. The ports, which are
# applications of their own, send their own headers.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-src 'self'; frame-ancestors 'self';"
        " base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """Return the gallery, with the port of each pattern mounted at its name.

    Arguments:
        config: Settings of the gallery and of every port. By default they come from the environment
            variables ``REDIS_URL``, ``MONGODB_URL``, ``DATABASE_URL``, ``SQLITE_FILE``,
            ``UPLOAD_FOLDER`` and ``SECRET_KEY``.

    .. versionadded:: 0.1
    """
    app = FaithfulQuart(__name__, static_url_path="/gallery/static")
    # A random key only works for one process; `quartpatterns serve` sets one key for all workers.
    settings = (
        {"SECRET_KEY": secrets.token_hex()} | read_environment(os.environ) | dict(config or {})
    )
    app.config.from_mapping(settings)
    GallerySettings(app)
    app.jinja_options = {**app.jinja_options, "trim_blocks": True, "lstrip_blocks": True}
    app.register_blueprint(pages)
    app.register_blueprint(originals.views)
    operation.init_app(app)
    runs.init_app(app)
    app.after_request(_add_headers)
    ports = create_ports(settings)
    mounts: dict[str, ASGIApp] = {path: _with_link(path, port) for path, port in ports.items()}
    mounts[originals.MOUNT] = originals.create_originals(settings)
    dispatcher = DispatcherMiddleware(
        app.asgi_app,
        mounts,
        on_startup_failure=lambda error: _with_link(error.name, failed_port(error)),
    )
    app.asgi_app = Observation(dispatcher)  # type: ignore[method-assign]
    return app


def _with_link(path: str, port: Quart) -> BackLink:
    pattern = catalog.get(path.strip("/"))
    return BackLink(port, pattern.name, pattern.title)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
