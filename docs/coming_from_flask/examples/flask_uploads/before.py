from flask import Flask, request
from flask_uploads import IMAGES, UploadNotAllowed, UploadSet, configure_uploads

photos = UploadSet("photos", IMAGES)


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        UPLOADED_PHOTOS_DEST="/var/lib/photos", UPLOADS_AUTOSERVE=True
    )
    app.config.from_mapping(config or {})
    configure_uploads(app, photos)

    @app.post("/photos")
    def upload():
        try:
            name = photos.save(request.files["photo"])
        except UploadNotAllowed:
            return {"error": "Only images."}, 415
        return {"name": name, "url": photos.url(name)}, 201

    return app
