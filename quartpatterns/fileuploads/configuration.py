"""The configuration of upload sets in an application."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import cast

from quart import Blueprint, Quart, abort, current_app
from quart.typing import ResponseReturnValue

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.settings import SettingError, SettingsReader, refuse_unknown
from quartpatterns._shared.settings_of.fileuploads import OF_A_SET, SETTINGS
from quartpatterns.fileuploads.downloads import send_upload
from quartpatterns.fileuploads.extension_api import addslash
from quartpatterns.fileuploads.folder import Folder
from quartpatterns.fileuploads.storage import Storage
from quartpatterns.fileuploads.uploads import EXTENSION_KEY, UploadConfiguration, UploadSet

__all__ = ["MissingDestinationError", "config_for_set", "configure_uploads"]

SETS_KEY = "quartpatterns.fileuploads.sets"
"""The key in ``app.extensions`` of the upload sets by name."""


class MissingDestinationError(SettingError, RuntimeError):
    """An upload set has no destination. Flask-Reuploaded raises :exc:`RuntimeError`.

    .. versionadded:: 0.1
    """


def configure_uploads(
    app: Quart, upload_sets: UploadSet | Iterable[UploadSet], *more: UploadSet
) -> None:
    """Read the configuration of each upload set from *app*.

    For a set named ``photos``, only a destination is required:

    * ``UPLOADED_PHOTOS_DEST``: A folder, relative to the application's ``root_path``, or a URL
      such as ``s3://bucket/prefix``. If it is not set, the destination is
      ``UPLOADS_DEFAULT_DEST`` with the name of the set appended.
    * ``UPLOADED_PHOTOS_URL``: The prefix of the URLs of files. If neither it nor the destination is
      set, the prefix is ``UPLOADS_DEFAULT_URL`` with the name of the set appended.
    * ``UPLOADED_PHOTOS_ALLOW``: Additional allowed extensions.
    * ``UPLOADED_PHOTOS_DENY``: Forbidden extensions.
    * ``UPLOADED_PHOTOS_STORE``: A dictionary of options for the object store.
    * ``UPLOADED_PHOTOS_FSYNC``: Whether an upload waits until the disk has stored the file.
    * ``UPLOADED_PHOTOS_CHECK_CONTENT``: Whether the content of a file must match its extension.
      The default is ``UPLOADS_CHECK_CONTENT``, whose default is ``True``.

    With ``UPLOADS_AUTOSERVE`` the application serves files of sets without a URL at ``/_uploads``.
    Templates have the function ``upload_url(set_name, filename)``, see :meth:`UploadSet.url`.

    Arguments:
        app: The application, with its complete configuration.
        upload_sets: An upload set, or several. Another call may add more.
        more: More upload sets.

    Raises:
        SettingError: A setting is missing, invalid or unknown. The error names it.
        MissingExtraError: A destination is a URL, and obstore is not installed.
        TypeError: Something else than an upload set was given.

    .. versionadded:: 0.1
    """
    refuse_unknown(app.config, "UPLOADS_", SETTINGS, SETTINGS.instead)
    first = [upload_sets] if isinstance(upload_sets, UploadSet) else list(upload_sets)
    configurations: dict[str, UploadConfiguration] = app.extensions.setdefault(EXTENSION_KEY, {})
    # The name that it has in Flask-Reuploaded.
    app.upload_set_config = configurations  # type: ignore[attr-defined]
    reader = SettingsReader(app.config, SETTINGS.defaults)
    defaults = {
        "dest": reader.optional(reader.path, "UPLOADS_DEFAULT_DEST"),
        "url": reader.optional(reader.text, "UPLOADS_DEFAULT_URL"),
    }
    for upload_set in (*first, *more):
        configurations[upload_set.name] = config_for_set(upload_set, app, defaults)
    autoserve = reader.boolean("UPLOADS_AUTOSERVE")
    if autoserve and "_uploads" not in app.blueprints:
        app.register_blueprint(_blueprint())
    if SETS_KEY not in app.extensions:
        app.extensions[SETS_KEY] = {}
        app.context_processor(_template_context)
    app.extensions[SETS_KEY].update({one.name: one for one in (*first, *more)})


async def _template_context() -> dict[str, Callable[[str, str], str]]:
    return {"upload_url": _upload_url}


def _upload_url(set_name: str, filename: str) -> str:
    sets = cast("dict[str, UploadSet]", current_app.extensions[SETS_KEY])
    if (upload_set := sets.get(set_name)) is None:
        raise LookupError(
            f"There is no upload set {set_name!r}, only {', '.join(sorted(sets))}: pass it to"
            " configure_uploads()."
        )
    return upload_set.url(filename)


def config_for_set(
    uset: UploadSet, app: Quart, defaults: Mapping[str, str | None] | None = None
) -> UploadConfiguration:
    """Return the configuration of one upload set; ``configure_uploads`` calls it.

    Arguments:
        uset: The upload set.
        app: The application.
        defaults: ``dest`` and ``url`` for sets without a destination: ``UPLOADS_DEFAULT_DEST`` and
            ``UPLOADS_DEFAULT_URL``.

    Raises:
        MissingDestinationError: The set has no destination.
        SettingError: A setting is invalid or unknown. The error names it.
        TypeError: *uset* is no upload set.

    .. versionadded:: 0.1
    """
    if not isinstance(cast(object, uset), UploadSet):
        raise TypeError(f"expected an UploadSet, not {uset!r}")
    name = uset.name
    prefix = f"UPLOADED_{name.upper()}_"
    settings = {f"{prefix}{key}": one.default for key, one in OF_A_SET.items()}
    refuse_unknown(app.config, prefix, settings)
    reader = SettingsReader(app.config, settings | SETTINGS.defaults)
    base_url = reader.optional(partial(reader.text, empty=True), f"{prefix}URL")
    dest = reader.optional(reader.path, f"{prefix}DEST")
    if dest is None and uset.default_dest is not None:
        dest = _checked(uset.default_dest(app), name)
    if dest is None:
        defaults = defaults or {}
        dest = _append(defaults.get("dest"), name)
        if base_url is None:
            base_url = _append(defaults.get("url"), name)
    if dest is None:
        raise MissingDestinationError(
            f"{prefix}DEST",
            f"The upload set {name!r} has no destination: set {prefix}DEST to a folder, or to a URL"
            " such as s3://bucket/prefix.",
        )
    dest = dest if "://" in dest else str(Path(app.root_path, dest))
    check = reader.optional(reader.boolean, f"{prefix}CHECK_CONTENT")
    return UploadConfiguration(
        dest,
        addslash(base_url) if base_url else base_url,
        tuple(reader.strings(f"{prefix}ALLOW")),
        tuple(reader.strings(f"{prefix}DENY")),
        storage=_storage(dest, reader, prefix),
        check_content=reader.boolean("UPLOADS_CHECK_CONTENT") if check is None else check,
    )


def _checked(dest: object, name: str) -> str | None:
    """Return the result of ``default_dest`` as a string."""
    if dest is None or isinstance(dest, str | PathLike):
        return None if dest is None else os.fspath(dest)
    if inspect.iscoroutine(dest):
        dest.close()
    raise TypeError(
        f"default_dest of the upload set {name!r} must return a path, and must not be async:"
        f" it returned {type(dest).__name__}"
    )


def _append(base: str | None, name: str) -> str | None:
    return None if base is None else f"{base.rstrip('/')}/{name}"


def _storage(dest: str, reader: SettingsReader, prefix: str) -> Storage:
    fsync = reader.boolean(f"{prefix}FSYNC")
    options = reader.optional(reader.mapping, f"{prefix}STORE", secret=True)
    if "://" not in dest:
        return Folder(Path(dest), fsync=fsync)
    with requires_extra("fileuploads", needed_by=f"A URL in {prefix}DEST"):
        from quartpatterns.fileuploads.object_store import ObjectStorage, store_from_url
    return ObjectStorage(store_from_url(dest, options or {}))


def _blueprint() -> Blueprint:
    blueprint = Blueprint("_uploads", __name__, url_prefix="/_uploads")

    @blueprint.get("/<setname>/<path:filename>")
    async def uploaded_file(setname: str, filename: str) -> ResponseReturnValue:
        config = current_app.extensions[EXTENSION_KEY].get(setname)
        if config is None or config.base_url is not None:
            abort(404)
        return await send_upload(config.storage, filename)

    return blueprint
