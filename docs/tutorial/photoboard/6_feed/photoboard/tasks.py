"""Work that a worker does: ``quartpatterns worker 'photoboard:create_app()'``."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageOps
from quart.datastructures import FileStorage
from quart.utils import run_sync
from quartpatterns.tasks import Tasks

from photoboard.cache import cache
from photoboard.feed import publish
from photoboard.models import Photo, db
from photoboard.uploads import photos

tasks = Tasks()


@tasks.task
async def make_thumbnail(photo_id: int) -> None:
    """Make a small copy of a photo, for lists."""
    photo = await db.session.get(Photo, photo_id)
    if photo is None:
        return
    file = FileStorage(
        await run_sync(shrink)(photos.path(photo.file)), f"{photo_id}.webp"
    )
    photo.thumbnail = await photos.save(file, folder="thumbnails", overwrite=True)
    photo.album.cover = photo.thumbnail
    await db.session.commit()
    await cache.delete_tags("albums")
    await publish("photo", photo.id, photo.title, photo.album.owner.name)


def shrink(path: str) -> BytesIO:
    """Return the picture in at most 480 by 480 pixels. Runs in a thread."""
    small = BytesIO()
    with Image.open(path) as image:
        image.thumbnail((480, 480))
        ImageOps.exif_transpose(image).save(small, "WEBP")
    small.seek(0)
    return small
