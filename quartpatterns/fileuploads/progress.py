"""The progress of uploads, as the server sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from time import monotonic
from typing import Any, Literal

from quart import Quart, current_app
from quart.wrappers import Response
from werkzeug.exceptions import BadRequest

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.loop_bound import LoopBound
from quartpatterns._shared.settings import SettingsReader
from quartpatterns._shared.settings_of.fileuploads import SETTINGS
from quartpatterns._shared.unavailable import redis_message, redis_remedy
from quartpatterns.fileuploads.multipart_form import OnProgress

__all__ = ["MemoryStateStore", "RedisStateStore", "State", "UploadProgress"]

log = logging.getLogger(__name__)

UPLOAD_ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
# All in seconds.
UPDATE_INTERVAL = 0.2  # between two states of one upload
KEEPALIVE_INTERVAL = 10.0  # after which a comment keeps a silent stream open
IDLE_TIMEOUT = 60.0  # after which a stream without changes ends
STATE_LIFETIME = 120  # for which the last state of an upload is stored
REDIS_TIMEOUT = 1.0
REDIS_RETRY_AFTER = 5.0  # for which Redis is not asked after a failure

MAX_STATES = 10_000  # uploads that one process remembers

Status = Literal["waiting", "receiving", "done", "failed"]


@dataclass(frozen=True, slots=True)
class State:
    """The state of an upload.

    Arguments:
        status: ``waiting`` until the first bytes arrive, then ``receiving``, then ``done`` or
            ``failed``.
        received: The bytes of the body that have arrived.
        total: The declared length of the body in bytes, or ``None`` if it is not declared.

    .. versionadded:: 0.1
    """

    status: Status = "waiting"
    received: int = 0
    total: int | None = None

    @property
    def over(self) -> bool:
        """Whether the upload is done or has failed."""
        return self.status in {"done", "failed"}


class UploadProgress:
    """Records the progress of uploads, and sends it to browsers as server-sent events.

    The page in the browser chooses an id, such as ``crypto.randomUUID()``. It sends the id with the
    upload, and requests the events for this id. Only a client that knows the id can request them.

    .. code-block:: python

        progress = UploadProgress(app)

        @app.post("/upload/<id>")
        async def upload(id):
            async with progress.track(id) as report:
                async for part in stream_multipart(request, on_progress=report):
                    ...

        @app.get("/upload/<id>/events")
        async def events(id):
            return progress.events(id)

    With ``REDIS_URL`` in the configuration, any worker can send the events. Without it, the states
    are in the memory of one process.

    Arguments:
        app: The application, or ``None`` to call :meth:`init_app` later.

    .. versionadded:: 0.1
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._key = f"quartpatterns.fileuploads.progress.{id(self)}"
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Register with *app*, whose configuration must be complete.

        Raises:
            SettingError: ``REDIS_URL`` is invalid.
            MissingExtraError: There is a ``REDIS_URL``, and redis is not installed.
        """
        reader = SettingsReader(app.config, SETTINGS.defaults)
        url = reader.optional(reader.url, "REDIS_URL", ("redis", "rediss", "unix"))
        app.extensions[self._key] = RedisStateStore(app, url) if url else MemoryStateStore()

    @property
    def _store(self) -> StateStore:
        try:
            store: StateStore = current_app.extensions[self._key]
        except KeyError:
            raise RuntimeError("Call UploadProgress(app) or its init_app(app) first.") from None
        return store

    @contextlib.asynccontextmanager
    async def track(self, upload_id: str | None) -> AsyncGenerator[OnProgress | None]:
        """Record the progress of the upload of the current request.

        This is an asynchronous context manager. Its value is the function for the argument
        ``on_progress`` of :func:`stream_multipart`. If an exception or a disconnect ends the block,
        the status of the upload becomes ``failed``, otherwise ``done``.

        Arguments:
            upload_id: The id that the client chose. ``None`` records nothing.

        Raises:
            BadRequest: The id is invalid.
        """
        if upload_id is None:
            yield None
            return
        store, key = self._store, _valid_id(upload_id)
        last, next_update = State("receiving"), 0.0

        async def report(received: int, total: int | None) -> None:
            nonlocal last, next_update
            last = State("receiving", received, total)
            if (now := monotonic()) >= next_update:
                next_update = now + UPDATE_INTERVAL
                await store.put(key, last)

        try:
            yield report
        except BaseException:
            await finish(lambda: store.put(key, replace(last, status="failed")))
            raise
        await store.put(key, replace(last, status="done"))

    def watch(self, upload_id: str) -> AsyncIterator[State | None]:
        """Iterate over the states of an upload as they change, until it is over.

        ``None`` means that the state has not changed for 10 seconds. After 60 seconds without a
        change the iteration ends.

        Raises:
            BadRequest: The id is invalid.
        """
        return _watch(self._store, _valid_id(upload_id))

    def events(self, upload_id: str) -> Response:
        """Return a response with the states of an upload as server-sent events.

        The data of each event is JSON such as
        ``{"status": "receiving", "received": 65536, "total": 1048576}``.

        Raises:
            BadRequest: The id is invalid.
        """
        response_class: Any = current_app.response_class
        response: Response = response_class(
            _server_sent_events(self.watch(upload_id)),
            # X-Accel-Buffering: without it nginx buffers the events.
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            content_type="text/event-stream",
        )
        response.timeout = None
        return response


def _valid_id(upload_id: str) -> str:
    if not UPLOAD_ID.fullmatch(upload_id):
        raise BadRequest("The id of an upload must have 16 to 64 letters, digits, - and _.")
    return upload_id


async def _watch(store: StateStore, upload_id: str) -> AsyncIterator[State | None]:
    last: State | None = None
    changed = sent = monotonic()
    while True:
        state, now = await store.get(upload_id), monotonic()
        if state != last:
            changed = sent = now
            yield (last := state)
        elif now - sent > KEEPALIVE_INTERVAL:
            sent = now
            yield None
        if state.over or now - changed > IDLE_TIMEOUT:
            return
        await asyncio.sleep(UPDATE_INTERVAL)


async def _server_sent_events(states: AsyncIterator[State | None]) -> AsyncIterator[bytes]:
    async for state in states:
        yield f"data: {json.dumps(asdict(state))}\n\n".encode() if state else b": keep-alive\n\n"


class MemoryStateStore:
    """Stores the states of uploads by id, in the memory of one process."""

    def __init__(self) -> None:
        # The most recently updated upload is last.
        self._states: dict[str, tuple[float, State]] = {}

    async def put(self, upload_id: str, state: State) -> None:
        now = monotonic()
        self._states.pop(upload_id, None)
        # Up to two old states are removed for each new one, so that no call takes long.
        for oldest in list(islice(self._states, 2)):
            if len(self._states) >= MAX_STATES or self._states[oldest][0] < now - STATE_LIFETIME:
                del self._states[oldest]
        self._states[upload_id] = now, state

    async def get(self, upload_id: str) -> State:
        return self._states.get(upload_id, (0.0, State()))[1]


class RedisStateStore:
    """Stores the states of uploads by id, in Redis, for several workers.

    No upload waits for an unavailable Redis: states that can't be stored are dropped.
    """

    def __init__(self, app: Quart, url: str) -> None:
        with requires_extra("redis", needed_by="UploadProgress with REDIS_URL"):
            from redis.asyncio import Redis
        self._clients: LoopBound[Any] = LoopBound(
            lambda: Redis.from_url(url),  # pyright: ignore[reportUnknownMemberType]  untyped
            lambda client: client.aclose(),
        )
        self._prefix = f"{app.name}:upload:"
        self._retry_at = 0.0
        app.after_serving(self._clients.close)

    async def put(self, upload_id: str, state: State) -> None:
        await self._call("set", upload_id, json.dumps(asdict(state)), ex=STATE_LIFETIME)

    async def get(self, upload_id: str) -> State:
        data = await self._call("get", upload_id)
        return State(**json.loads(data)) if data else State()

    async def _call(self, command: str, upload_id: str, *args: Any, **options: Any) -> Any:
        from redis.exceptions import RedisError

        if monotonic() < self._retry_at:
            return None
        try:
            async with asyncio.timeout(REDIS_TIMEOUT):
                async with self._clients.using() as client:
                    method = getattr(client, command)
                    return await method(self._prefix + upload_id, *args, **options)
        except (RedisError, OSError) as error:  # OSError includes TimeoutError
            log.warning(
                "Redis failed, so the progress of uploads can't be shown: %s. %s",
                redis_message(error).rstrip(".") or "no answer in time",
                redis_remedy(error, "the URL of Redis"),
            )
            self._retry_at = monotonic() + REDIS_RETRY_AFTER
            return None


StateStore = MemoryStateStore | RedisStateStore
