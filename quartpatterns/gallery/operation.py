"""For those who run the gallery: whether it is alive and ready, and its metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from quart import Blueprint, Quart, current_app
from quart.typing import ResponseReturnValue
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from quartpatterns._shared.threads import run_sync
from quartpatterns.gallery.metrics import CONTENT_TYPE, metrics_text
from quartpatterns.gallery.results import Run, count_runs, db
from quartpatterns.gallery.run_tasks import has_results
from quartpatterns.gallery.settings import gallery_settings

__all__ = ["init_app"]

log = logging.getLogger(__name__)

CHECK_TIMEOUT = 2.0
"""Seconds that a service has to respond."""
CHECK_INTERVAL = 1.0
"""Seconds for which an answer counts."""
NO_STORE = {"Cache-Control": "no-store"}

_EXTENSION = "quartpatterns.readiness"

views = Blueprint("operation", __name__)


def init_app(app: Quart) -> None:
    """Add the pages to the gallery *app*, whose settings have been read."""
    app.register_blueprint(views)
    app.extensions[_EXTENSION] = Readiness(app.config)


@views.get("/healthz")
async def health() -> ResponseReturnValue:
    """Answer that this process is alive. It asks nothing else."""
    return {"status": "alive"}, NO_STORE


@views.get("/readyz")
async def readiness() -> ResponseReturnValue:
    """Ask the services that are in use: 200 if all respond, 503 with reasons if not."""
    checks: Readiness = current_app.extensions[_EXTENSION]
    reasons = await checks.reasons()
    services = {name: reason or "ready" for name, reason in reasons.items()}
    ready = not any(reasons.values())
    status = "ready" if ready else "not ready"
    return {"status": status, "services": services}, 200 if ready else 503, NO_STORE


Check = Callable[[Mapping[str, Any]], Awaitable[object]]


class Readiness:
    """Why services are not ready.

    Many requests at once ask each service once: everybody may send them.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._lock = asyncio.Lock()
        self._checked = -CHECK_INTERVAL
        self._reasons: dict[str, str | None] = {}

    async def reasons(self) -> dict[str, str | None]:
        """Return the reason for each service that is in use, ``None`` for one that is ready."""
        async with self._lock:
            if time.monotonic() - self._checked >= CHECK_INTERVAL:
                names = [name for name, (key, _) in _CHECKS.items() if self._config.get(key)]
                reasons = await asyncio.gather(*map(self._reason, names))
                self._reasons = dict(zip(names, reasons, strict=True))
                self._checked = time.monotonic()
            return self._reasons

    async def _reason(self, name: str) -> str | None:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await _CHECKS[name][1](self._config)
        except TimeoutError:
            return f"no response after {CHECK_TIMEOUT:g} s"
        except Exception as error:  # of the drivers, whose messages may contain addresses
            log.warning("%s is not ready: %s", name, error)
            return f"{type(error).__name__}: see the log"
        return None


async def _check_database(_: Mapping[str, Any]) -> None:
    # A session of its own: the checks run at the same time. Without the table, it is not migrated.
    async with db.new_session() as session:
        await session.execute(select(Run.id).limit(1))


async def _check_redis(config: Mapping[str, Any]) -> None:
    from redis.asyncio import Redis

    async with Redis.from_url(config["REDIS_URL"]) as client:
        await client.ping()


async def _check_mongodb(config: Mapping[str, Any]) -> None:
    from pymongo import AsyncMongoClient

    milliseconds = round(CHECK_TIMEOUT * 1000)
    async with AsyncMongoClient[dict[str, Any]](
        config["MONGODB_URL"], serverSelectionTimeoutMS=milliseconds
    ) as client:
        await client.admin.command("ping")


_CHECKS: dict[str, tuple[str, Check]] = {
    "database": ("SQLALCHEMY_DATABASE_URI", _check_database),
    "redis": ("REDIS_URL", _check_redis),
    "mongodb": ("MONGODB_URL", _check_mongodb),
}


@views.get("/metrics")
async def metrics() -> ResponseReturnValue:
    """Return the numbers for Prometheus, to this machine unless ``GALLERY_METRICS_FROM`` allows."""
    if reason := gallery_settings(current_app).metrics_from.refusal():
        return f"{reason} The option --metrics-from allows others.\n", 403, _PLAIN
    runs: list[tuple[str, str, int]] = []
    if has_results(current_app.config):
        try:
            runs = await count_runs()
        except SQLAlchemyError:
            log.warning("The runs can't be counted", exc_info=True)
    return await run_sync(metrics_text)(runs), {"Content-Type": CONTENT_TYPE, **NO_STORE}


_PLAIN = {"Content-Type": "text/plain; charset=utf-8", **NO_STORE}
