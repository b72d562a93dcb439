"""The configuration of a queue and its worker, with one place for the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from quart import Quart
from redis.asyncio.connection import parse_url

__all__ = ["DEFAULTS", "Settings", "address", "read_settings"]

DEFAULTS: dict[str, Any] = {
    # Where the queue is: redis://, rediss:// or unix://.
    "REDIS_URL": "redis://localhost:6379/0",
    # Applications that share a Redis need names of their own; None is "tasks:" and app.name.
    "TASKS_QUEUE_NAME": None,
    # Seconds a task may run, unless it says otherwise.
    "TASKS_TIMEOUT": 300,
    # How often a task is started at most: retries, and starts after a worker was lost.
    "TASKS_MAX_TRIES": 5,
    # Seconds a result is kept; 0 keeps none.
    "TASKS_KEEP_RESULT": 3600,
    # Seconds a job may wait in the queue before it fails as expired.
    "TASKS_EXPIRES": 86400,
    # Jobs a worker runs at a time.
    "TASKS_MAX_JOBS": 10,
    # Seconds between two looks at the queue, and at a result that is waited for.
    "TASKS_POLL_DELAY": 0.1,
    # Seconds after which the jobs of a worker that died are started by another.
    "TASKS_LEASE": 10,
    # Seconds running jobs may go on when their worker is asked to stop; then they are queued again.
    "TASKS_SHUTDOWN_TIMEOUT": 5,
    # Seconds to wait for Redis, whatever is asked of it.
    "TASKS_REDIS_TIMEOUT": 3,
    # Connections to Redis that a process opens at most.
    "TASKS_MAX_CONNECTIONS": 20,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration as it was read; :data:`DEFAULTS` says what each value means."""

    redis_url: str
    queue_name: str
    timeout: float
    max_tries: int
    keep_result: float
    expires: float
    max_jobs: int
    poll_delay: float
    lease: float
    shutdown_timeout: float
    redis_timeout: float
    max_connections: int


def read_settings(app: Quart) -> Settings:
    """The settings of *app*, after its configuration was given the missing defaults.

    Raises:
        ValueError: A value can't be used; the message names its key.
    """
    config = cast(dict[str, Any], app.config)
    for key, default in DEFAULTS.items():
        config.setdefault(key, default)
    return Settings(
        redis_url=_url(config["REDIS_URL"] or DEFAULTS["REDIS_URL"]),
        queue_name=config["TASKS_QUEUE_NAME"] or f"tasks:{app.name}",
        timeout=_number(config, "TASKS_TIMEOUT"),
        max_tries=_count(config, "TASKS_MAX_TRIES"),
        keep_result=_number(config, "TASKS_KEEP_RESULT", zero=True),
        expires=_number(config, "TASKS_EXPIRES"),
        max_jobs=_count(config, "TASKS_MAX_JOBS"),
        poll_delay=_number(config, "TASKS_POLL_DELAY"),
        lease=_number(config, "TASKS_LEASE"),
        shutdown_timeout=_number(config, "TASKS_SHUTDOWN_TIMEOUT", zero=True),
        redis_timeout=_number(config, "TASKS_REDIS_TIMEOUT"),
        max_connections=_count(config, "TASKS_MAX_CONNECTIONS"),
    )


def address(url: str) -> str:
    """Where *url* points to, without its password: for logs and messages."""
    parts = urlsplit(url)
    return (
        parts.path
        if parts.scheme == "unix"
        else f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    )


def _url(value: object) -> str:
    try:
        parse_url(cast(str, value))
    except (AttributeError, TypeError, ValueError) as error:
        # The value isn't shown, as it may hold a password.
        raise ValueError(f"REDIS_URL is not like redis://host:6379/0: {error}") from error
    return cast(str, value)


def _number(config: dict[str, Any], key: str, *, zero: bool = False) -> float:
    value = config[key]
    if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        if value or zero:
            return value
    raise ValueError(f"{key} is {value!r}: give seconds, {'0 or more' if zero else 'more than 0'}")


def _count(config: dict[str, Any], key: str) -> int:
    value = config[key]
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"{key} is {value!r}: give a whole number, 1 or more")
