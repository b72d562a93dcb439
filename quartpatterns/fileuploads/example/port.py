"""The port: uploading files with Quart.

``/progress`` is an extra: files of any size and type, with a progress bar.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import Any

from quart import abort, flash, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from quartpatterns.fileuploads import (
    ALL,
    BadMultipartError,
    Part,
    UploadNotAllowed,
    UploadProgress,
    UploadSet,
    configure_uploads,
    send_upload,
    stream_multipart,
)
from quartpatterns.subclassing import FaithfulQuart

ALLOWED_EXTENSIONS = {"txt", "pdf", "png", "jpg", "jpeg", "gif"}

documents = UploadSet("documents", ALLOWED_EXTENSIONS)
anything = UploadSet("anything", ALL)


def allowed_file(filename: str) -> bool:
    """Return whether a file may be uploaded under this name of a client."""
    return "." in filename and filename.rsplit(".", 1)[1].lower() in ALLOWED_EXTENSIONS


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create an application with an upload form and downloads."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        UPLOAD_FOLDER=os.path.join(app.instance_path, "uploads"),
        MAX_CONTENT_LENGTH=16 * 1000 * 1000,
        PROGRESS_MAX_CONTENT_LENGTH=1024 * 1000 * 1000,
    )
    app.config.from_mapping(config or {})
    for upload_set in (documents, anything):
        app.config.setdefault(
            f"UPLOADED_{upload_set.name.upper()}_DEST", app.config["UPLOAD_FOLDER"]
        )
    app.config.setdefault("UPLOADED_DOCUMENTS_URL", "/uploads/")
    configure_uploads(app, documents, anything)
    progress = UploadProgress(app)

    @app.route("/", methods=["GET", "POST"])
    async def upload_file() -> ResponseReturnValue:
        if request.method != "POST":
            return await render_template("index.html")
        if request.mimetype == "multipart/form-data":
            # A malformed form has no file, as in Flask; without this it is a 400.
            with contextlib.suppress(BadMultipartError):
                async for part in stream_multipart(request):
                    if part.name == "file" and part.filename is not None:
                        return await upload(part)
        await flash("No file part")
        return redirect(request.url)

    async def upload(part: Part) -> ResponseReturnValue:
        if not part.filename:
            await flash("No selected file")
            return redirect(request.url)
        if not allowed_file(part.filename):
            return await render_template("index.html")
        try:
            name = await documents.save(part)
        except UploadNotAllowed:
            return await render_template("index.html")
        return redirect(url_for("download_file", name=name))

    @app.get("/uploads/<name>")
    async def download_file(name: str) -> ResponseReturnValue:
        return await send_upload(documents, name)

    app.add_url_rule("/files/<name>", endpoint="served_elsewhere", build_only=True)

    @app.route("/easier", methods=["GET", "POST"])
    async def upload_easily() -> ResponseReturnValue:
        if request.method == "POST" and "file" in (files := await request.files):
            try:
                name = await documents.save(files["file"])
            except UploadNotAllowed:
                await flash("This file is not allowed")
                return redirect(request.url)
            await flash(f"Saved as {name}")
            return redirect(documents.url(name))
        return await render_template("easier.html")

    @app.route("/progress", methods=["GET", "POST"])
    async def upload_with_progress() -> ResponseReturnValue:
        if request.method != "POST":
            return await render_template("progress.html")
        limit = app.config["PROGRESS_MAX_CONTENT_LENGTH"]
        async with progress.track(request.args.get("upload")) as report:
            async for part in stream_multipart(
                request, max_content_length=limit, on_progress=report
            ):
                if part.name == "file" and part.filename:
                    name = await anything.save(part)
                    url = url_for("download_file", name=name)
                    return {"name": name, "size": name.size, "sha256": name.sha256, "url": url}
        abort(400)

    @app.get("/progress/<upload_id>")
    async def upload_progress(upload_id: str) -> ResponseReturnValue:
        return progress.events(upload_id)

    return app
