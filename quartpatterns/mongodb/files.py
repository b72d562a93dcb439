"""Files in GridFS, as Flask-PyMongo saves and sends them."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import AsyncGenerator
from typing import Any, cast

from bson import ObjectId
from gridfs import DEFAULT_CHUNK_SIZE, AsyncGridFS, AsyncGridOut, NoFile
from gridfs.errors import FileExists
from quart import Response, abort, current_app
from werkzeug.wrappers import Response as WerkzeugResponse

from quartpatterns._shared.calling import call
from quartpatterns._shared.cleanup import finish
from quartpatterns._shared.conditional import apply_conditions
from quartpatterns._shared.content_disposition import attachment
from quartpatterns.mongodb.connection import LoopClient
from quartpatterns.mongodb.wrappers import Database, MongoClient

__all__ = ["CACHE_FOR", "GridFSMixin"]

CACHE_FOR = 31536000
"""Seconds that browsers may keep a file: one year."""

# The first call of guess_type() would read files while the event loop waits.
if not mimetypes.inited:
    mimetypes.init()


class GridFSMixin:
    """The methods of an extension that save and send files."""

    def _loop_client(self, used_for: str) -> LoopClient:
        """Return the client of the running event loop."""
        raise NotImplementedError

    @property
    def cx(self) -> MongoClient:
        """PyMongo's client for the running event loop: ``mongo.cx["other"].users``.

        Raises:
            RuntimeError: There is no context, or this is a synchronous view.
        """
        return self._loop_client("mongo.cx").client

    async def save_file(
        self,
        filename: str,
        fileobj: Any,
        base: str = "fs",
        content_type: str | None = None,
        db: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Save a file to GridFS: ``await mongo.save_file(name, (await request.files)["file"])``.

        Arguments:
            filename: The name of the file. Several files can have the same name.
            fileobj: The file, opened in binary mode. Its ``read`` runs in a thread, or is awaited.
            base: The prefix of the collections.
            content_type: The media type. By default it is guessed from the name.
            db: The database, if it is not that of the application.
            kwargs: Other fields to store with the file, and ``_id``, ``chunk_size``.

        Returns:
            The id of the file.

        Raises:
            FileExists: ``_id`` is the id of another file. The response is a 409.
            TypeError: An argument has a wrong type, or the file is not opened in binary mode.
        """
        if not isinstance(cast("object", base), str):
            raise TypeError("'base' must be a string")
        if not callable(read := getattr(fileobj, "read", None)):
            raise TypeError("'fileobj' must have a read() method")
        if content_type is None:
            content_type, _ = mimetypes.guess_type(filename)
        ident = kwargs.setdefault("_id", made := ObjectId())
        file = AsyncGridFS(self._file_database("mongo.save_file()", db), base).new_file(
            filename=filename, content_type=content_type, **kwargs
        )
        # GridFS has no checksum of its own; send_file() uses this one as the ETag.
        checksum = hashlib.sha1(usedforsecurity=False)
        try:
            while data := await call(read, DEFAULT_CHUNK_SIZE):
                if not isinstance(data, bytes | bytearray | memoryview):
                    raise TypeError("'fileobj' must return bytes: open the file in binary mode")
                chunk = bytes(cast("Any", data))
                checksum.update(chunk)
                await file.write(chunk)
            await file.set("sha1", checksum.hexdigest())
            await file.close()
        except BaseException as error:
            # With an id of the caller's, the chunks may be those of an older file.
            if ident is made and not isinstance(error, FileExists):
                await finish(file.abort)
            raise
        return ident

    async def send_file(
        self,
        filename: str,
        base: str = "fs",
        version: int = -1,
        cache_for: int = CACHE_FOR,
        db: str | None = None,
    ) -> Response:
        """Return a file of GridFS as a response: ``return await mongo.send_file(filename)``.

        It answers conditional requests and requests for one range of bytes (RFC 9110). Its
        ``ETag`` is the SHA-1 checksum of the file.

        Arguments:
            filename: The name of the file.
            base: The prefix of the collections.
            version: Which file of this name: 0 is the first one, -1 the last one.
            cache_for: Seconds that browsers may keep the file.
            db: The database, if it is not that of the application.

        Raises:
            NotFound: There is no such file.
            RequestedRangeNotSatisfiable: The range is outside of the file.
            TypeError: An argument has a wrong type.
        """
        checks: list[tuple[str, object, type[object]]] = [
            ("base", base, str),
            ("version", version, int),
            ("cache_for", cache_for, int),
        ]
        for name, value, type_ in checks:
            if not isinstance(value, type_):
                article = "a string" if type_ is str else "an integer"
                raise TypeError(f"{name!r} must be {article}")
        storage = AsyncGridFS(self._file_database("mongo.send_file()", db), base)
        try:
            file = await storage.get_version(filename=filename, version=version)
        except NoFile:
            abort(404)
        head = WerkzeugResponse(mimetype=_content_type(filename, file))
        head.headers["Content-Disposition"] = attachment(filename)
        head.last_modified = file.upload_date
        head.set_etag(await _checksum(file))
        head.cache_control.max_age = cache_for
        head.cache_control.public = True
        start, stop = apply_conditions(head, file.length)
        body: Any = _chunks(file, start, stop) if start < stop else b""
        response_class: Any = current_app.response_class
        response: Response = response_class(body, head.status_code)
        cast("Any", response).headers = head.headers
        # A large file may take long on a slow connection; Quart's limit would cut it off.
        response.timeout = None
        return response

    def _file_database(self, used_for: str, name: str | None) -> Database:
        client = self._loop_client(used_for)
        return client.database if name is None else client.client[name]


def _content_type(filename: str, file: AsyncGridOut) -> str:
    guessed, _ = mimetypes.guess_type(filename)
    return guessed or file.content_type or "application/octet-stream"


async def _checksum(file: AsyncGridOut) -> str:
    """Return the checksum that was saved with the file, or compute it."""
    for name in ("sha1", "md5"):
        if saved := getattr(file, name, None):
            return str(saved)
    checksum = hashlib.sha1(usedforsecurity=False)
    async for chunk in _chunks(file, 0, file.length):
        checksum.update(chunk)
    return checksum.hexdigest()


async def _chunks(file: AsyncGridOut, start: int, stop: int) -> AsyncGenerator[bytes]:
    """Yield the bytes from *start* up to *stop*, and read only the chunks that contain them."""
    try:
        await file.seek(start)
        left = stop - start
        while left > 0 and (chunk := await file.readchunk()):
            yield chunk[:left]
            left -= len(chunk)
    finally:
        await file.close()
