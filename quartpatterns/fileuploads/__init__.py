"""Uploading files of any size: read as they arrive, within limits, stored safely, and sent back.

.. code-block:: python

    from quartpatterns.fileuploads import IMAGES, UploadSet, configure_uploads, stream_multipart

    photos = UploadSet("photos", IMAGES)
    app.config["UPLOADED_PHOTOS_DEST"] = "/var/lib/photos"
    configure_uploads(app, photos)


    @app.post("/photos")
    async def upload():
        async for part in stream_multipart(request, max_part_size=10_000_000):
            if part.name == "photo" and part.filename:
                name = await photos.save(part)
                return redirect(url_for("photo", name=name))
        abort(400, "Choose a photo.")
"""

from __future__ import annotations

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.settings_of.fileuploads import SETTINGS

with requires_extra("fileuploads"):
    from quartpatterns.fileuploads.configuration import (
        MissingDestinationError,
        config_for_set,
        configure_uploads,
    )

from quartpatterns.fileuploads.downloads import send_upload
from quartpatterns.fileuploads.errors import (
    BadMultipartError,
    InvalidNameError,
    LimitExceededError,
    StorageFullError,
    StorageUnavailableError,
    UploadNotAllowed,
)
from quartpatterns.fileuploads.extension_api import (
    TestingFileStorage,
    addslash,
    patch_request_class,
)
from quartpatterns.fileuploads.filetypes import (
    ALL,
    ARCHIVES,
    AUDIO,
    DATA,
    DEFAULTS,
    DOCUMENTS,
    EXECUTABLES,
    IMAGES,
    SCRIPTS,
    SOURCE,
    TEXT,
    VIDEO,
    AllExcept,
    SavedName,
    content_matches,
    extension,
    lowercase_ext,
    secure_name,
)
from quartpatterns.fileuploads.folder import Folder
from quartpatterns.fileuploads.multipart_form import Part, stream_multipart
from quartpatterns.fileuploads.progress import State, UploadProgress
from quartpatterns.fileuploads.uploads import UploadConfiguration, UploadSet

__all__ = [
    "ALL",
    "ARCHIVES",
    "AUDIO",
    "DATA",
    "DEFAULTS",
    "DOCUMENTS",
    "EXECUTABLES",
    "IMAGES",
    "SCRIPTS",
    "SETTINGS",
    "SOURCE",
    "TEXT",
    "VIDEO",
    "AllExcept",
    "BadMultipartError",
    "Folder",
    "InvalidNameError",
    "LimitExceededError",
    "MissingDestinationError",
    "Part",
    "SavedName",
    "State",
    "StorageFullError",
    "StorageUnavailableError",
    "TestingFileStorage",
    "UploadConfiguration",
    "UploadNotAllowed",
    "UploadProgress",
    "UploadSet",
    "addslash",
    "config_for_set",
    "configure_uploads",
    "content_matches",
    "extension",
    "lowercase_ext",
    "patch_request_class",
    "secure_name",
    "send_upload",
    "stream_multipart",
]
