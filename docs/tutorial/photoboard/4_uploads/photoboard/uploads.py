"""The files of the photos."""

from __future__ import annotations

from quartpatterns.fileuploads import UploadSet

photos = UploadSet("photos", ["jpg", "jpeg", "png", "webp"])
