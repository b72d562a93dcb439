"""The original: uploading files with Flask, by hand and with Flask-Reuploaded."""

import os

from flask import Flask, flash, redirect, render_template, request, send_from_directory, url_for
from flask_uploads import UploadNotAllowed, UploadSet, configure_uploads
from werkzeug.utils import secure_filename

ALLOWED_EXTENSIONS = {"txt", "pdf", "png", "jpg", "jpeg", "gif"}

documents = UploadSet("documents", ALLOWED_EXTENSIONS)


def allowed_file(filename):
    return "." in filename and filename.rsplit(".", 1)[1].lower() in ALLOWED_EXTENSIONS


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        UPLOAD_FOLDER=os.path.join(app.instance_path, "uploads"),
        MAX_CONTENT_LENGTH=16 * 1000 * 1000,
    )
    app.config.from_mapping(config or {})
    os.makedirs(app.config["UPLOAD_FOLDER"], exist_ok=True)
    app.config.setdefault("UPLOADED_DOCUMENTS_DEST", app.config["UPLOAD_FOLDER"])
    app.config.setdefault("UPLOADED_DOCUMENTS_URL", "/uploads/")
    configure_uploads(app, documents)

    @app.route("/", methods=["GET", "POST"])
    def upload_file():
        if request.method == "POST":
            # check if the post request has the file part
            if "file" not in request.files:
                flash("No file part")
                return redirect(request.url)
            file = request.files["file"]
            # If the user does not select a file, the browser submits an
            # empty file without a filename.
            if file.filename == "":
                flash("No selected file")
                return redirect(request.url)
            if file and allowed_file(file.filename):
                filename = secure_filename(file.filename)
                file.save(os.path.join(app.config["UPLOAD_FOLDER"], filename))
                return redirect(url_for("download_file", name=filename))
        return render_template("index.html")

    @app.route("/uploads/<name>")
    def download_file(name):
        return send_from_directory(app.config["UPLOAD_FOLDER"], name)

    app.add_url_rule("/files/<name>", endpoint="served_elsewhere", build_only=True)

    # An Easier Solution
    @app.route("/easier", methods=["GET", "POST"])
    def upload_easily():
        if request.method == "POST" and "file" in request.files:
            try:
                filename = documents.save(request.files["file"])
            except UploadNotAllowed:
                flash("This file is not allowed")
                return redirect(request.url)
            flash(f"Saved as {filename}")
            return redirect(documents.url(filename))
        return render_template("easier.html")

    return app
