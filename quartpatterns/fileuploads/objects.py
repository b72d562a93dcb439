"""Files in a store of objects: S3 and what speaks its language, Azure, Google, or memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Generator
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore, from_url
from quart.utils import run_sync

from quartpatterns.fileuploads.errors import StorageUnavailableError
from quartpatterns.fileuploads.storage import Resolve, Stored, claim

__all__ = ["Objects", "store_from_url"]

PIECE = 8 * 1024 * 1024  # bytes of a part of an upload in parts; S3 takes 5 MiB or more
AT_ONCE = 2  # such parts on their way together
BLOCK = 256 * 1024  # bytes that are read at once
RETRY = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


def store_from_url(url: str, options: dict[str, Any]) -> ObjectStore:
    """The store at *url*: ``s3://bucket/prefix``, ``gs://``, ``az://`` or ``memory:///``.

    Arguments:
        url: Where it is.
        options: What :func:`obstore.store.from_url` takes beside: ``endpoint``, ``region``,
            keys, ``client_options``. What is missing comes from the environment. A request is
            tried again for 20 seconds, not for obstore's three minutes, unless they say so.
    """
    if not url.startswith("memory:"):
        options = {"retry_config": RETRY} | options
    return from_url(url, **options)


class Objects:
    """A store of objects for files.

    A small file is one request, which fails where the name is taken. A large one is uploaded in
    parts while it arrives; its name is taken by an empty object until then, as S3 can't say at
    the end of such an upload that a name was free. Where the client leaves, both are removed.

    Arguments:
        store: One of obstore's stores.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    def open(self, name: str, resolve: Resolve | None) -> _ObjectSink:
        return _ObjectSink(self.store, name, resolve)

    async def stat(self, name: str) -> Stored | None:
        with _explained():
            try:
                found = await obstore.head_async(self.store, name)
            except FileNotFoundError:
                return None
        etag = (found["e_tag"] or "").strip('"')
        return Stored(found["size"], found["last_modified"], etag)

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        if start >= stop:
            return
        with _explained():
            found = await obstore.get_async(self.store, name, options={"range": (start, stop)})
            async for block in found.stream(min_chunk_size=BLOCK):
                yield bytes(block)

    async def delete(self, name: str) -> None:
        with _explained(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self.store, name)


@contextlib.contextmanager
def _explained() -> Generator[None]:
    """Say in the client's words that the store does not do its work."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        # What is not found when something is put is the bucket, or an upload that was begun.
        raise StorageUnavailableError from error


class _ClientLeft(Exception):  # noqa: N818 - no error, but how an upload in parts is told to end
    """There will be no more of this file."""


class _ObjectSink:
    """A file of which one piece is kept here, until it is clear whether it is the only one."""

    def __init__(self, store: ObjectStore, name: str, resolve: Resolve | None) -> None:
        self._store = store
        self._name = name
        self._resolve = resolve
        self.size = 0
        self._digest = hashlib.sha256()
        self._kept = bytearray()
        self._blocks: asyncio.Queue[bytes | _ClientLeft | None] = asyncio.Queue(1)
        self._upload: asyncio.Future[Any] | None = None
        self._reserved = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def write(self, block: bytes) -> None:
        self.size += len(block)
        await run_sync(self._digest.update)(block)
        if self._upload is not None:
            await self._hand_over(self._upload, block)
            return
        self._kept += block
        if len(self._kept) > PIECE:
            await self._begin()

    async def finish(self) -> str:
        if self._upload is not None:
            await self._hand_over(self._upload, None)
            with _explained():
                await asyncio.shield(self._upload)
        elif self._resolve is None:
            with _explained():
                await obstore.put_async(self._store, self._name, bytes(self._kept))
        else:
            self._name = await claim(self._name, self._resolve, self._create)
        return self._name

    async def discard(self) -> None:
        # A second cancellation may not be what leaves an upload behind.
        await asyncio.shield(asyncio.ensure_future(self._discard()))

    async def _begin(self) -> None:
        """Take the name, and start an upload in parts with what is here."""
        first, self._kept = bytes(self._kept), bytearray()
        if self._resolve is not None:
            self._name = await claim(self._name, self._resolve, self._create)
            self._reserved = True
        upload = obstore.put_async(
            self._store,
            self._name,
            self._pieces(first),
            use_multipart=True,
            chunk_size=PIECE,
            max_concurrency=AT_ONCE,
        )
        self._upload = asyncio.ensure_future(upload)

    async def _create(self, name: str) -> None:
        with _explained():
            try:
                await obstore.put_async(self._store, name, bytes(self._kept), mode="create")
            except AlreadyExistsError as error:
                raise FileExistsError(name) from error

    async def _pieces(self, first: bytes) -> AsyncIterator[bytes]:
        """What obstore sends; it aborts an upload in parts only where this raises."""
        yield first
        while (block := await self._blocks.get()) is not None:
            if isinstance(block, _ClientLeft):
                raise block
            yield block

    async def _hand_over(
        self, upload: asyncio.Future[Any], block: bytes | _ClientLeft | None
    ) -> None:
        """Give *block* to *upload*, unless that fails before it takes it."""
        handing = asyncio.ensure_future(self._blocks.put(block))
        try:
            await asyncio.wait([handing, upload], return_when=asyncio.FIRST_COMPLETED)
        finally:
            handing.cancel()
        if upload.done():
            with _explained():
                upload.result()

    async def _discard(self) -> None:
        if self._upload is not None:
            with contextlib.suppress(_ClientLeft, StorageUnavailableError):
                await self._hand_over(self._upload, _ClientLeft())
                with _explained():
                    await self._upload
        if self._reserved:
            with contextlib.suppress(StorageUnavailableError), _explained():
                await obstore.delete_async(self._store, self._name)
