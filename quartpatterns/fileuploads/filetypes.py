"""Safe file names, groups of extensions, and whether a file's content matches its extension."""

from __future__ import annotations

import os.path
import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import filetype  # type: ignore[import-untyped]
from werkzeug.utils import secure_filename

from quartpatterns.fileuploads.errors import InvalidNameError

# Groups of extensions, by the names of Flask-Uploads.

TEXT = ("txt",)
DOCUMENTS = ("rtf", "odf", "ods", "odt", "gnumeric", "abw", "doc", "docx", "xls", "xlsx", "pdf")
# Without svg, which Flask-Uploads includes: an SVG is a document that can run scripts.
IMAGES = ("jpg", "jpe", "jpeg", "png", "gif", "bmp", "webp", "avif")
AUDIO = ("wav", "mp3", "aac", "ogg", "oga", "flac", "m4a")
VIDEO = ("mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg")
DATA = ("csv", "ini", "json", "plist", "xml", "yaml", "yml")
SCRIPTS = ("js", "php", "pl", "py", "rb", "sh")
ARCHIVES = ("gz", "bz2", "zip", "tar", "tgz", "txz", "7z")
SOURCE = tuple(
    "c cpp c++ h hpp h++ cxx hxx hdl ada rs go f for f90 f95 f03 d dd di java hs cs fs cbl cob"
    " asm s".split()
)
EXECUTABLES = ("so", "exe", "dll")
DEFAULTS = TEXT + DOCUMENTS + IMAGES + DATA


@dataclass(frozen=True, slots=True)
class AllExcept:
    """Every extension except those in *items*.

    Arguments:
        items: The extensions that are not allowed, such as ``SCRIPTS + EXECUTABLES``.

    .. versionadded:: 0.1
    """

    items: Container[object]

    def __contains__(self, item: object) -> bool:
        return item not in self.items


ALL = AllExcept(())

# Names

MAX_NAME = 200  # characters: file systems take 255 bytes, and a suffix may have to be added
MAX_EXTENSION = 20
DEFAULT_STEM = "file"
WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin|conout|clock)", re.IGNORECASE)


class SavedName(str):
    """The name of a saved file, including its folder. It also has the file's size and digest.

    Attributes:
        size: The size in bytes.
        sha256: The SHA-256 digest in hexadecimal.

    .. versionadded:: 0.1
    """

    size: int
    sha256: str

    __slots__ = ("sha256", "size")

    def __new__(cls, name: str, size: int, sha256: str) -> SavedName:
        self = super().__new__(cls, name)
        self.size = size
        self.sha256 = sha256
        return self


def extension(filename: str) -> str:
    """Return the last extension of *filename*, without the dot.

    .. versionadded:: 0.1
    """
    return os.path.splitext(filename)[1][1:]


def lowercase_ext(filename: str) -> str:
    """Return *filename* with its last extension in lower case.

    .. versionadded:: 0.1
    """
    stem, ending = os.path.splitext(filename)
    return stem + ending.lower()


def secure_name(filename: str) -> str:
    """Return a safe name for a file that a client calls *filename*.

    The name consists of ASCII letters, digits and ``_.-``. The function calls
    :func:`werkzeug.utils.secure_filename` and changes its result in four ways. The extension is in
    lower case. If only the extension is ASCII, the rest of the name becomes ``file``. The name of a
    Windows device gets an underscore in front. A long name is shortened before its extension.

    Folders become part of the name. Characters that change the writing direction are removed,
    because they can hide the extension from a reader.

    Arguments:
        filename: The name that the client sent.

    Raises:
        InvalidNameError: No usable character is left, for example of ``..``.

    .. versionadded:: 0.1
    """
    stem, ending = os.path.splitext(secure_filename(filename))
    if not ending and stem and _is_only_extension(filename, stem):
        stem, ending = DEFAULT_STEM, f".{stem}"
    if not stem:
        raise InvalidNameError("The file has no usable name.")
    if WINDOWS_DEVICES.fullmatch(stem.partition(".")[0]):
        stem = f"_{stem}"
    ending = ending.lower()[:MAX_EXTENSION]
    return f"{stem[: MAX_NAME - len(ending)]}{ending}"


def _is_only_extension(filename: str, secured: str) -> bool:
    """Return whether *secured* is only the extension of a *filename* that had a stem as well."""
    stem, _, ending = re.split(r"[/\\]", filename)[-1].rpartition(".")
    return bool(stem.strip(". \t")) and secure_filename(ending) == secured


def secure_path(path: str) -> str:
    """Return the folder *path* with :func:`secure_name` applied to each segment.

    Raises:
        InvalidNameError: The path is absolute, or a segment has no usable name, such as ``..``.
    """
    segments = path.split("/")
    if any(segment.strip(". ") == "" for segment in segments):
        raise InvalidNameError(
            f"The folder {path!r} is not valid: use a folder in the upload set, without '..' and"
            " without a leading '/'."
        )
    return "/".join(secure_name(segment) for segment in segments)


def is_safe_path(name: str) -> bool:
    """Return whether *name* can be a file of a storage: a relative path without hidden segments."""
    return "\0" not in name and all(
        segment and not segment.startswith(".") for segment in name.split("/")
    )


def add_suffix(name: str, suffix: int | str) -> str:
    """Return *name* with an underscore and *suffix* before its extension."""
    stem, ending = os.path.splitext(name)
    return f"{stem}_{suffix}{ending}"


# Content

HEAD_SIZE = 8192  # bytes of a file that content_matches needs
OTHER_TEXTS = "abw css htm html log md svg toml tsv".split()
# A plist may be binary.
TEXTS = frozenset((*TEXT, *DATA, *SCRIPTS, *SOURCE, *OTHER_TEXTS)) - {"plist"}
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16 and UTF-32, whose texts contain NUL
TEXT_BYTES = bytes(set(range(256)) - set(range(32)) - {0x7F} | set(b"\t\n\r\f\b\x1b"))

ZIP_CONTAINERS = frozenset(
    "zip docx xlsx pptx odf odt ods odp odg epub jar apk whl kmz xpi".split()
)
OLE_CONTAINERS = frozenset("doc xls ppt msg msi".split())
MP4_CONTAINERS = frozenset("mp4 m4v m4a mov 3gp".split())
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
# Extensions that filetype knows by another name.
ALIASES = {
    **dict.fromkeys(("jpe", "jpeg", "jfif"), "jpg"),
    **dict.fromkeys(("oga", "ogv", "opus"), "ogg"),
    **{"tiff": "tif", "mpeg": "mpg", "mka": "mkv", "mid": "midi", "aif": "aiff", "heif": "heic"},
    **{"tgz": "gz", "txz": "xz", "tbz": "bz2", "dll": "exe", "so": "elf"},
}
MATCHERS: dict[str, Any] = {kind.extension: kind for kind in reversed(filetype.TYPES)}


def content_matches(extension: str, head: bytes) -> bool:
    """Return whether a file that begins with *head* can have this extension.

    A file of a known binary type must begin with the signature of that type: a ZIP archive named
    ``.png`` does not match. A text file must not contain control characters. Office and
    OpenDocument files must be the right container, whose content is not examined. A file with an
    unknown extension always matches.

    A match does not mean that the file is harmless.

    Arguments:
        extension: The extension in lower case, without the dot.
        head: The first 8192 bytes of the file, or the whole file if it is shorter.

    .. versionadded:: 0.1
    """
    if extension in TEXTS:
        return head.startswith(BYTE_ORDER_MARKS) or not head.translate(None, TEXT_BYTES)
    if extension in ZIP_CONTAINERS:
        return head[:4] in {b"PK\3\4", b"PK\5\6", b"PK\7\x08"}
    if extension in OLE_CONTAINERS:
        return head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    if extension in MP4_CONTAINERS:
        return head[4:8] in MP4_BOXES
    if matcher := MATCHERS.get(ALIASES.get(extension, extension)):
        return bool(matcher.match(bytearray(head)))
    return True
