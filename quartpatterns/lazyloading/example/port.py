"""The port: central maps of URLs, with Quart. The views of one are imported late."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Quart, g

from quartpatterns.lazyloading import lazy_url
from quartpatterns.lazyloading.example import port_central_views as central_views
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> Quart:
    """Return the application; its own views are in ``port_views.py``, which nothing imports."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})

    @app.before_request
    async def remember() -> None:
        g.seen = "code that was imported at start"

    lazy_url(app, ".port_views.index", ["/"], check=True)
    lazy_url(app, ".port_views.user", ["/user/", "/user/<username>"], check=True)
    lazy_url(app, ".port_views.Shout", ["/shout"], endpoint="shout", methods=["GET", "POST"])
    lazy_url(app, ".port_views.nobody", ["/broken"])
    app.register_blueprint(central_map())
    return app


def central_map() -> Blueprint:
    """Return a map of views that are imported at once, the page's first step."""
    central = Blueprint("central", __name__, url_prefix="/central")
    central.add_url_rule("/", view_func=central_views.index)
    central.add_url_rule("/user/<username>", view_func=central_views.user)
    return central
