"""The settings of a queue and its worker."""

from __future__ import annotations

from dataclasses import dataclass

from quart import Quart
from redis.asyncio.connection import parse_url

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    refuse_unknown,
)
from quartpatterns._shared.settings_of.tasks import SETTINGS

__all__ = ["DEFAULTS", "SETTINGS", "Settings", "read_settings"]

DEFAULTS = SETTINGS.defaults
"""The default of each setting."""

SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated settings; ``SETTINGS`` explains each."""

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
    keep_failed: int
    signed: bool
    max_size: int


def read_settings(app: Quart) -> Settings:
    """Return the settings of *app*, whose configuration gets the missing defaults.

    Raises:
        SettingError: A value is invalid, or a key that starts with ``TASKS_`` is unknown.
    """
    apply_defaults(app, DEFAULTS)
    refuse_unknown(app.config, SETTINGS.prefixes, SETTINGS)
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
        keep_failed=read.count("TASKS_KEEP_FAILED", minimum=0),
        signed=read.boolean("TASKS_SIGNED"),
        max_size=read.size("TASKS_MAX_SIZE"),
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
