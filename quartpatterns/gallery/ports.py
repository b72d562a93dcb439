"""Create the ports. A port that cannot be created or started responds with 503 and a remedy."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from quart import Quart, render_template

from quartpatterns import catalog
from quartpatterns._shared.extras import install_command
from quartpatterns.appdispatch import StartupError
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["create_ports", "failed_port"]

log = logging.getLogger(__name__)

REMEDIES = {
    "redis": "Set REDIS_URL to a running Valkey or Redis, and restart the gallery.",
    "mongodb": "Set MONGODB_URL to a running MongoDB, and restart the gallery.",
}


def create_ports(config: Mapping[str, Any]) -> dict[str, Quart]:
    """Return the port of each pattern, created with *config*, by the path to mount it at."""
    return {f"/{pattern.name}": _create_port(pattern, config) for pattern in catalog.PATTERNS}


def _create_port(pattern: catalog.Pattern, config: Mapping[str, Any]) -> Quart:
    try:
        module = importlib.import_module(f"quartpatterns.{pattern.name}.example.port")
        port: Quart = module.create_app({**config, **_cache(pattern, config)})
    except ImportError as error:
        if not error.name or error.name.startswith("quartpatterns"):
            raise
        log.warning("The port of %s cannot be imported: %s", pattern.name, error)
        return _unavailable(pattern, f"Run: {install_command('gallery')}")
    return port


def _cache(pattern: catalog.Pattern, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of the cache, which all server processes share if there is a Redis."""
    if not config.get("REDIS_URL"):
        return {}
    return {
        "CACHE_TYPE": "RedisCache",
        "CACHE_REDIS_URL": config["REDIS_URL"],
        "CACHE_KEY_PREFIX": f"gallery:{pattern.name}:",
    }


def failed_port(error: StartupError) -> Quart:
    """Return the replacement of a port that did not start."""
    pattern = catalog.get(error.name.strip("/"))
    remedies = [REMEDIES[service] for service in pattern.services]
    return _unavailable(
        pattern, " ".join(remedies) or "It did not start. See the log of the server."
    )


def _unavailable(pattern: catalog.Pattern, remedy: str) -> Quart:
    app = FaithfulQuart(__name__)

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>")
    async def unavailable(path: str) -> tuple[str, int]:
        page = await render_template("gallery/unavailable.html", pattern=pattern, remedy=remedy)
        return page, 503

    return app
