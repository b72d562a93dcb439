"""Files in an object store: S3 and compatible stores, Google Cloud, Azure, or memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Generator
from datetime import timedelta
from textwrap import shorten
from time import monotonic
from typing import Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.threads import run_sync
from quartpatterns._shared.unavailable import redact
from quartpatterns.fileuploads.errors import StorageUnavailableError
from quartpatterns.fileuploads.storage import (
    READ_SIZE,
    FileWriter,
    ResolveConflict,
    StoredFile,
    reserve_name,
)

log = logging.getLogger(__name__)

PART_SIZE = 8 * 1024 * 1024  # bytes of one part of a multipart upload; S3 requires 5 MiB
MAX_CONCURRENCY = 2  # parts that are sent at the same time
CHECK_INTERVAL = 60.0  # seconds between two checks of the bucket, if objects are missing
NO_BUCKET = "NoSuchBucket"  # the error code of S3
RETRY = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


def store_from_url(url: str, options: dict[str, Any]) -> ObjectStore:
    """Return the store at *url*: ``s3://bucket/prefix``, ``gs://``, ``az://`` or ``memory:///``.

    The options are those of :func:`obstore.store.from_url`; missing ones come from the environment.
    Without a ``retry_config``, a request is retried for 20 seconds, not for three minutes.
    """
    if not url.startswith("memory:"):
        options = {"retry_config": RETRY} | options
    return from_url(url, **options)


class ObjectStorage:
    """A storage in an object store.

    A small file is one request, which fails if the name is in use. A large file is a multipart
    upload. S3 can't refuse a name at the end of such an upload, so an empty object reserves the
    name until then. If the client disconnects, both are removed.

    Arguments:
        store: A store of obstore.
    """

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._check_again_at = 0.0

    def open(self, name: str, resolve: ResolveConflict | None) -> _ObjectWriter:
        return _ObjectWriter(self.store, name, resolve)

    async def stat(self, name: str) -> StoredFile | None:
        with _store_errors():
            try:
                found = await obstore.head_async(self.store, name)
            except FileNotFoundError:
                await self._check_bucket(name)
                return None
        etag = (found["e_tag"] or "").strip('"')
        return StoredFile(found["size"], found["last_modified"], etag)

    async def _check_bucket(self, name: str) -> None:
        """Raise an error if *name* was not found because the bucket does not exist.

        The response to HEAD has no body, so S3 can't tell why there is no such object. The response
        to GET says it.
        """
        if monotonic() < self._check_again_at:
            return
        try:
            await obstore.get_async(self.store, name)
        except FileNotFoundError as error:
            if NO_BUCKET in str(error):
                raise
        self._check_again_at = monotonic() + CHECK_INTERVAL

    async def read(self, name: str, start: int, stop: int) -> AsyncIterator[bytes]:
        if start >= stop:
            return
        with _store_errors():
            found = await obstore.get_async(self.store, name, options={"range": (start, stop)})
            async for block in found.stream(min_chunk_size=READ_SIZE):
                yield bytes(block)

    async def delete(self, name: str) -> None:
        with _store_errors(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self.store, name)


@contextlib.contextmanager
def _store_errors() -> Generator[None]:
    """Log errors of the store, and raise :exc:`StorageUnavailableError` in their place."""
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        # FileNotFoundError: the bucket does not exist, or the multipart upload was aborted.
        text = shorten(redact(str(error)), 160)
        log.warning(
            "The object store failed: %s (%s: %s)", _cause(error), type(error).__name__, text
        )
        raise StorageUnavailableError from error


_CODE = re.compile(r"<Code>(\w+)</Code>")
_CODES = {
    "InvalidAccessKeyId": "it does not know the key. Correct the credentials",
    "SignatureDoesNotMatch": "the secret of the key is wrong. Correct the credentials",
    "AccessDenied": "the key lacks a permission. Let it read, write and delete in the bucket",
    NO_BUCKET: "the bucket does not exist. Create it, or correct its name in the URL",
    "SlowDown": "it gets too many requests. Try again later",
    "ServiceUnavailable": "it is overloaded. Try again later",
}
"""What the error codes of S3 mean, and what to do."""


def _cause(error: Exception) -> str:
    """Return what is wrong with the object store, and what to do."""
    text = str(error)
    found = _CODE.search(text)
    if found and found[1] in _CODES:
        return _CODES[found[1]]
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return "it refuses the key, or the key lacks a permission. Correct the credentials"
    if "error sending request" in text or "timed out" in text:
        return "it does not answer. Start it, or correct its endpoint"
    if "Received redirect" in text:
        return "the bucket is in another region. Correct the region or the endpoint"
    return f"it answers {found[1]}" if found else "see its message"


class _UploadAborted(Exception):  # noqa: N818 - a signal to obstore, not an error
    """Raised in the source of a multipart upload, so that obstore aborts it."""


class _ObjectWriter(FileWriter):
    """Writes an object. It buffers the first part, to know whether the file is small."""

    def __init__(self, store: ObjectStore, name: str, resolve: ResolveConflict | None) -> None:
        super().__init__(name, resolve)
        self._store = store
        self._buffer = bytearray()
        self._queue: asyncio.Queue[bytes | _UploadAborted | None] = asyncio.Queue(1)
        self._upload: asyncio.Future[Any] | None = None
        self._reserved = False

    async def write(self, block: bytes) -> None:
        self.size += len(block)
        await run_sync(self.digest.update)(block)
        if self._upload is not None:
            await self._send(self._upload, block)
            return
        self._buffer += block
        if len(self._buffer) > PART_SIZE:
            await self._start_upload()

    async def finish(self) -> str:
        if self._upload is not None:
            await self._send(self._upload, None)
            with _store_errors():
                await asyncio.shield(self._upload)
        elif self.resolve is None:
            with _store_errors():
                await obstore.put_async(self._store, self.name, bytes(self._buffer))
        else:
            self.name = await reserve_name(self.name, self.resolve, self._create)
        return self.name

    async def discard(self) -> None:
        await finish(self._discard)

    async def _start_upload(self) -> None:
        """Reserve the name, and start a multipart upload with the buffered bytes."""
        first, self._buffer = bytes(self._buffer), bytearray()
        if self.resolve is not None:
            self.name = await reserve_name(self.name, self.resolve, self._create)
            self._reserved = True
        upload = obstore.put_async(
            self._store,
            self.name,
            self._upload_source(first),
            use_multipart=True,
            chunk_size=PART_SIZE,
            max_concurrency=MAX_CONCURRENCY,
        )
        self._upload = asyncio.ensure_future(upload)

    async def _create(self, name: str) -> None:
        with _store_errors():
            try:
                await obstore.put_async(self._store, name, bytes(self._buffer), mode="create")
            except AlreadyExistsError as error:
                raise FileExistsError(name) from error

    async def _upload_source(self, first: bytes) -> AsyncIterator[bytes]:
        """The bytes that obstore sends. It aborts the multipart upload only if this raises."""
        yield first
        while (block := await self._queue.get()) is not None:
            if isinstance(block, _UploadAborted):
                raise block
            yield block

    async def _send(
        self, upload: asyncio.Future[Any], block: bytes | _UploadAborted | None
    ) -> None:
        """Queue *block* for the upload, unless the upload fails before it takes the block."""
        putting = asyncio.ensure_future(self._queue.put(block))
        try:
            await asyncio.wait([putting, upload], return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
        if upload.done():
            with _store_errors():
                upload.result()

    async def _discard(self) -> None:
        if self._upload is not None and not self._upload.cancelled():
            with contextlib.suppress(_UploadAborted, StorageUnavailableError):
                await self._send(self._upload, _UploadAborted())
                with _store_errors():
                    await self._upload
        if self._reserved:
            with contextlib.suppress(StorageUnavailableError), _store_errors():
                await obstore.delete_async(self._store, self.name)
