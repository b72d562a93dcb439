"""The original: uploading files with Flask."""

import os

from flask import Flask, flash, redirect, render_template, request, send_from_directory, url_for
from werkzeug.utils import secure_filename

ALLOWED_EXTENSIONS = {"txt", "pdf", "png", "jpg", "jpeg", "gif"}


def allowed_file(filename):
    return "." in filename and filename.rsplit(".", 1)[1].lower() in ALLOWED_EXTENSIONS


def create_app(config=None):
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY="dev",
        UPLOAD_FOLDER=os.path.join(app.instance_path, "uploads"),
        MAX_CONTENT_LENGTH=16 * 1000 * 1000,
        PROGRESS_MAX_CONTENT_LENGTH=1024 * 1000 * 1000,
    )
    app.config.from_mapping(config or {})
    os.makedirs(app.config["UPLOAD_FOLDER"], exist_ok=True)

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

    @app.route("/progress", methods=["GET", "POST"])
    def upload_with_progress():
        if request.method != "POST":
            return render_template("progress.html")
        request.max_content_length = app.config["PROGRESS_MAX_CONTENT_LENGTH"]
        file = request.files["file"]
        filename = secure_filename(file.filename)
        path = os.path.join(app.config["UPLOAD_FOLDER"], filename)
        file.save(path)
        return {
            "name": filename,
            "size": os.path.getsize(path),
            "url": url_for("download_file", name=filename),
        }

    return app
