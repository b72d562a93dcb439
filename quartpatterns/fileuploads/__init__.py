"""Files of any size, read as they arrive, limited, named safely, kept whole, and sent back.

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

from importlib.util import find_spec

if _missing := [name for name in ("filetype", "multipart") if find_spec(name) is None]:
    raise ModuleNotFoundError(
        f"quartpatterns.fileuploads needs {_missing[0]}: pip install 'quartpatterns[fileuploads]'",
        name=_missing[0],
    )

from quartpatterns.fileuploads.boards import State
from quartpatterns.fileuploads.content import content_matches
from quartpatterns.fileuploads.downloads import send_upload
from quartpatterns.fileuploads.errors import (
    BadMultipartError,
    LimitExceededError,
    StorageFullError,
    StorageUnavailableError,
    UploadNotAllowed,
)
from quartpatterns.fileuploads.folder import Folder
from quartpatterns.fileuploads.names import SavedName, secure_name
from quartpatterns.fileuploads.parts import Part, stream_multipart
from quartpatterns.fileuploads.presets import (
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
)
from quartpatterns.fileuploads.progress import UploadProgress
from quartpatterns.fileuploads.registration import configure_uploads
from quartpatterns.fileuploads.uploads import UploadSet

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
    "SOURCE",
    "TEXT",
    "VIDEO",
    "AllExcept",
    "BadMultipartError",
    "Folder",
    "LimitExceededError",
    "Part",
    "SavedName",
    "State",
    "StorageFullError",
    "StorageUnavailableError",
    "UploadNotAllowed",
    "UploadProgress",
    "UploadSet",
    "configure_uploads",
    "content_matches",
    "secure_name",
    "send_upload",
    "stream_multipart",
]
