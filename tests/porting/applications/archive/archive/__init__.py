"""Files that users upload, with class-based views and streams."""

from flask import Flask

app = Flask(__name__)
app.config.from_object("archive.settings")

from archive import api, errors, views  # noqa: E402, F401
