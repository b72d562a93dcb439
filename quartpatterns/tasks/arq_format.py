"""arq's format of a queue: the names of the keys in Redis, and the data of jobs and results.

Jobs that this package queues can be run by arq's worker, and the other way round. Everything that
the package takes from arq is in this module and in :mod:`quartpatterns.tasks.arq_worker`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
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

from quartpatterns._shared import tagged_json
from quartpatterns.tasks.signing import JobSigner

__all__ = [
    "ABORTED",
    "HEALTH_CHECK_SUFFIX",
    "IN_PROGRESS_PREFIX",
    "JOB_PREFIX",
    "RESULT_PREFIX",
    "TRIES_PREFIX",
    "ArqRetry",
    "JobData",
    "JobExecutionFailed",
    "NotJSONError",
    "decode",
    "decode_job",
    "dumps",
    "encode",
    "encode_job",
    "encode_result",
    "error_text",
    "loads",
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
    """

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    enqueued: int


def encode_job(job: JobData, id: str = "", signer: JobSigner | None = None) -> bytes:
    """Return the data of *job*.

    Arguments:
        job: The job.
        id: Its id in arq, which the signature covers.
        signer: What signs it, if ``TASKS_SIGNED`` is set.

    Raises:
        NotJSONError: An argument cannot be written as JSON.
    """
    data = {"t": None, "f": job.name, "a": job.args, "k": job.kwargs, "et": job.enqueued}
    if signer is None:
        return dumps(data)
    return signer.sign(dumps(data | {"id": id}))


def decode_job(data: bytes, id: str = "", signer: JobSigner | None = None) -> JobData:
    """Return the job in *data*.

    Arguments:
        data: The data.
        id: The id in arq of the job.
        signer: What checks the signature, if ``TASKS_SIGNED`` is set.

    Raises:
        ValueError: The data was not written by :func:`encode_job`.
        JobSignatureError: It was not signed with a key of the application, or for another job.
    """
    if signer is not None:
        signer.check(data)
    try:
        job = decode(data)
        call = JobData(job["f"], list(job["a"]), dict(job["k"]), job["et"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"the data of the job cannot be read: {error!r}") from error
    if signer is not None:
        signer.check_id(job.get("id"), id)
    return call


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
    return encode(data)


def encode(data: dict[str, Any]) -> bytes:
    """Return *data* as JSON; an exception becomes its text.

    arq's default is pickle, which runs code when it is read.

    Raises:
        NotJSONError: A value cannot be written as JSON.
    """
    return dumps(data)


def decode(data: bytes) -> dict[str, Any]:
    """Return the data from JSON.

    Raises:
        ValueError: It is not JSON.
    """
    return cast("dict[str, Any]", loads(data))


def dumps(value: object) -> bytes:
    """Return *value* as tagged JSON, so that a date or a set comes back as what it was.

    As in plain JSON, an instance of a subclass, such as an enum member that is a string, becomes
    what the class derives from.

    Raises:
        NotJSONError: It cannot be written as JSON.
    """
    try:
        try:
            return tagged_json.dumps(value).encode()
        except tagged_json.TaggedJSONEncodeError:
            return tagged_json.dumps(_with_base_types(value)).encode()
    except RecursionError as error:
        raise NotJSONError("it contains itself or is nested too deeply") from error
    except tagged_json.TaggedJSONEncodeError as error:
        raise NotJSONError(str(error)) from error


def loads(data: bytes) -> Any:
    """Return the value that :func:`dumps` has written.

    Raises:
        ValueError: It is not JSON.
    """
    # A tag starts with a space. Without one this is plain JSON, which is read faster. So is the
    # data of a job that was written before there were tags, or by a client of arq.
    if b'{" ' in data and not data.startswith(_UNTAGGED):
        return tagged_json.loads(data)
    return json.loads(data)


def _with_base_types(value: Any) -> Any:
    """Return *value* with the base types in place of their subclasses, and text for errors."""
    if isinstance(value, BaseException):
        return error_text(value)
    if isinstance(value, dict):
        mapping: dict[Any, Any] = cast("Any", value)
        return {_with_base_types(key): _with_base_types(item) for key, item in mapping.items()}
    for base in (list, tuple, set, frozenset):
        if isinstance(value, base):
            make: Any = base
            return make(_with_base_types(item) for item in cast("list[Any]", value))
    for base, convert in _BASES.items():
        if isinstance(value, base):
            return convert(value)
    return value


_UNTAGGED = b'{"t": '
_BASES: dict[type[Any], Any] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
}

_REASONS: dict[type[BaseException], str] = {
    asyncio.CancelledError: "the job was revoked",
    TimeoutError: "the task ran longer than its timeout",
}


def error_text(error: BaseException) -> str:
    """Return the value of a failed job: ``ValueError: too large``."""
    text = str(error) or _REASONS.get(type(error), "")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
