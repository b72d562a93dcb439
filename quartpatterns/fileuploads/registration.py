"""Sets of uploads and the configuration of an application."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from quart import Blueprint, Quart, abort, current_app
from quart.typing import ResponseReturnValue

from quartpatterns.fileuploads.downloads import send_upload
from quartpatterns.fileuploads.folder import Folder
from quartpatterns.fileuploads.storage import KEY, Storage, UploadConfiguration
from quartpatterns.fileuploads.uploads import UploadSet

__all__ = ["configure_uploads"]


def configure_uploads(app: Quart, *upload_sets: UploadSet) -> None:
    """Read what the configuration of *app* says of each set.

    For a set called ``photos``, all optional but a destination:

    * ``UPLOADED_PHOTOS_DEST``: a folder, relative to the application's ``root_path``, or a URL
      such as ``s3://bucket/prefix``. Without it ``UPLOADS_DEFAULT_DEST`` and the set's name.
    * ``UPLOADED_PHOTOS_URL``: what the URLs of its files begin with. Without it
      ``UPLOADS_DEFAULT_URL`` and the set's name, where the default destination is used.
    * ``UPLOADED_PHOTOS_ALLOW``, ``UPLOADED_PHOTOS_DENY``: extensions to add, and to leave out.
    * ``UPLOADED_PHOTOS_STORE``: a dict of options for the store that a URL names.
    * ``UPLOADED_PHOTOS_FSYNC``: whether an upload waits until the disk has the file.

    With ``UPLOADS_AUTOSERVE`` files of sets without a URL are served below ``/_uploads``.

    Arguments:
        app: The application, with its configuration complete.
        upload_sets: The sets; another call may add more.

    Raises:
        RuntimeError: A set has no destination.
    """
    known: dict[str, UploadConfiguration] = app.extensions.setdefault(KEY, {})
    for one in upload_sets:
        known[one.name] = _configuration(app, one)
    served = any(found.base_url is None for found in known.values())
    config = cast("dict[str, Any]", app.config)
    if config.get("UPLOADS_AUTOSERVE") and served and "_uploads" not in app.blueprints:
        app.register_blueprint(_blueprint())


def _configuration(app: Quart, upload_set: UploadSet) -> UploadConfiguration:
    config = cast("dict[str, Any]", app.config)
    prefix = f"UPLOADED_{upload_set.name.upper()}_"
    base_url: str | None = config.get(f"{prefix}URL")
    dest: str | None = config.get(f"{prefix}DEST")
    if dest is None and upload_set.default_dest is not None:
        dest = upload_set.default_dest(app)
    if dest is None:
        dest = _below(config.get("UPLOADS_DEFAULT_DEST"), upload_set.name)
        base_url = base_url or _below(config.get("UPLOADS_DEFAULT_URL"), upload_set.name)
    if dest is None:
        raise RuntimeError(
            f"the set {upload_set.name!r} has no destination: set {prefix}DEST to a folder, or to"
            " a URL such as s3://bucket/prefix"
        )
    return UploadConfiguration(
        _storage(app.root_path, str(dest), config, prefix),
        f"{base_url.rstrip('/')}/" if base_url else None,
        tuple(config.get(f"{prefix}ALLOW", ())),
        tuple(config.get(f"{prefix}DENY", ())),
    )


def _below(default: str | None, name: str) -> str | None:
    return default and f"{str(default).rstrip('/')}/{name}"


def _storage(root: str, dest: str, config: dict[str, Any], prefix: str) -> Storage:
    if "://" not in dest:
        return Folder(Path(root, dest), fsync=bool(config.get(f"{prefix}FSYNC")))
    try:
        # Here, as a folder needs no obstore.
        from quartpatterns.fileuploads.objects import Objects, store_from_url
    except ImportError as error:
        raise ImportError(
            f"{prefix}DEST is a URL, which needs obstore: pip install 'quartpatterns[fileuploads]'",
            name=error.name,
        ) from error
    return Objects(store_from_url(dest, config.get(f"{prefix}STORE") or {}))


def _blueprint() -> Blueprint:
    blueprint = Blueprint("_uploads", __name__, url_prefix="/_uploads")

    @blueprint.get("/<setname>/<path:filename>")
    async def uploaded_file(setname: str, filename: str) -> ResponseReturnValue:
        found = current_app.extensions[KEY].get(setname)
        if found is None or found.base_url is not None:
            abort(404)
        return await send_upload(found.storage, filename)

    return blueprint
