"""What goes wrong with a queue, in words that name the remedy."""

from __future__ import annotations

import asyncio

from werkzeug.exceptions import ServiceUnavailable

__all__ = ["TaskFailedError", "TasksUnavailableError", "describe"]


class TasksUnavailableError(ServiceUnavailable):
    """Redis can't be reached; a view that lets this through answers 503.

    Its cause is the error of the Redis client. The address stays in the log, as the description
    is shown to clients.
    """

    description = (
        "The task queue can't be reached. Start Redis or Valkey, or set REDIS_URL to one that runs."
    )


class TaskFailedError(Exception):
    """The task whose result was waited for has failed; the message is the error's text."""


_REASONS: dict[type[BaseException], str] = {
    asyncio.CancelledError: "the job was revoked",
    TimeoutError: "the task ran longer than its timeout",
}


def describe(error: BaseException) -> str:
    """The text of *error* as a failed job's value: ``ValueError: too large``."""
    text = str(error) or _REASONS.get(type(error), "")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
