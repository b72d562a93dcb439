"""Where uploaded files are stored."""

from __future__ import annotations

from pathlib import Path

from quart import Quart
from quartpatterns.fileuploads import UploadSet


def default_folder(app: Quart) -> str:
    """Return the folder of files without the setting UPLOADED_PICTURES_DEST."""
    return str(Path(app.instance_path, "pictures"))


picture_set = UploadSet("pictures", ["jpg", "jpeg", "png", "webp"], default_folder)
