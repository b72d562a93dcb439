"""Groups of extensions to allow, by the names of Flask-Uploads; add them together."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass

__all__ = [
    "ALL",
    "ARCHIVES",
    "AUDIO",
    "DATA",
    "DEFAULTS",
    "DOCUMENTS",
    "EXECUTABLES",
    "IMAGES",
    "SCRIPTS",
    "SOURCE",
    "TEXT",
    "VIDEO",
    "AllExcept",
]

TEXT = ("txt",)
DOCUMENTS = ("rtf", "odf", "ods", "odt", "gnumeric", "abw", "doc", "docx", "xls", "xlsx", "pdf")
# Without svg, which Flask-Uploads counts here: it is a document that runs scripts.
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
    """Every extension but those in *items*.

    Arguments:
        items: What is not allowed, such as ``SCRIPTS + EXECUTABLES``.
    """

    items: Container[object]

    def __contains__(self, item: object) -> bool:
        return item not in self.items


ALL = AllExcept(())
