"""arq's format of a queue: the names of the keys in Redis, and the data of jobs and results.

Jobs that this package queues can be run by arq's worker, and the other way round. Everything that
the package takes from arq is in this module and in :mod:`quartpatterns.tasks.arq_worker`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

from arq.constants import (
    abort_jobs_ss,
    health_check_key_suffix,
    in_progress_key_prefix,
    job_key_prefix,
    result_key_prefix,
    retry_key_prefix,
)
from arq.cron import next_cron
from arq.utils import to_unix_ms
from arq.worker import JobExecutionFailed
from arq.worker import Retry as ArqRetry

__all__ = [
    "ABORTED",
    "HEALTH_CHECK_SUFFIX",
    "IN_PROGRESS_PREFIX",
    "JOB_PREFIX",
    "RESULT_PREFIX",
    "TRIES_PREFIX",
    "ArqRetry",
    "ErrorText",
    "JobData",
    "JobExecutionFailed",
    "NotJSONError",
    "decode",
    "decode_job",
    "encode",
    "encode_job",
    "encode_json",
    "encode_result",
    "error_text",
    "next_cron",
    "to_unix_ms",
]

JOB_PREFIX = job_key_prefix
RESULT_PREFIX = result_key_prefix
TRIES_PREFIX = retry_key_prefix
IN_PROGRESS_PREFIX = in_progress_key_prefix
ABORTED = abort_jobs_ss
HEALTH_CHECK_SUFFIX = health_check_key_suffix


class NotJSONError(TypeError):
    """A value cannot be written as JSON."""


@dataclass(frozen=True, slots=True)
class JobData:
    """What the queue stores of a job.

    Arguments:
        name: The name of the task.
        args: The positional arguments.
        kwargs: The keyword arguments.
        enqueued: When it was queued, in milliseconds since 1970.
        then: What follows when it has ended, as :mod:`quartpatterns.tasks.links` writes it.
        error: The text of the error with which the job fails without being run, or ``None``.
    """

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    enqueued: int
    then: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    error: str | None = None


def encode_job(job: JobData) -> bytes:
    """Return the data of *job*.

    Raises:
        NotJSONError: An argument cannot be written as JSON.
    """
    data: dict[str, Any] = {"t": None, "f": job.name, "a": job.args, "k": job.kwargs}
    data["et"] = job.enqueued
    if job.then:
        data["then"] = job.then
    return encode_json(data)


def decode_job(data: bytes) -> JobData:
    """Return the job in *data*.

    Raises:
        ValueError: The data was not written by :func:`encode_job`.
    """
    try:
        job = decode(data)
        then, error = job.get("then", []), job.get("e")
        return JobData(job["f"], job["a"], job["k"], job["et"], then, error)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"the data of the job cannot be read: {error!r}") from error


def encode_result(
    job: JobData, id: str, queue: str, tries: int, success: bool, value: Any, start: int, end: int
) -> bytes:
    """Return the data of the result of *job*.

    Arguments:
        job: The job.
        id: Its id in arq.
        queue: The name of its queue.
        tries: How often it was started.
        success: Whether it succeeded.
        value: What it returned, or its error.
        start: When it was started, in milliseconds since 1970.
        end: When it ended, in milliseconds since 1970.

    Raises:
        NotJSONError: The value cannot be written as JSON.
    """
    data = {"t": tries, "f": job.name, "a": job.args, "k": job.kwargs, "et": job.enqueued}
    data |= {"s": success, "r": value, "st": start, "ft": end, "q": queue, "id": id}
    try:
        return encode(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJSONError(str(error)) from error


class ErrorText(Exception):  # noqa: N818 - not an error of its own
    """An error of which only the text is left, such as ``ValueError: too large``."""


def encode(data: dict[str, Any]) -> bytes:
    """Return *data* as JSON; an exception becomes its text.

    arq's default is pickle, which runs code when it is read.
    """
    return json.dumps(data, default=error_text, allow_nan=False).encode()


def encode_json(data: dict[str, Any]) -> bytes:
    """Return *data* as JSON.

    Raises:
        NotJSONError: A value cannot be written as JSON.
    """
    try:
        return json.dumps(data, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJSONError(str(error)) from error


def decode(data: bytes) -> dict[str, Any]:
    """Return the data from JSON."""
    return cast("dict[str, Any]", json.loads(data))


_REASONS: dict[type[BaseException], str] = {
    asyncio.CancelledError: "the job was revoked",
    TimeoutError: "the task ran longer than its timeout",
}


def error_text(value: object) -> str:
    """Return the value of a failed job: ``ValueError: too large``."""
    if not isinstance(value, BaseException):
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    if isinstance(value, ErrorText):
        return str(value)
    text = str(value) or _REASONS.get(type(value), "")
    return f"{type(value).__name__}: {text}" if text else type(value).__name__
