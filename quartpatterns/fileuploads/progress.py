"""How far an upload is, as the server sees it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import asdict
from time import monotonic
from typing import Any, cast

from quart import Quart, current_app
from quart.wrappers import Response
from werkzeug.exceptions import BadRequest

from quartpatterns.fileuploads.boards import Board, LocalBoard, RedisBoard, State
from quartpatterns.fileuploads.feed import OnProgress

__all__ = ["UploadProgress"]

ID = re.compile(r"[A-Za-z0-9_-]{16,64}")
INTERVAL = 0.2  # seconds between two states of one upload
SILENCE = 10.0  # seconds after which a comment tells that the stream is alive
PATIENCE = 60.0  # seconds after which nobody waits for a change any more


class UploadProgress:
    """Follows uploads, and tells a browser by server-sent events.

    A page chooses an id, such as ``crypto.randomUUID()``, sends it with the upload and asks for
    its events. Whoever knows the id can follow the upload, and nobody can guess it.

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

    With ``REDIS_URL`` in the configuration the worker that tells need not be the one that
    receives. Without it states are kept in the process.

    Arguments:
        app: The application; or call :meth:`init_app` later.
    """

    def __init__(self, app: Quart | None = None) -> None:
        self._key = f"quartpatterns.fileuploads.progress.{id(self)}"
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Quart) -> None:
        """Prepare *app*, whose configuration is complete.

        Raises:
            ImportError: There is a ``REDIS_URL``, and no client for it.
        """
        config = cast("dict[str, Any]", app.config)
        url = config.get("REDIS_URL")
        app.extensions[self._key] = _redis(app, url) if url else LocalBoard()

    @property
    def _board(self) -> Board:
        try:
            board: Board = current_app.extensions[self._key]
        except KeyError:
            raise RuntimeError("call UploadProgress(app), or its init_app(app), first") from None
        return board

    @contextlib.asynccontextmanager
    async def track(self, upload_id: str | None) -> AsyncGenerator[OnProgress | None]:
        """Write down how far the upload of this request is, until the block is left.

        It yields what :func:`stream_multipart` takes as ``on_progress``. A block that is left
        by an error, or by the client, has failed.

        Arguments:
            upload_id: What the client calls it; ``None`` writes nothing.

        Raises:
            BadRequest: That is no id.
        """
        if upload_id is None:
            yield None
            return
        reporter = _Reporter(self._board, _checked(upload_id))
        try:
            yield reporter.report
        except BaseException:
            # A second cancellation may not keep the end from those who wait for it.
            await asyncio.shield(asyncio.ensure_future(reporter.end("failed")))
            raise
        await reporter.end("done")

    def watch(self, upload_id: str) -> AsyncIterator[State | None]:
        """The states of an upload as they change, until it is over.

        ``None`` tells that nothing has changed for a while; after a minute of that it ends.

        Raises:
            BadRequest: That is no id.
        """
        return _watch(self._board, _checked(upload_id))

    def events(self, upload_id: str) -> Response:
        """Answer with the states of an upload as server-sent events of JSON.

        Each is ``{"status": "receiving", "received": 65536, "total": 1048576}``.

        Raises:
            BadRequest: That is no id.
        """
        cls: Any = current_app.response_class
        response: Response = cls(
            _sse(self.watch(upload_id)),
            # The last is what keeps nginx from collecting events.
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
            content_type="text/event-stream",
        )
        response.timeout = None
        return response


async def _watch(board: Board, key: str) -> AsyncIterator[State | None]:
    last: State | None = None
    changed = told = monotonic()
    while True:
        state, now = await board.get(key), monotonic()
        if state != last:
            changed = told = now
            yield (last := state)
        elif now - told > SILENCE:
            told = now
            yield None
        if state.over or now - changed > PATIENCE:
            return
        await asyncio.sleep(INTERVAL)


class _Reporter:
    """Writes states of one upload down, but not more often than anybody looks."""

    def __init__(self, board: Board, key: str) -> None:
        self.board = board
        self.key = key
        self.received = 0
        self.total: int | None = None
        self._next = 0.0

    async def report(self, received: int, total: int | None) -> None:
        """Note how far the upload is."""
        self.received, self.total = received, total
        if (now := monotonic()) >= self._next:
            self._next = now + INTERVAL
            await self.board.put(self.key, State("receiving", received, total))

    async def end(self, status: Any) -> None:
        """Note how it has ended."""
        await self.board.put(self.key, State(status, self.received, self.total))


def _checked(upload_id: str) -> str:
    if not ID.fullmatch(upload_id):
        raise BadRequest("The id of an upload is 16 to 64 letters, digits, - and _.")
    return upload_id


async def _sse(states: AsyncIterator[State | None]) -> AsyncIterator[bytes]:
    async for state in states:
        yield f"data: {json.dumps(asdict(state))}\n\n".encode() if state else b": alive\n\n"


def _redis(app: Quart, url: str) -> RedisBoard:
    try:
        from redis.asyncio import Redis
    except ImportError as error:
        raise ImportError(
            "REDIS_URL needs a client: pip install 'quartpatterns[tasks]'", name="redis"
        ) from error
    client: Any = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]  untyped
    app.after_serving(client.aclose)
    return RedisBoard(client, f"{app.name}:upload:")
