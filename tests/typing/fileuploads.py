"""What type checkers infer for users of fileuploads. This module is checked, and never run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

from quart import Quart, Request
from quart.wrappers import Response
from werkzeug.datastructures import FileStorage

from quartpatterns.fileuploads import (
    IMAGES,
    SCRIPTS,
    AllExcept,
    Folder,
    Part,
    SavedName,
    State,
    UploadProgress,
    UploadSet,
    configure_uploads,
    content_matches,
    secure_name,
    send_upload,
    stream_multipart,
)
from quartpatterns.fileuploads.multipart_form import OnProgress


async def parts(request: Request, photos: UploadSet, file: FileStorage) -> None:
    """Parts, what they contain, and what ``save`` returns."""
    async for part in stream_multipart(request, max_part_size=10, max_content_length=None):
        assert_type(part, Part)
        assert_type(part.name, str)
        assert_type(part.filename, str | None)
        assert_type(part.content_type, str | None)
        assert_type(part.size, int)
        assert_type(await part.read(), bytes)
        assert_type(await part.text(), str)
        async for chunk in part:
            assert_type(chunk, bytes)
        name = await photos.save(part, overwrite=True)
        assert_type(name, SavedName)
        assert_type(name.size, int)
        assert_type(name.sha256, str)
    assert_type(await photos.save(file), SavedName)


async def sets(app: Quart) -> None:
    """Upload sets, and the responses with their files."""
    photos = UploadSet("photos", IMAGES)
    UploadSet("others", AllExcept(SCRIPTS), lambda app: app.instance_path, matches=None)
    configure_uploads(app, photos)
    assert_type(photos.url("a.png"), str)
    assert_type(photos.path("a.png"), str)
    assert_type(await send_upload(photos, "a.png"), Response)
    assert_type(await send_upload(Folder(Path("a")), "a.png"), Response)
    assert_type(secure_name("a"), str)
    assert_type(content_matches("png", b""), bool)


async def progress(app: Quart, request: Request) -> None:
    """The progress of an upload, as a function for ``stream_multipart``, states and a response."""
    uploads = UploadProgress(app)
    async with uploads.track("id") as report:
        assert_type(report, OnProgress | None)
        stream_multipart(request, on_progress=report)
    assert_type(uploads.watch("id"), AsyncIterator[State | None])
    assert_type(uploads.events("id"), Response)
