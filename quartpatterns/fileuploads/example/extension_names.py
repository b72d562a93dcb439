"""What happens to the names of Flask-Reuploaded, and to those of Flask-Uploads before it."""

from __future__ import annotations

from quartpatterns.compare.extension_names import Extension, ExtensionName, State

__all__ = ["EXTENSION"]


def names(state: State, remark: str, *found: str) -> tuple[ExtensionName, ...]:
    """Return rows with the same state and remark."""
    return tuple(ExtensionName(name, state, remark) for name in found)


EXTENSION = Extension(
    "Flask-Reuploaded 1.5",
    (
        *names(
            "supported",
            "",
            "ALL",
            "ARCHIVES",
            "AllExcept",
            "DATA",
            "EXECUTABLES",
            "SCRIPTS",
            "SOURCE",
            "TEXT",
            "TestingFileStorage",
            "UploadConfiguration",
            "UploadConfiguration.allow",
            "UploadConfiguration.base_url",
            "UploadConfiguration.deny",
            "UploadConfiguration.destination",
            "UploadConfiguration.tuple",
            "UploadSet",
            "UploadSet._config",
            "UploadSet.config",
            "UploadSet.default_dest",
            "UploadSet.extension_allowed",
            "UploadSet.extensions",
            "UploadSet.file_allowed",
            "UploadSet.get_basename",
            "UploadSet.name",
            "addslash",
            "app.upload_set_config",
            "config_for_set",
            "configure_uploads",
            "extension",
            "lowercase_ext",
            "UPLOADED_X_ALLOW",
            "UPLOADED_X_DENY",
            "UPLOADS_AUTOSERVE",
            "UPLOADS_DEFAULT_DEST",
            "UPLOADS_DEFAULT_URL",
        ),
        *names("awaited", "`await file.save(path)` remembers the path", "TestingFileStorage.save"),
        *names(
            "awaited",
            "`await photos.save(file)`; see the differences below",
            "UploadSet.save",
        ),
        *names(
            "awaited",
            "a subclass may have a plain or an `async` method; after `_9` the suffix is random",
            "UploadSet.resolve_conflict",
        ),
        *names(
            "changed",
            "with `avif`, and without `svg`, which can run scripts: add it in `UPLOADED_X_ALLOW`",
            "DEFAULTS",
            "IMAGES",
        ),
        *names("changed", "one more extension: `odt`", "DOCUMENTS"),
        *names("changed", "one more extension: `m4a`", "AUDIO"),
        *names(
            "changed",
            "a missing destination is a `MissingDestinationError`, which is a `RuntimeError`",
            "UploadSet(default_dest=)",
        ),
        *names(
            "changed",
            "an HTTP exception: the response is a 415 without a handler",
            "UploadNotAllowed",
        ),
        *names(
            "changed",
            "a name outside of the destination, or a hidden one, is a `ValueError`",
            "UploadSet.path",
        ),
        *names(
            "changed",
            "without `UPLOADED_X_URL` and `UPLOADS_AUTOSERVE` it is a `RuntimeError`",
            "UploadSet.url",
        ),
        *names(
            "changed", "a relative folder is below `app.root_path`; or a URL", "UPLOADED_X_DEST"
        ),
        *names(
            "changed",
            "a slash is added; files of this set are not served at `/_uploads`",
            "UPLOADED_X_URL",
        ),
        *names("refused", "`app.config['MAX_CONTENT_LENGTH']`", "patch_request_class"),
        *names("refused", "`UPLOADS_DEFAULT_URL`", "UPLOADS_URL", "UPLOADS_DEFAULT_URLS"),
    ),
)
