"""The configuration of upload sets in an application."""

from __future__ import annotations

from pathlib import Path

from quart import Blueprint, Quart, abort, current_app
from quart.typing import ResponseReturnValue

from quartpatterns._shared.extras import requires_extra
from quartpatterns._shared.settings import SettingError, SettingsReader, refuse_unknown
from quartpatterns.fileuploads.downloads import send_upload
from quartpatterns.fileuploads.folder import Folder
from quartpatterns.fileuploads.storage import Storage
from quartpatterns.fileuploads.uploads import EXTENSION_KEY, UploadConfiguration, UploadSet

__all__ = ["configure_uploads"]

SHARED = {"UPLOADS_DEFAULT_DEST": None, "UPLOADS_DEFAULT_URL": None, "UPLOADS_AUTOSERVE": False}
OF_A_SET = {"DEST": None, "URL": None, "ALLOW": (), "DENY": (), "STORE": None, "FSYNC": False}


def configure_uploads(app: Quart, *upload_sets: UploadSet) -> None:
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

    With ``UPLOADS_AUTOSERVE`` the application serves files of sets without a URL at ``/_uploads``.

    Arguments:
        app: The application, with its complete configuration.
        upload_sets: The upload sets. Another call may add more.

    Raises:
        SettingError: A setting is missing, invalid or unknown. The error names it.
        MissingExtraError: A destination is a URL, and obstore is not installed.

    .. versionadded:: 0.1
    """
    refuse_unknown(app.config, "UPLOADS_", SHARED)
    configurations: dict[str, UploadConfiguration] = app.extensions.setdefault(EXTENSION_KEY, {})
    for upload_set in upload_sets:
        configurations[upload_set.name] = _read_configuration(app, upload_set)
    autoserve = SettingsReader(app.config, SHARED).boolean("UPLOADS_AUTOSERVE")
    if autoserve and "_uploads" not in app.blueprints:
        app.register_blueprint(_blueprint())


def _read_configuration(app: Quart, upload_set: UploadSet) -> UploadConfiguration:
    name = upload_set.name
    prefix = f"UPLOADED_{name.upper()}_"
    defaults = {f"{prefix}{key}": value for key, value in OF_A_SET.items()}
    refuse_unknown(app.config, prefix, defaults)
    reader = SettingsReader(app.config, defaults | SHARED)
    base_url = reader.optional(reader.text, f"{prefix}URL")
    dest = reader.optional(reader.path, f"{prefix}DEST")
    if dest is None and upload_set.default_dest is not None:
        dest = upload_set.default_dest(app)
    if dest is None:
        dest = _append(reader.optional(reader.path, "UPLOADS_DEFAULT_DEST"), name)
        base_url = base_url or _append(reader.optional(reader.text, "UPLOADS_DEFAULT_URL"), name)
    if dest is None:
        raise SettingError(
            f"{prefix}DEST",
            f"The upload set {name!r} has no destination: set {prefix}DEST to a folder, or to a URL"
            " such as s3://bucket/prefix.",
        )
    return UploadConfiguration(
        _storage(app, str(dest), reader, prefix),
        f"{base_url.rstrip('/')}/" if base_url else None,
        reader.strings(f"{prefix}ALLOW"),
        reader.strings(f"{prefix}DENY"),
    )


def _append(base: str | None, name: str) -> str | None:
    return None if base is None else f"{base.rstrip('/')}/{name}"


def _storage(app: Quart, dest: str, reader: SettingsReader, prefix: str) -> Storage:
    fsync = reader.boolean(f"{prefix}FSYNC")
    options = reader.optional(reader.mapping, f"{prefix}STORE", secret=True)
    if "://" not in dest:
        return Folder(Path(app.root_path, dest), fsync=fsync)
    with requires_extra("fileuploads", "obstore", needed_by=f"A URL in {prefix}DEST"):
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
