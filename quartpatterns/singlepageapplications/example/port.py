"""The port: a single-page application with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quartpatterns.singlepageapplications import SinglePageApp
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application: a front end in the folder ``app``, and its API."""
    app = FaithfulQuart(__name__, static_folder=None)
    app.config.from_mapping(config or {})

    @app.get("/heartbeat")
    async def heartbeat() -> dict[str, str]:
        return {"status": "healthy"}

    # As on the page, the API is not below a path of its own.
    SinglePageApp(app, "app", static_url_path="/app", api=())

    return app
