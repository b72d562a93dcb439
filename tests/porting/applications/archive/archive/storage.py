import json
from pathlib import Path

from flask import current_app
from werkzeug.utils import secure_filename


class UploadError(Exception):
    status = 400


class TooManyError(UploadError):
    status = 409


class Entry:
    """A file with what its user wrote about it."""

    def __init__(self, path):
        self.path = path

    @property
    def name(self):
        return self.path.name

    @property
    def about(self):
        return json.loads(self._about.read_text()) if self._about.exists() else {}

    @about.setter
    def about(self, value):
        self._about.write_text(json.dumps(value))

    @property
    def _about(self):
        return self.path.with_name(f".{self.path.name}.json")

    def as_dict(self):
        return {"name": self.name, "size": self.path.stat().st_size, **self.about}


class Storage:
    limit = 3

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(exist_ok=True)

    @classmethod
    def current(cls):
        return cls(current_app.config["FOLDER"])

    def entries(self):
        paths = (path for path in self.folder.iterdir() if not path.name.startswith("."))
        return sorted(map(Entry, paths), key=lambda entry: entry.name)

    def entry(self, name):
        found = Entry(self.folder / secure_filename(name))
        if not found.path.exists():
            raise KeyError(name)
        return found

    def save(self, upload):
        name = secure_filename(upload.filename or "")
        if not name:
            raise UploadError("The file has no name.")
        if len(self.entries()) >= self.limit:
            raise TooManyError(f"There are {self.limit} files.")
        upload.save(self.folder / name)
        return Entry(self.folder / name)
