"""Where an application stores its data: which databases it uses, and whether its files survive.

A release is a folder that is removed later, so a file that the application writes into it is lost.
The folder ``venv/var``, which contains the instance folder of an installed application, is
therefore a link to ``shared/var``. Other paths inside a release are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

__all__ = ["check_written_files", "load", "written_databases"]

_DATABASE_URL = re.compile(
    r"(?:sqlite|postgres|postgresql|mysql|mariadb|mssql|oracle|mongodb)(?:\+\w+)?://"
    r"(?:.*@)?(?P<hosts>[^/?]*)(?P<path>[^?]*)",
    re.IGNORECASE | re.DOTALL,
)
_SQLITE_URL = re.compile(r"sqlite(?:\+\w+)?:///(?P<file>[^?]+)(?P<query>\?.*)?", re.IGNORECASE)
_SQLITE_HEADER = b"SQLite format 3\0"
_FOLDER = re.compile(r"INSTANCE_PATH|UPLOAD_FOLDER|UPLOADS_DEFAULT_DEST|UPLOADED_\w+_DEST")
"""The settings of applications of ``quartpatterns new``, of Flask's page, and of Flask-Uploads."""
_THIS_HOST = re.compile(r"(?:|localhost|127\.\d+\.\d+\.\d+|\[::1\]|%2F.*)(?::\d*)?", re.IGNORECASE)
"""The server of a URL without a host, at a local address, or at the path of a Unix socket."""
_OWN_DATABASE = ""
"""The identity of a database that other hosts do not share, or that is unknown."""


def load(folder: Path, release: Path, app: str) -> None:
    """Import the application, check its paths, and write down which databases it uses.

    This runs under the Python of the release, in its folder ``app``.

    Raises:
        ValueError: The application stores files in the release. The message says what to change.
    """
    from hypercorn.utils import load_application

    loaded: Any = load_application(app, 0)
    while not hasattr(loaded, "config") and hasattr(loaded, "app"):
        loaded = loaded.app  # an ASGI middleware
    config: Any = getattr(loaded, "config", None)
    settings: Mapping[str, Any] = cast("Any", config if isinstance(config, Mapping) else {})
    instance = getattr(loaded, "instance_path", None)
    for name, path in _stored_files(settings, Path(instance) if instance else Path()):
        _refuse_inside(folder, release, name, path)
    if instance and Path(instance).is_dir():
        _refuse_inside(folder, release, "app.instance_path", Path(instance))
    (release / "database").write_text(_database_identity([settings, os.environ]))


def check_written_files(folder: Path, release: Path) -> None:
    """Check that processes of a release have written no SQLite database into it.

    Raises:
        ValueError: There is one. The message says what to change.
    """
    for path in written_databases(release):
        _refuse_inside(folder, release, "the database", path)


def written_databases(release: Path) -> list[Path]:
    """Return the SQLite databases in *release* that its installation has not written."""
    try:
        began, ended = ((release / name).stat().st_mtime_ns for name in ("venv/made", "installed"))
    except FileNotFoundError:
        return []
    return [
        Path(parent, name)
        for parent, _, names in os.walk(release)
        if not parent.endswith("__pycache__")
        for name in names
        if _is_written_database(Path(parent, name), began, ended)
    ]


def _is_written_database(path: Path, began: int, ended: int) -> bool:
    """Return whether *path* is a database, and was not written between *began* and *ended*.

    It can be older than the installation, because the clock of the host can be set back.
    The archive of a release contains files without a time: that of 1970.
    """
    try:
        modified = path.stat().st_mtime_ns
        if path.is_symlink() or modified == 0 or began <= modified <= ended:
            return False
        with path.open("rb") as file:
            return file.read(len(_SQLITE_HEADER)) == _SQLITE_HEADER
    except OSError:  # it was removed meanwhile, or is a socket
        return False


def _refuse_inside(folder: Path, release: Path, name: str, path: Path) -> None:
    if not path.resolve().is_relative_to(release.resolve()):
        return
    shared = folder / "shared" / "var" / path.name
    raise ValueError(
        f"{name} is {path}, inside the release, and would be lost with it. Use an absolute path,"
        f" such as {shared}, or a path below app.instance_path"
    )


def _stored_files(config: Mapping[str, Any], instance: Path) -> Iterator[tuple[str, Path]]:
    """Yield the name of a setting, and the file or folder into which the application writes."""
    for name, url in _database_urls(config):
        match = _SQLITE_URL.match(url)
        if match and "mode=memory" not in (match["query"] or ""):
            file = match["file"].removeprefix("file:")
            if file != ":memory:":
                yield name, instance / file
    database = config.get("DATABASE")
    if isinstance(database, str | Path) and "://" not in str(database) and database != ":memory:":
        yield "DATABASE", instance / str(database).removeprefix("file:").partition("?")[0]
    for name, value in config.items():
        if _FOLDER.fullmatch(name) and isinstance(value, str | Path) and "://" not in str(value):
            yield name, Path(value).absolute()


def _database_urls(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the URLs of databases in settings, with the name of the setting that contains them."""
    if isinstance(value, Mapping):
        for key, item in cast("Mapping[str, Any]", value).items():
            yield from _database_urls(item, name or key)
    elif isinstance(value, str) or hasattr(value, "drivername"):  # a URL of SQLAlchemy
        if _DATABASE_URL.match(text := str(value)):
            yield name, text


def _database_identity(settings: list[Mapping[str, Any]]) -> str:
    """Return a hash of the servers and names of the databases, which contains no secret.

    Two hosts with the same identity share their databases.
    """
    found: set[tuple[str, str]] = set()
    for _, url in (pair for config in settings for pair in _database_urls(dict(config))):
        match = _DATABASE_URL.match(url)
        assert match is not None
        if any(_THIS_HOST.fullmatch(host) for host in match["hosts"].split(",")):
            return _OWN_DATABASE
        found.add((match["hosts"], match["path"]))
    if not found or any(isinstance(config.get("DATABASE"), str | Path) for config in settings):
        return _OWN_DATABASE
    return hashlib.sha256(json.dumps(sorted(found)).encode()).hexdigest()[:16]
