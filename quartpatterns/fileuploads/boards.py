"""Where the state of uploads is written down, for every worker to read."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict, dataclass
from itertools import islice
from time import monotonic
from typing import Any, Literal, Protocol

__all__ = ["Board", "LocalBoard", "RedisBoard", "State"]

log = logging.getLogger(__name__)

KEEP = 120  # seconds that the last state of an upload is kept
MOST = 10_000  # uploads that one process remembers
PATIENCE = 1.0  # seconds to wait for Redis
PAUSE = 5.0  # seconds to leave it alone after it has failed


@dataclass(frozen=True, slots=True)
class State:
    """How far an upload is.

    Arguments:
        status: ``waiting`` until its first bytes are here.
        received: The bytes that are here.
        total: The bytes that were declared, of the whole form; ``None`` where they were not.
    """

    status: Literal["waiting", "receiving", "done", "failed"] = "waiting"
    received: int = 0
    total: int | None = None

    @property
    def over(self) -> bool:
        """Whether it will not change any more."""
        return self.status in {"done", "failed"}


class Board(Protocol):
    """A place for states, by the id of the upload."""

    async def put(self, key: str, state: State) -> None:
        """Write a state down, for a while."""
        ...

    async def get(self, key: str) -> State:
        """The state last written; ``waiting`` where there is none."""
        ...


class LocalBoard:
    """The states of one process, for an application with one worker."""

    def __init__(self) -> None:
        # The one that was written last is last.
        self._states: dict[str, tuple[float, State]] = {}

    async def put(self, key: str, state: State) -> None:
        now = monotonic()
        self._states.pop(key, None)
        for oldest in list(islice(self._states, 2)):
            # Two for one that comes, so that there are never many to forget at once.
            if len(self._states) >= MOST or self._states[oldest][0] < now - KEEP:
                del self._states[oldest]
        self._states[key] = now, state

    async def get(self, key: str) -> State:
        return self._states.get(key, (0.0, State()))[1]


class RedisBoard:
    """States in Redis, for any number of workers.

    No upload waits for a Redis that is down: what can't be written is left out.

    Arguments:
        client: A client of redis-py's for asyncio.
        prefix: What its keys begin with.
    """

    def __init__(self, client: Any, prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._again = 0.0

    async def put(self, key: str, state: State) -> None:
        await self._ask("set", key, json.dumps(asdict(state)), ex=KEEP)

    async def get(self, key: str) -> State:
        found = await self._ask("get", key)
        return State(**json.loads(found)) if found else State()

    async def _ask(self, command: str, key: str, *args: Any, **options: Any) -> Any:
        from redis.exceptions import RedisError  # here, as one process needs no Redis

        if monotonic() < self._again:
            return None
        try:
            async with asyncio.timeout(PATIENCE):
                return await getattr(self._client, command)(self._prefix + key, *args, **options)
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            log.warning("the progress of uploads is not known, as Redis fails: %s", error)
            self._again = monotonic() + PAUSE
            return None
