"""A worker's connection to Redis, which outlasts a Redis that is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from redis.asyncio import Redis

from quartpatterns._shared.unavailable import redis_message, redis_remedy
from quartpatterns._shared.urls import display_address
from quartpatterns.tasks import scripts
from quartpatterns.tasks.arq_format import HEALTH_CHECK_SUFFIX
from quartpatterns.tasks.changes import Change, arguments
from quartpatterns.tasks.redis_clients import (
    REDIS_ERRORS,
    TasksUnavailableError,
    connection_pool,
    sync_client,
    text,
)
from quartpatterns.tasks.settings import Settings

__all__ = ["Claim", "Claimed", "LeaseConnection", "WorkerConnection"]

logger = logging.getLogger("quartpatterns.tasks")

T = TypeVar("T")

RETRY_DELAY = 1.0
"""Seconds between two attempts to reach a Redis that is lost."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A job that a worker has claimed.

    Arguments:
        id: Its id in arq.
        queue: The queue that it is in.
        data: Its data, empty if it has expired.
        tries: How often it was started before, without the times that its worker died or stopped.
        deliveries: How often it was started, including this time.
        crashes: How many workers died while they ran it as their only suspect.
        suspect: 1 if a worker has died while the job ran, else 0.
        expired: 1 if it has waited too long for its first start, else 0.
        revoked: 1 if it was revoked after a worker had claimed it, else 0.
    """

    id: str
    queue: str
    data: bytes
    tries: int
    deliveries: int
    crashes: int
    suspect: int
    expired: int
    revoked: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a worker gets when it asks for jobs.

    Arguments:
        next_due: The seconds until the next job is due, or ``None``.
        jobs: The jobs.
    """

    next_due: float | None
    jobs: Sequence[Claimed]


class WorkerConnection:
    """The commands that a worker sends to Redis.

    Arguments:
        worker: The id of the worker.
        settings: The settings.
        burst: Whether a lost Redis is an error.
    """

    def __init__(self, worker: str, settings: Settings, *, burst: bool) -> None:
        self.worker = worker
        self._settings = settings
        self._burst = burst
        self._address = display_address(settings.redis_url, default_port=6379)
        self._lost = False
        client = Redis(connection_pool=connection_pool(settings, max_connections=10))
        # redis-py's annotations mix synchronous and asynchronous results.
        self._redis = cast("Any", client)
        self._claim = self._redis.register_script(scripts.CLAIM)
        self._finish = self._redis.register_script(scripts.FINISH)
        self._limit = self._redis.register_script(scripts.LIMIT)
        self._hand_over = self._redis.register_script(scripts.HAND_OVER)

    async def attempt(
        self, operation: Callable[..., Awaitable[T]], *args: Any, wait: float = 0.0
    ) -> T | None:
        """Return what *operation* returns, or ``None`` after a second if Redis cannot be reached.

        It logs when Redis is lost and when it is back, and not every attempt.

        Arguments:
            operation: A method of this object.
            args: Its arguments.
            wait: Seconds for which it waits on purpose.

        Raises:
            TasksUnavailableError: Redis cannot be reached in a burst.
        """
        try:
            async with asyncio.timeout(self._settings.redis_timeout + wait):
                result = await operation(*args)
        except REDIS_ERRORS as error:
            if self._burst:
                raise TasksUnavailableError from error
            if not self._lost:
                reason = redis_message(error).rstrip(".") or "no answer in time"
                remedy = redis_remedy(error, "REDIS_URL")
                logger.warning("Redis at %s: %s; waiting for it. %s", self._address, reason, remedy)
            self._lost = True
            await asyncio.sleep(RETRY_DELAY)
            return None
        if self._lost:
            logger.warning("Redis at %s is back", self._address)
        self._lost = False
        return result

    async def ping(self) -> bool:
        """Return True."""
        return cast("bool", await self._redis.ping())

    async def claim(self, queues: Sequence[str], number: int, *, suspect: bool) -> Claim:
        """Claim up to *number* jobs, one of which may be a suspect if *suspect* is true."""
        lease = round(self._settings.lease * 1000)
        arguments = [self.worker, lease, number, int(suspect)]
        next_due, jobs = await self._claim(queues, arguments)
        return Claim(
            next_due / 1000 if next_due >= 0 else None,
            [Claimed(text(id), text(queue), data, *numbers) for id, queue, data, *numbers in jobs],
        )

    async def finish(
        self,
        outcomes: Sequence[tuple[str, str, int, str, bytes, int, str, bytes, Sequence[Change]]],
    ) -> list[str]:
        """Write *outcomes*, and return the ids of jobs that another worker runs.

        Arguments:
            outcomes: For each job its queue, id, deliveries, ``done``, ``retry`` or ``back``, the
                data of its result, milliseconds, how it has ended, what to keep of a failure, and
                the changes that follow.
        """
        row: list[Any] = [self.worker, self._settings.keep_failed]
        for *about, changes in outcomes:
            row += [*about, len(changes), *arguments(changes)]
        return [text(id) for id in await self._finish([], row)]

    async def limit(self, queue: str, task: str, id: str, interval: float) -> float:
        """Return 0 if the rate limit lets the job *id* start now, else the seconds until it may.

        The job has then been put back for that time.

        Arguments:
            queue: The queue of the job.
            task: The name of its task.
            id: Its id.
            interval: The seconds between two starts of the task.
        """
        keys = [queue, scripts.rate_key(self._settings.queue_name, task)]
        milliseconds: int = await self._limit(keys, [self.worker, id, interval * 1000])
        return milliseconds / 1000

    async def hand_over(self, ids: Sequence[str]) -> None:
        """Say that the worker stops while the jobs *ids* still run."""
        await self._hand_over([], [self.worker, *ids])

    async def pop(self, keys: Sequence[str], seconds: float) -> str | None:
        """Return an item of one of the lists *keys*, or ``None`` after so many seconds."""
        item = await self._redis.blpop(keys, timeout=seconds)
        return None if item is None else text(item[1])

    async def size(self, queues: Sequence[str]) -> int:
        """Return the number of jobs in *queues*, waiting and running."""
        return sum([await self._redis.zcard(queue) for queue in queues])

    async def report(self, queues: Sequence[str], text: str, seconds: float) -> None:
        """Store for each of *queues* that the worker is alive, as arq does."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for queue in queues:
                pipe.psetex(queue + HEALTH_CHECK_SUFFIX, round(seconds * 1000), text)
            await pipe.execute()

    async def delete_report(self, queues: Sequence[str], text: str) -> None:
        """Delete what :meth:`report` has stored, unless another worker has done so since."""
        for queue in queues:
            if await self._redis.get(queue + HEALTH_CHECK_SUFFIX) == text.encode():
                await self._redis.delete(queue + HEALTH_CHECK_SUFFIX)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose(close_connection_pool=True)


class LeaseConnection:
    """The commands that the thread for the leases of a worker sends to Redis.

    Its methods raise an error of :data:`~quartpatterns.tasks.redis_clients.REDIS_ERRORS` if Redis
    cannot be reached.

    Arguments:
        worker: The id of the worker.
        settings: The settings.
        timeout: Seconds to wait for an answer.
    """

    def __init__(self, worker: str, settings: Settings, timeout: float) -> None:
        self._worker = worker
        self._lease = round(settings.lease * 1000)
        self._redis = sync_client(settings, timeout)
        self._renew = self._redis.register_script(scripts.RENEW)
        self._finish = self._redis.register_script(scripts.FINISH)
        self._release = self._redis.register_script(scripts.RELEASE)

    def renew(self, jobs: Sequence[tuple[str, str]]) -> list[str]:
        """Renew the leases of *jobs*, each a queue and an id; return those another worker runs."""
        arguments = [part for job in jobs for part in job]
        return [text(id) for id in self._renew([], [self._worker, self._lease, *arguments])]

    def give_back(self, job: Claimed) -> None:
        """Let another worker start *job*."""
        about = [job.queue, job.id, job.deliveries]
        self._finish([], [self._worker, 0, *about, "back", b"", 0, "", b"", 0])

    def release(self, queues: Sequence[str]) -> list[str]:
        """End the leases of the worker, whose process has ended; return the ids of its jobs."""
        return [text(id) for id in self._release(queues, [self._worker, self._lease])]

    def close(self) -> None:
        """Close the connection."""
        self._redis.close()
