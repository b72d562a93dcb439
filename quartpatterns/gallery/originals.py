"""The Flask originals beside the ports, at ``/gallery/originals/<pattern>/``.

An original is created for its first request. It has the same settings as the port: both show the
same database, uploads and documents. If a library or a service is missing, the response is a 503
that says what to do, and the next request tries again.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from quart import Blueprint, render_template
from quart.typing import ResponseReturnValue

from quartpatterns import catalog
from quartpatterns._shared.extras import install_command
from quartpatterns.appdispatch import (
    ASGIApp,
    PathDispatcher,
    StartupError,
    WSGIMiddleware,
    not_found,
)
from quartpatterns.gallery.back_link import BackLink
from quartpatterns.gallery.lookup import find_pattern
from quartpatterns.gallery.ports import service_remedy, unavailable

__all__ = [
    "MOUNT",
    "OriginalUnavailableError",
    "celery_settings",
    "create_originals",
    "first_page",
    "views",
]

log = logging.getLogger(__name__)

MOUNT = "/gallery/originals"
THREADS = 8
"""Requests that one original answers at the same time."""
WAIT = 2.0
"""Seconds that a service has to respond."""
CELERY = "celery -A quartpatterns.gallery.celery_app worker"


# Where the original has no page at `/`.
FIRST_PAGES = {
    "caching": "item",
    "deployment": "settings",
    "streaming": "timeline",
    "urlprocessors": "en/",
}
# Where it has no page at all: the view that takes a form.
FORMS = {"requestchecksum": "special-api"}
# Whose data both applications show.
SHARED_DATA = frozenset({"fileuploads", "mongodb", "sqlalchemy", "sqlite3"})
BASE = b'<base href="/">'

views = Blueprint("originals", __name__)


def first_page(pattern: str) -> str | None:
    """Return the path of a page that both applications of *pattern* have, ``None`` without one."""
    return None if pattern in FORMS else FIRST_PAGES.get(pattern, "")


@views.get("/gallery/<name>/beside")
async def beside(name: str) -> ResponseReturnValue:
    """Show the original and the port side by side, to use both."""
    pattern = find_pattern(name)
    page = first_page(pattern.name)
    paths = {"Flask": f"{MOUNT}/{pattern.name}/", "Quart": f"/{pattern.name}/"}
    return await render_template(
        "gallery/beside.html",
        pattern=pattern,
        paths=paths,
        page=page,
        form=FORMS.get(pattern.name),
        shared=pattern.name in SHARED_DATA,
    )


class OriginalUnavailableError(Exception):
    """An original cannot run; the message says what to do."""


def create_originals(config: Mapping[str, Any]) -> PathDispatcher:
    """Return the application that creates the original of each pattern when it is first used.

    Arguments:
        config: The settings of the ports.
    """
    reasons: dict[str, str] = {}

    def create(name: str) -> ASGIApp | None:
        try:
            pattern = catalog.get(name)
        except LookupError:
            return None
        try:
            app = WSGIMiddleware(_create_original(pattern, config), threads=THREADS)
        except OriginalUnavailableError as error:
            reasons[name] = str(error)
            return _failing(str(error))
        return _with_link(app, pattern)

    def failed(error: StartupError) -> ASGIApp:
        pattern = catalog.get(error.name)
        return _with_link(unavailable(pattern, reasons[error.name]), pattern)

    return PathDispatcher(not_found, create, on_startup_failure=failed)


def _with_link(app: ASGIApp, pattern: catalog.Pattern) -> BackLink:
    title, mount = f"{pattern.title}, the original", f"{MOUNT}/{pattern.name}"
    return BackLink(app, pattern.name, title, mount=mount)


def _failing(reason: str) -> ASGIApp:
    """Return an application that does not start, so that the dispatcher creates another one later.

    Arguments:
        reason: The message for the log.
    """

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": reason})

    return app


def _create_original(pattern: catalog.Pattern, config: Mapping[str, Any]) -> Any:
    """Return the WSGI application of the original of *pattern*.

    Raises:
        OriginalUnavailableError: A library or a service is missing.
    """
    settings = {
        # Ports and originals would overwrite each other's sessions.
        "SESSION_COOKIE_NAME": f"original_{pattern.name}",
        **{
            key: config[key] for key in ("DATABASE", "SECRET_KEY", "UPLOAD_FOLDER") if key in config
        },
    }
    try:
        if special := _SPECIAL.get(pattern.name):
            settings |= special(config)
        module = importlib.import_module(f"quartpatterns.{pattern.name}.example.original")
        app = module.create_app(settings)
    except ImportError as error:
        if not error.name or error.name.startswith("quartpatterns"):
            raise
        raise OriginalUnavailableError(
            f"{error.name} is not installed. Run: {install_command('originals')}"
        ) from error
    if pattern.name == "singlepageapplications":
        app.after_request(_insert_mount)
    if pattern.name == "tasks":
        _check_celery(app.extensions["celery"])
    return app


def _insert_mount(response: Any) -> Any:
    """Add the mount to the ``<base>`` element of the index, which is that of the root of a server.

    The port does it itself.
    """
    from flask import request

    if response.mimetype == "text/html" and response.status_code == 200:
        response.direct_passthrough = False
        base = f'<base href="{escape(request.root_path)}/">'
        response.set_data(response.get_data().replace(BASE, base.encode()))
        del response.headers["ETag"]  # It is that of other bytes.
    return response


def _sqlalchemy(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the database of the port, with a synchronous driver."""
    from sqlalchemy import make_url

    if not (given := config.get("SQLALCHEMY_DATABASE_URI")):
        raise OriginalUnavailableError("Set DATABASE_URL, and restart the gallery.")
    url = make_url(given)
    backend = url.get_backend_name()
    if backend in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
        if mode := url.query.get("ssl"):  # the name that asyncpg has for it
            url = url.difference_update_query(["ssl"]).update_query_dict({"sslmode": mode})
    else:
        url = url.set(drivername=backend)
    return {"SQLALCHEMY_DATABASE_URI": url.render_as_string(hide_password=False)}


def _mongodb(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the database of the port, if it responds."""
    import pymongo
    from pymongo.errors import PyMongoError

    url = config.get("MONGODB_URL")
    try:
        if not url:
            raise OriginalUnavailableError(service_remedy(catalog.get("mongodb")))
        milliseconds = round(WAIT * 1000)
        with pymongo.MongoClient[dict[str, Any]](
            url, serverSelectionTimeoutMS=milliseconds
        ) as client:
            client.admin.command("ping")
    except PyMongoError as error:
        log.warning("MongoDB does not respond: %s", error)
        raise OriginalUnavailableError("MongoDB does not respond. Start it again.") from error
    parts = urlsplit(url)
    if parts.path in ("", "/"):
        url = urlunsplit((parts.scheme, parts.netloc, "/myapp", parts.query, ""))
    return {"MONGODB_SETTINGS": {"host": url, "serverSelectionTimeoutMS": milliseconds}}


def celery_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of Celery with the Redis of the gallery.

    Raises:
        OriginalUnavailableError: There is no Redis.
    """
    if not (url := config.get("REDIS_URL")):
        raise OriginalUnavailableError(service_remedy(catalog.get("tasks")))
    limits = {"socket_connect_timeout": WAIT, "max_retries": 1}
    options = {"broker_url": url, "result_backend": url, "task_ignore_result": True}
    options |= {"broker_transport_options": limits, "broker_connection_retry_on_startup": True}
    return {"CELERY": options}


def _check_celery(celery: Any) -> None:
    """Check that a worker of Celery runs.

    Raises:
        OriginalUnavailableError: None runs, or the Redis does not respond.
    """
    try:
        found = celery.control.ping(timeout=WAIT)
    except Exception as error:  # of the transport, the Redis client, or the system
        log.warning("Celery can't reach its broker: %s", error)
        raise OriginalUnavailableError("Redis does not respond. Start it again.") from error
    if not found:
        raise OriginalUnavailableError(
            f"No Celery worker runs. Start one with the REDIS_URL of the gallery: {CELERY}"
        )


_SPECIAL: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "mongodb": _mongodb,
    "sqlalchemy": _sqlalchemy,
    "tasks": celery_settings,
}
