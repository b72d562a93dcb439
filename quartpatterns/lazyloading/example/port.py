"""The port: a central map of URLs, with Quart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Quart, g

from quartpatterns.lazyloading import lazy_url
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """Return the application; its views are in ``port_views.py``, which nothing imports."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})

    @app.before_request
    async def remember() -> None:
        g.seen = "code that was imported at start"

    lazy_url(app, ".port_views.index", ["/"], check=True)
    lazy_url(app, ".port_views.user", ["/user/", "/user/<username>"], check=True)
    lazy_url(app, ".port_views.Shout", ["/shout"], endpoint="shout", methods=["GET", "POST"])
    lazy_url(app, ".port_views.nobody", ["/broken"])
    return app
