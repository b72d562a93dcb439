"""Names under which uploaded files may be kept, on any operating system."""

from __future__ import annotations

import os.path
import re

from werkzeug.utils import secure_filename

from quartpatterns.fileuploads.errors import UploadNotAllowed

__all__ = ["SavedName", "extension", "is_plain", "numbered", "secure_name", "secure_path"]

LONGEST_ENDING = 20
LONGEST = 200  # characters: file systems take 255 bytes, and a number may have to be added
SHORTEST = "file"  # the stem of a name of which nothing is left but its extension
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin|conout|clock)", re.IGNORECASE)


class SavedName(str):
    """The name of a file that was saved, with its folder: a string that knows more.

    Attributes:
        size: In bytes.
        sha256: In hexadecimal.
    """

    size: int
    sha256: str

    __slots__ = ("sha256", "size")

    def __new__(cls, name: str, size: int, sha256: str) -> SavedName:
        made = super().__new__(cls, name)
        made.size = size
        made.sha256 = sha256
        return made


def extension(filename: str) -> str:
    """The last extension of *filename* in lower case, without its dot."""
    return os.path.splitext(filename)[1][1:].lower()


def secure_name(filename: str) -> str:
    """A name to keep a file by that a client calls *filename*: ASCII letters, digits, ``_.-``.

    It is :func:`werkzeug.utils.secure_filename`, and beyond that: the extension is in lower
    case; a name of which only the extension is ASCII is called ``file``; one of Windows' devices
    gets an underscore before it; a long one is cut before its extension. Folders become part of
    the name. Marks that turn the direction of writing, and so hide the extension from a person,
    are dropped before anybody looks at it.

    Raises:
        UploadNotAllowed: Nothing usable is left, as of ``..``.
    """
    stem, ending = os.path.splitext(secure_filename(filename))
    if not ending and stem and _lost_its_stem(filename, stem):
        stem, ending = SHORTEST, f".{stem}"
    if not stem:
        raise UploadNotAllowed("The file has no usable name.")
    if DEVICES.fullmatch(stem.partition(".")[0]):
        stem = f"_{stem}"
    ending = ending.lower()[:LONGEST_ENDING]
    return f"{stem[: LONGEST - len(ending)]}{ending}"


def _lost_its_stem(filename: str, name: str) -> bool:
    """Whether *name* is all that is left of a *filename* that had more than an extension."""
    stem, _, ending = re.split(r"[/\\]", filename)[-1].rpartition(".")
    return bool(stem.strip(". \t")) and secure_filename(ending) == name


def secure_path(path: str) -> str:
    """*path* with each of its segments made secure: the folder that a file goes to.

    Raises:
        UploadNotAllowed: A segment has no usable name, such as ``..``.
    """
    return "/".join(secure_name(segment) for segment in path.split("/"))


def is_plain(name: str) -> bool:
    """Whether *name* can be that of a file in a storage: no way out, and nothing hidden."""
    return "\0" not in name and all(
        segment and not segment.startswith(".") for segment in name.split("/")
    )


def numbered(name: str, number: int | str) -> str:
    """*name* with an underscore and *number* before its extension."""
    stem, ending = os.path.splitext(name)
    return f"{stem}_{number}{ending}"
