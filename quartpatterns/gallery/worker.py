"""The application that the worker of the gallery loads.

``quartpatterns worker quartpatterns.gallery.worker`` runs the tasks of the example
:mod:`quartpatterns.tasks`, and the comparisons and measurements that are started in the gallery.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from quartpatterns.gallery.run_tasks import init_runs, missing_service, start_next
from quartpatterns.gallery.run_tasks import tasks as run_tasks
from quartpatterns.gallery.settings import GallerySettings, read_environment
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import Tasks
from quartpatterns.tasks.example.port import tasks as example_tasks

__all__ = ["create_app"]

tasks = Tasks()
tasks.include(example_tasks)
tasks.include(run_tasks)


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return an application with all tasks of the gallery. It has no pages.

    Arguments:
        config: As for :func:`quartpatterns.gallery.create_app`.

    Raises:
        RuntimeError: No Redis or no database is configured.
    """
    app = FaithfulQuart(__name__)
    app.config.from_mapping(read_environment(os.environ) | dict(config or {}))
    if reason := missing_service(app.config):
        raise RuntimeError(f"{reason} The worker needs the same values as the gallery.")
    GallerySettings(app)
    init_runs(app)
    tasks.init_app(app)

    @app.before_serving
    async def continue_runs() -> None:
        async with app.app_context():
            await start_next()

    return app
