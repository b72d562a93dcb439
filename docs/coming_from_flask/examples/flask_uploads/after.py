from quart import request
from quartpatterns.fileuploads import (
    IMAGES,
    UploadNotAllowed,
    UploadSet,
    configure_uploads,
)
from quartpatterns.subclassing import FaithfulQuart

photos = UploadSet("photos", IMAGES)


def create_app(config=None):
    app = FaithfulQuart(__name__)
    app.config.from_mapping(
        UPLOADED_PHOTOS_DEST="/var/lib/photos", UPLOADS_AUTOSERVE=True
    )
    app.config.from_mapping(config or {})
    configure_uploads(app, photos)

    @app.post("/photos")
    async def upload():
        try:
            name = await photos.save((await request.files)["photo"])
        except UploadNotAllowed:
            return {"error": "Only images."}, 415
        return {"name": name, "url": photos.url(name)}, 201

    return app
