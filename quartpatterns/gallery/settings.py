"""The settings of the gallery, and the environment variables that set them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quart import Quart

from quartpatterns._shared.declarations import Declarations, Seconds, Setting
from quartpatterns._shared.settings import SettingsReader, apply_defaults, refuse_unknown
from quartpatterns.gallery.client_networks import ClientNetworks
from quartpatterns.sqlalchemy.settings import async_url, without_driver

__all__ = ["ENVIRONMENT", "SETTINGS", "GallerySettings", "gallery_settings", "read_environment"]

PREFIX = "GALLERY_"
SMALLEST_MEMORY = 128 * 1024**2
"""Bytes. With less, the command of a run can't start."""
ENVIRONMENT_PREFIX = "QUARTPATTERNS_"
_EXTENSION = "quartpatterns.gallery"

# Settings of the ports, and the environment variables that set them.
ENVIRONMENT = {
    "DATABASE": "SQLITE_FILE",
    "MONGODB_URL": "MONGODB_URL",
    "REDIS_URL": "REDIS_URL",
    "SECRET_KEY": "SECRET_KEY",
    "SQLALCHEMY_DATABASE_URI": "DATABASE_URL",
    "UPLOAD_FOLDER": "UPLOAD_FOLDER",
}

SETTINGS = Declarations(
    {
        "GALLERY_RUN_FROM": Setting(
            str,
            "local",
            "Whose browsers may start comparisons and measurements: `local` (this machine), `any`,"
            " `none`, or addresses and networks such as `192.168.0.0/16`, separated by commas.",
        ),
        "GALLERY_METRICS_FROM": Setting(
            str, "local", "Who may read the metrics, written as in `GALLERY_RUN_FROM`."
        ),
        "GALLERY_RUN_TIMEOUT": Setting(
            Seconds, 600, "How long a comparison or measurement may take."
        ),
        "GALLERY_RUN_MEMORY": Setting(
            int | None,
            2 * 1024**3,
            "How much memory each process of a comparison or measurement may allocate, on Linux."
            " `None` sets no limit.",
            unit="bytes",
        ),
        "GALLERY_RUN_QUEUE": Setting(
            int, 5, "Maximum number of comparisons and measurements that wait or run."
        ),
        "GALLERY_KEEP_RUNS": Setting(
            int, 20, "Results that are kept of each pattern, for comparisons and measurements each."
        ),
    },
    prefixes=(PREFIX,),
)


class GallerySettings:
    """The validated settings of the gallery.

    Arguments:
        app: The application. Its configuration gets the missing defaults.

    Raises:
        SettingError: A value is invalid, or a key that starts with ``GALLERY_`` is unknown.
    """

    def __init__(self, app: Quart) -> None:
        apply_defaults(app, SETTINGS.defaults)
        refuse_unknown(app.config, SETTINGS.prefixes, SETTINGS)
        read = SettingsReader(app.config)
        self.run_from = ClientNetworks("GALLERY_RUN_FROM", read.text("GALLERY_RUN_FROM"))
        self.metrics_from = ClientNetworks(
            "GALLERY_METRICS_FROM", read.text("GALLERY_METRICS_FROM")
        )
        self.run_timeout = read.seconds("GALLERY_RUN_TIMEOUT")
        self.run_memory = read.optional(read.size, "GALLERY_RUN_MEMORY", minimum=SMALLEST_MEMORY)
        self.run_queue = read.count("GALLERY_RUN_QUEUE")
        self.keep_runs = read.count("GALLERY_KEEP_RUNS")
        app.extensions[_EXTENSION] = self


def gallery_settings(app: Quart) -> GallerySettings:
    """Return the settings of *app*."""
    settings: GallerySettings = app.extensions[_EXTENSION]
    return settings


def read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that environment variables set.

    These are the variables in :data:`ENVIRONMENT`, and for the settings of the gallery itself such
    as ``QUARTPATTERNS_RUN_FROM``, which sets ``GALLERY_RUN_FROM``.
    """
    found: dict[str, Any] = {
        key: environ[name] for key, name in ENVIRONMENT.items() if name in environ
    }
    if url := found.get("SQLALCHEMY_DATABASE_URI"):
        found["SQLALCHEMY_DATABASE_URI"] = _with_absolute_path(url)
    for key, setting in SETTINGS.items():
        if text := environ.get(ENVIRONMENT_PREFIX + key.removeprefix(PREFIX)):
            found[key] = _parsed(text, setting.type)
    return found


def _with_absolute_path(url: str) -> str:
    """Return *url* with the whole path of an SQLite file, relative to the working directory.

    The migrations find it there. Applications would look in folders of their own.
    """
    if not url.startswith("sqlite"):
        return url
    with contextlib.suppress(ValueError):  # The application that opens it raises it again.
        absolute = without_driver(async_url(url, Path.cwd()))
        return absolute.render_as_string(hide_password=False)
    return url


def _parsed(text: str, kind: Any) -> Any:
    if kind is str:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # The error message shows it.
