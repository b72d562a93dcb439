"""The settings of a queue and its worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from quart import Quart
from redis.asyncio.connection import parse_url

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    refuse_unknown,
)

__all__ = ["DEFAULTS", "Settings", "read_settings"]

DEFAULTS: dict[str, Any] = {
    # The URL of Redis: redis://, rediss:// or unix://.
    "REDIS_URL": "redis://localhost:6379/0",
    # The key of the queue in Redis. None stands for "tasks:" and app.name.
    "TASKS_QUEUE_NAME": None,
    # Seconds that a task may run.
    "TASKS_TIMEOUT": 300,
    # Maximum number of times that a job is started: the first time, and after each Retry.
    "TASKS_MAX_TRIES": 5,
    # Number of workers that may die while they run a job and no other job that can be to blame.
    "TASKS_MAX_CRASHES": 3,
    # Seconds that a result is stored; 0 stores none.
    "TASKS_KEEP_RESULT": 3600,
    # Seconds that a job may wait to be started for the first time before it fails as expired.
    "TASKS_EXPIRES": 86400,
    # Maximum number of jobs that a worker runs at the same time.
    "TASKS_MAX_JOBS": 10,
    # Seconds after which an idle worker looks at the queue by itself. A job that this package
    # queues wakes a worker at once.
    "TASKS_POLL_DELAY": 1,
    # Seconds after which another worker starts the jobs of a worker that died.
    "TASKS_LEASE": 10,
    # Seconds that running jobs have to end after the worker receives a signal to stop. Jobs that
    # are still running are then queued again.
    "TASKS_SHUTDOWN_TIMEOUT": 5,
    # Seconds to wait for an answer of Redis.
    "TASKS_REDIS_TIMEOUT": 3,
    # Maximum number of connections to Redis of one process.
    "TASKS_MAX_CONNECTIONS": 20,
    # Whether the application runs its jobs itself, without Redis and a worker: for tests.
    "TASKS_EAGER": False,
}
"""The settings and their default values."""

SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated settings; :data:`DEFAULTS` explains each."""

    redis_url: str
    queue_name: str
    timeout: float
    max_tries: int
    max_crashes: int
    keep_result: float
    expires: float
    max_jobs: int
    poll_delay: float
    lease: float
    shutdown_timeout: float
    redis_timeout: float
    max_connections: int
    eager: bool


def read_settings(app: Quart) -> Settings:
    """Return the settings of *app*, whose configuration gets the missing defaults.

    Raises:
        SettingError: A value is invalid, or a key that starts with ``TASKS_`` is unknown.
    """
    apply_defaults(app, DEFAULTS)
    refuse_unknown(app.config, "TASKS_", DEFAULTS)
    read = SettingsReader(app.config)
    return Settings(
        redis_url=_redis_url(app),
        queue_name=read.optional(read.text, "TASKS_QUEUE_NAME") or f"tasks:{app.name}",
        timeout=read.seconds("TASKS_TIMEOUT"),
        max_tries=read.count("TASKS_MAX_TRIES"),
        max_crashes=read.count("TASKS_MAX_CRASHES"),
        keep_result=read.seconds("TASKS_KEEP_RESULT", zero=True),
        expires=read.seconds("TASKS_EXPIRES"),
        max_jobs=read.count("TASKS_MAX_JOBS"),
        poll_delay=read.seconds("TASKS_POLL_DELAY"),
        lease=read.seconds("TASKS_LEASE"),
        shutdown_timeout=read.seconds("TASKS_SHUTDOWN_TIMEOUT", zero=True),
        redis_timeout=read.seconds("TASKS_REDIS_TIMEOUT"),
        max_connections=read.count("TASKS_MAX_CONNECTIONS"),
        eager=read.boolean("TASKS_EAGER"),
    )


def _redis_url(app: Quart) -> str:
    # An environment variable that is empty counts as missing.
    config = app.config if app.config["REDIS_URL"] else DEFAULTS
    url = SettingsReader(config).url("REDIS_URL", SCHEMES, example=DEFAULTS["REDIS_URL"])
    try:
        parse_url(url)
    except ValueError as error:
        # The message does not show the URL, which may contain a password.
        raise SettingError("REDIS_URL", f"REDIS_URL is not a valid URL: {error}") from error
    return url
