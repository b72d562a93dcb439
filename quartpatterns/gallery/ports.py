"""The ports, each made by its own factory; one that can't be made answers 503 and says why."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from quart import Quart, render_template

from quartpatterns import catalog
from quartpatterns.appdispatch import StartupError
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["kept_out", "mounts", "unavailable"]

log = logging.getLogger(__name__)

REMEDIES = {
    "redis": "Set REDIS_URL to a running Valkey or Redis, and start the gallery again.",
    "mongodb": "Set MONGODB_URL to a running MongoDB, and start the gallery again.",
}


def mounts(config: Mapping[str, Any]) -> dict[str, Quart]:
    """The port of each pattern, by the path it is mounted at.

    Arguments:
        config: Settings that every port is created with.
    """
    return {f"/{pattern.name}": _port(pattern, config) for pattern in catalog.PATTERNS}


def _port(pattern: catalog.Pattern, config: Mapping[str, Any]) -> Quart:
    try:
        module = importlib.import_module(f"quartpatterns.{pattern.name}.example.port")
        port: Quart = module.create_app(config)
    except ImportError as error:
        if not error.name or error.name.startswith("quartpatterns"):
            raise
        log.warning("the port of %s can't be imported: %s", pattern.name, error)
        extra = pattern.extra or "all"
        return unavailable(pattern, f"Install what it needs: pip install 'quartpatterns[{extra}]'")
    return port


def kept_out(error: StartupError) -> Quart:
    """What answers in place of a port that did not start; the others run on."""
    pattern = catalog.get(error.name.strip("/"))
    remedies = [REMEDIES[service] for service in pattern.services]
    return unavailable(
        pattern, " ".join(remedies) or "It did not start; the server's log says why."
    )


def unavailable(pattern: catalog.Pattern, remedy: str) -> Quart:
    """An application that answers every request with 503 and *remedy*."""
    app = FaithfulQuart(__name__)

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>")
    async def explain(path: str) -> tuple[str, int]:
        page = await render_template("gallery/unavailable.html", pattern=pattern, remedy=remedy)
        return page, 503

    return app
