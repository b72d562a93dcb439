"""arq's format of a queue: the names of the keys in Redis, and the data of jobs and results.

Jobs that this package queues can be run by arq's worker, and the other way round. Everything that
the package takes from arq is in this module and in :mod:`quartpatterns.tasks.arq_worker`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
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

from quartpatterns._shared import tagged_json
from quartpatterns.tasks.signing import JobSignatureError, JobSigner

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
    "dumps",
    "encode",
    "encode_job",
    "encode_result",
    "encode_value",
    "error_text",
    "loads",
    "next_cron",
    "to_unix_ms",
    "with_values",
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
        join: If the job gets the values of others: the id of the join and the number of values.
        error: The text of the error with which the job fails without being run, or ``None``.
    """

    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    enqueued: int
    then: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    join: tuple[str, int] | None = None
    error: str | None = None


def encode_job(job: JobData, id: str = "", signer: JobSigner | None = None) -> bytes:
    """Return the data of *job*.

    Arguments:
        job: The job.
        id: Its id in arq, which the signature covers.
        signer: What signs it, if ``TASKS_SIGNED`` is set.

    Raises:
        NotJSONError: An argument cannot be written as JSON.
    """
    data: dict[str, Any] = {"t": None, "f": job.name, "a": job.args, "k": job.kwargs}
    data["et"] = job.enqueued
    if job.then:
        data["then"] = job.then
    if job.join is not None:
        data["join"] = list(job.join)
    if signer is None:
        return dumps(data)
    return signer.sign(dumps(data | {"id": id}))


def decode_job(data: bytes, id: str | None = None, signer: JobSigner | None = None) -> JobData:
    """Return the job in *data*.

    Arguments:
        data: The data.
        id: The id in arq of the job, or ``None`` if it is not known.
        signer: What checks the signature, if ``TASKS_SIGNED`` is set.

    Raises:
        ValueError: The data was not written by :func:`encode_job`.
        JobSignatureError: It was not signed with a key of the application, or for another job.
    """
    try:
        data, error, values = _without_additions(data)
        if signer is not None:
            signer.check(data)
        job = decode(data)
        join = None if (join := job.get("join")) is None else (str(join[0]), int(join[1]))
        call = JobData(
            job["f"], list(job["a"]), dict(job["k"]), job["et"], job.get("then", []), join, error
        )
        if values is not None:
            call.args.insert(0, _joined(values, join, signer))
        elif join is not None and error is None:
            raise JobSignatureError("the values for which the job has waited are missing")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"the data of the job cannot be read: {error!r}") from error
    if signer is not None and id is not None:
        signer.check_id(job.get("id"), id)
    return call


def with_values(data: bytes, values: Sequence[bytes]) -> bytes:
    """Return the data of a job with the values of the others for which it has waited.

    The scripts of Redis do the same.

    Arguments:
        data: The data.
        values: The values, each as :func:`encode_value` returns it.
    """
    return b'{"v": [' + b", ".join(values) + b"], " + data[1:]


def encode_value(join: str, index: int, value: object, signer: JobSigner | None = None) -> bytes:
    """Return the value of one job for the job that waits for it.

    Arguments:
        join: The id of the join.
        index: The number of the value, from 1.
        value: The value.
        signer: What signs it, if ``TASKS_SIGNED`` is set.

    Raises:
        NotJSONError: The value cannot be written as JSON.
    """
    if signer is None:
        return dumps(value)
    return signer.sign(dumps({"join": [join, index], "value": value}))


def _without_additions(data: bytes) -> tuple[bytes, str | None, list[bytes] | None]:
    """Return the data that was encoded, and what scripts have put before it: an error, or values.

    Raises:
        ValueError: It is no JSON.
    """
    error: str | None = None
    values: list[bytes] | None = None
    if data.startswith(b'{"e": '):
        text = data.decode()
        error, end = json.JSONDecoder().raw_decode(text, len('{"e": '))
        data = b"{" + text[end:].removeprefix(", ").encode()
    if data.startswith(b'{"v": ['):
        text = data.decode()
        values, end = [], len('{"v": [')
        while text[end] != "]":
            start = end + 2 * bool(values)
            _, end = json.JSONDecoder().raw_decode(text, start)
            values.append(text[start:end].encode())
        data = b"{" + text[end + 1 :].removeprefix(", ").encode()
    return data, error, values


def _joined(
    values: Sequence[bytes], join: tuple[str, int] | None, signer: JobSigner | None
) -> list[Any]:
    """Return the values that a job has waited for.

    Raises:
        JobSignatureError: One is not signed, or was signed for another job.
    """
    if signer is None:
        return [loads(value) for value in values]
    joined: list[Any] = []
    for index, data in enumerate(values, 1):
        signer.check(data)
        value = loads(data)
        signer.check_id(value["join"], [join and join[0], index])
        joined.append(value["value"])
    signer.check_id(len(joined), join and join[1])
    return joined


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


class ErrorText(Exception):  # noqa: N818 - not an error of its own
    """An error of which only the text is left, such as ``ValueError: too large``."""


def encode(data: dict[str, Any]) -> bytes:
    """Return *data* as JSON; an exception becomes its text.

    arq's default is pickle, which runs code when it is read.

    Raises:
        NotJSONError: A value cannot be written as JSON.
    """
    return dumps(data, with_errors=True)


def decode(data: bytes) -> dict[str, Any]:
    """Return the data from JSON.

    Raises:
        ValueError: It is not JSON.
    """
    return cast("dict[str, Any]", loads(data))


def dumps(value: object, *, with_errors: bool = False) -> bytes:
    """Return *value* as tagged JSON, so that a date or a set comes back as what it was.

    As in plain JSON, an instance of a subclass, such as an enum member that is a string, becomes
    what the class derives from.

    Arguments:
        value: The value.
        with_errors: Whether an exception in it becomes its text. Otherwise it is refused.

    Raises:
        NotJSONError: It cannot be written as JSON.
    """
    try:
        try:
            return tagged_json.dumps(value).encode()
        except tagged_json.TaggedJSONEncodeError:
            return tagged_json.dumps(_with_base_types(value, with_errors)).encode()
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


def _with_base_types(value: Any, with_errors: bool) -> Any:
    """Return *value* with the base types in place of their subclasses, and text for errors."""

    def convert(value: Any) -> Any:
        if with_errors and isinstance(value, BaseException):
            return error_text(value)
        if isinstance(value, dict):
            mapping: dict[Any, Any] = cast("Any", value)
            return {convert(key): convert(item) for key, item in mapping.items()}
        for base in (list, tuple, set, frozenset):
            if isinstance(value, base):
                make: Any = base
                return make(convert(item) for item in cast("list[Any]", value))
        for base, to_base in _BASES.items():
            if isinstance(value, base) and not isinstance(value, bool):
                return to_base(value)
        return value

    return convert(value)


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
    if isinstance(error, ErrorText):
        return str(error)
    text = str(error) or _REASONS.get(type(error), "")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
