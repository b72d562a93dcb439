"""The options of a call, and their checks: its id, its time and how long it may wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import TypedDict

from quartpatterns.tasks import arq_format

__all__ = [
    "MAX_SECONDS",
    "Schedule",
    "check_expires",
    "check_id",
    "check_option_names",
    "job_start",
]

MAX_ID_BYTES = 512
MAX_SECONDS = 10 * 365 * 86400.0
"""Ten years. Redis cannot store every time that a float can be."""


class Schedule(TypedDict, total=False):
    """The options of a call; :meth:`Task.apply_async` explains them."""

    task_id: str | None
    countdown: float | None
    eta: datetime | None
    expires: float | None
    queue: str | None


def check_option_names(options: Mapping[str, object]) -> None:
    """Raise an error if a call does not have one of *options*.

    Raises:
        TypeError: It does not.
    """
    if unknown := options.keys() - Schedule.__annotations__:
        names = ", ".join(Schedule.__annotations__)
        raise TypeError(f"unknown options: {', '.join(sorted(unknown))}; they are {names}")


def check_id(id: object) -> str:
    """Return *id* if it can be the id of a job.

    Raises:
        TypeError: It is no string.
        ValueError: It is empty, too long, or contains a lone surrogate.
    """
    if not isinstance(id, str):
        raise TypeError(f"task_id must be a string, not {type(id).__name__}")
    try:
        length = len(id.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"task_id {id!r} contains a lone surrogate, which UTF-8 lacks") from error
    if not 0 < length <= MAX_ID_BYTES:
        raise ValueError(f"task_id must have 1 to {MAX_ID_BYTES} bytes in UTF-8, not {length}")
    return id


def job_start(countdown: object, eta: object) -> tuple[float, str]:
    """Return the milliseconds of the start, and whether they are a time or a delay."""
    if countdown is not None and eta is not None:
        raise ValueError("pass countdown or eta, not both")
    if eta is not None:
        if not isinstance(eta, datetime):
            raise TypeError(f"eta must be a datetime, not {type(eta).__name__}")
        return arq_format.to_unix_ms(eta), "at"
    return max(
        0.0, number_of_seconds("countdown", 0 if countdown is None else countdown)
    ) * 1000, "in"


def check_expires(expires: object) -> float:
    """Return *expires* if it is a number of seconds that is more than 0.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN, too large, or not more than 0.
    """
    if (seconds := number_of_seconds("expires", expires)) <= 0:
        raise ValueError(f"expires must be more than 0 seconds, not {expires!r}")
    return seconds


def number_of_seconds(name: str, value: object) -> float:
    """Return *value* if it is a number of seconds.

    Raises:
        TypeError: It is no number.
        ValueError: It is NaN or too large.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not math.isfinite(value) or abs(value) > MAX_SECONDS:
        raise ValueError(f"{name} must be a number of seconds up to ten years, not {value!r}")
    return float(value)
