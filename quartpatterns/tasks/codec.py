"""Arguments and results as JSON: readable by any program, and unable to run code when read."""

from __future__ import annotations

import json
from typing import Any

from quartpatterns.tasks.errors import describe

__all__ = ["decode", "encode", "ensure_json"]


def encode(job: dict[str, Any]) -> bytes:
    """The ``job_serializer`` for arq: *job* as JSON, the error of a failed one as its text."""
    return json.dumps(job, default=_error_text, allow_nan=False).encode()


def decode(data: bytes) -> dict[str, Any]:
    """The ``job_deserializer`` for arq."""
    job: dict[str, Any] = json.loads(data)
    return job


def ensure_json(value: object, what: str, advice: str) -> None:
    """Check that *value* can be written as JSON.

    Arguments:
        value: To be checked. A tuple passes, and arrives as a list.
        what: What it is, for the message.
        advice: What to do instead, for the message.

    Raises:
        TypeError: It can't be.
    """
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{what} is not JSON ({error}): {advice}") from error


def _error_text(value: object) -> str:
    if isinstance(value, BaseException):
        return describe(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
