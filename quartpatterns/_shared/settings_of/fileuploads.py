"""The settings of :mod:`quartpatterns.fileuploads`."""

from __future__ import annotations

from collections.abc import Mapping

from quartpatterns._shared.declarations import (
    Declarations,
    Path,
    Setting,
    SettingFamily,
    Strings,
)

__all__ = ["OF_A_SET", "SETTINGS"]

OF_A_SET = {
    "DEST": Setting(
        Path | None,
        None,
        "a folder, relative to `app.root_path`; or `s3://`, `gs://`, `az://`, `memory:///`",
    ),
    "STORE": Setting(
        Mapping | None,
        None,
        "options of [obstore](https://developmentseed.org/obstore/): endpoint, keys,"
        " `client_options`, `retry_config`",
    ),
    "FSYNC": Setting(
        bool,
        False,
        "whether `save` waits until the file is on the disk; a power failure then loses no upload"
        " that was confirmed to the client",
    ),
    "URL": Setting(
        str | None, None, "prefix of the URLs of files, if another web server serves them"
    ),
    "ALLOW": Setting(Strings, (), "additional allowed extensions"),
    "DENY": Setting(Strings, (), "forbidden extensions"),
    "CHECK_CONTENT": Setting(
        bool | None, None, "as `UPLOADS_CHECK_CONTENT`, whose value is the default, for this set"
    ),
}
"""The settings of an upload set, by the end of their keys: ``UPLOADED_PHOTOS_DEST``."""

SETTINGS = Declarations(
    {
        "UPLOADS_DEFAULT_DEST": Setting(
            Path | None,
            None,
            "the destination, with the name of the set appended, of a set without one of its own",
        ),
        "UPLOADS_DEFAULT_URL": Setting(
            str | None,
            None,
            "the prefix of URLs, with the name of the set appended, of a set without a destination"
            " of its own",
        ),
        "UPLOADS_AUTOSERVE": Setting(
            bool,
            False,
            "whether the application serves the files of sets without a URL at `/_uploads/`",
        ),
        "UPLOADS_CHECK_CONTENT": Setting(
            bool, True, "whether the content of a file must match its extension"
        ),
        "REDIS_URL": Setting(
            str | None,
            None,
            "Redis for `UploadProgress`, so that all workers know the progress of all uploads;"
            " without it, the progress is in the memory of one process",
        ),
    },
    families=[SettingFamily("UPLOADED_", True, OF_A_SET)],
    prefixes=("UPLOADS_", "UPLOADED_"),
    instead={
        "UPLOADS_URL": "set UPLOADS_DEFAULT_URL",
        "UPLOADS_DEFAULT_URLS": "set UPLOADS_DEFAULT_URL",
    },
)
