"""Create the ports. A port that cannot be created or started responds with 503 and a remedy."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping
from typing import Any

from quart import Quart, render_template

from quartpatterns import catalog
from quartpatterns._shared.extras import install_command
from quartpatterns.appdispatch import StartupError
from quartpatterns.compare.services import MISSING_SERVICES
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["create_ports", "failed_port", "service_remedy", "unavailable"]

log = logging.getLogger(__name__)

REMEDIES = {
    "redis": "Set REDIS_URL to a running Valkey or Redis, and restart the gallery.",
    "mongodb": "Set MONGODB_URL to a running MongoDB, and restart the gallery.",
}


def create_ports(config: Mapping[str, Any]) -> dict[str, Quart]:
    """Return the port of each pattern, created with *config*, by the path to mount it at."""
    return {f"/{pattern.name}": _create_port(pattern, config) for pattern in catalog.PATTERNS}


def _create_port(pattern: catalog.Pattern, config: Mapping[str, Any]) -> Quart:
    missing = os.environ.get(MISSING_SERVICES, "").split(",")
    if any(service in missing for service in pattern.services):
        return unavailable(pattern, service_remedy(pattern))
    try:
        module = importlib.import_module(f"quartpatterns.{pattern.name}.example.port")
        port: Quart = module.create_app({**config, **_cache(pattern, config)})
    except ImportError as error:
        if not error.name or error.name.startswith("quartpatterns"):
            raise
        log.warning("The port of %s cannot be imported: %s", pattern.name, error)
        return unavailable(pattern, f"Run: {install_command('gallery')}")
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
    return unavailable(
        pattern, service_remedy(pattern) or "It did not start. See the log of the server."
    )


def service_remedy(pattern: catalog.Pattern) -> str:
    """Return what to do if a service that *pattern* needs is missing; empty if it needs none."""
    return " ".join(REMEDIES[service] for service in pattern.services)


def unavailable(pattern: catalog.Pattern, remedy: str) -> Quart:
    """Return an application that responds with 503 and a page with *remedy*."""
    app = FaithfulQuart(__name__)

    @app.route("/", defaults={"path": ""})
    @app.route("/<path:path>")
    async def answer(path: str) -> tuple[str, int]:
        page = await render_template("gallery/unavailable.html", pattern=pattern, remedy=remedy)
        return page, 503

    return app
