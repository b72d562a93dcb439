"""The gallery: every port at ``/<pattern>/``, and a page about each pattern.

``quartpatterns serve`` runs ``quartpatterns.gallery:create_app()`` under a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Quart

__all__ = ["create_app"]


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """Return the gallery, with the port of each pattern mounted at its name.

    Arguments:
        config: Settings of the gallery and of every port. By default they come from the environment
            variables ``REDIS_URL``, ``MONGODB_URL``, ``DATABASE_URL``, ``SQLITE_FILE``,
            ``UPLOAD_FOLDER`` and ``SECRET_KEY``, and for the gallery itself from those that start
            with ``QUARTPATTERNS_``.

    .. versionadded:: 0.1
    """
    # Migrations import a module of this package without the libraries of the pages.
    from quartpatterns.gallery.application import create_app

    return create_app(config)
