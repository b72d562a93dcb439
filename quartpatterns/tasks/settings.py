"""The settings of a queue and its worker."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from quart import Quart
from redis.asyncio.connection import parse_url

from quartpatterns._shared.settings import (
    SettingError,
    SettingsReader,
    apply_defaults,
    invalid_setting,
    refuse_unknown,
)
from quartpatterns._shared.settings_of.tasks import SETTINGS
from quartpatterns._shared.suggestions import did_you_mean

__all__ = ["DEFAULTS", "DEFAULT_QUEUE", "SETTINGS", "Settings", "read_settings"]

DEFAULTS = SETTINGS.defaults
"""The default of each setting."""

DEFAULT_QUEUE = "default"
"""The queue of tasks that have no other; its key in Redis is ``TASKS_QUEUE_NAME`` alone."""

SCHEMES = ("redis", "rediss", "unix")


@dataclass(frozen=True, slots=True)
class Settings:
    """The validated settings; ``SETTINGS`` explains each."""

    redis_url: str
    queue_name: str
    queues: tuple[str, ...]
    timeout: float
    max_tries: int
    max_crashes: int
    keep_result: float
    expires: float
    max_jobs: int
    processes: int | None
    poll_delay: float
    lease: float
    shutdown_timeout: float
    redis_timeout: float
    max_connections: int
    eager: bool
    keep_failed: int
    signed: bool
    max_size: int

    def queue_key(self, name: str | None) -> str:
        """Return the key in Redis of the queue *name*, by default of the default queue.

        Raises:
            ValueError: ``TASKS_QUEUES`` does not contain it.
        """
        if name is None or name == DEFAULT_QUEUE:
            return self.queue_name
        if name not in self.queues:
            known = ", ".join(self.queues) + did_you_mean(name, self.queues, before="; ")
            raise ValueError(f"unknown queue {name!r}: TASKS_QUEUES contains {known}")
        return f"{self.queue_name}:queue:{name}"

    def queue_keys(self, names: Iterable[str] | None = None) -> list[str]:
        """Return the keys of the queues *names*, by default of all, in their order.

        Raises:
            ValueError: ``TASKS_QUEUES`` does not contain one of them, or there are none.
        """
        chosen = list(dict.fromkeys(self.queues if names is None else names))
        if not chosen:
            raise ValueError(f"name a queue: TASKS_QUEUES contains {', '.join(self.queues)}")
        return [self.queue_key(name) for name in chosen]

    def queue_labels(self) -> dict[str, str]:
        """Return the names of all queues in ``TASKS_QUEUES``, by their keys in Redis."""
        return dict(zip(self.queue_keys(), self.queues, strict=True))


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
        queues=_queues(read),
        timeout=read.seconds("TASKS_TIMEOUT"),
        max_tries=read.count("TASKS_MAX_TRIES"),
        max_crashes=read.count("TASKS_MAX_CRASHES"),
        keep_result=read.seconds("TASKS_KEEP_RESULT", zero=True),
        expires=read.seconds("TASKS_EXPIRES"),
        max_jobs=read.count("TASKS_MAX_JOBS"),
        processes=read.optional(read.count, "TASKS_PROCESSES"),
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


def _queues(read: SettingsReader) -> tuple[str, ...]:
    names = read.strings("TASKS_QUEUES")
    wrong = [name for name in names if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name)]
    if wrong:
        requirement = "names of up to 64 letters, digits, '_', '-' and '.'"
        raise invalid_setting("TASKS_QUEUES", requirement, wrong[0])
    if DEFAULT_QUEUE not in names or len(set(names)) < len(names):
        requirement = f"different names, one of which is {DEFAULT_QUEUE!r}"
        raise invalid_setting("TASKS_QUEUES", requirement, list(names))
    return names


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
