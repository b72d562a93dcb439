"""Whether the content of a file can be what its extension says."""

from __future__ import annotations

from typing import Any

import filetype  # type: ignore[import-untyped]

from quartpatterns.fileuploads.presets import DATA, SCRIPTS, SOURCE, TEXT

__all__ = ["HEAD", "content_matches"]

HEAD = 8192  # bytes of a file that are looked at

OTHER_TEXTS = "abw css htm html log md svg toml tsv".split()
# A plist may be binary.
TEXTS = frozenset((*TEXT, *DATA, *SCRIPTS, *SOURCE, *OTHER_TEXTS)) - {"plist"}
MARKS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16 and UTF-32, whose texts are full of NUL
# All bytes but the control characters that no text has.
LEGIBLE = bytes(set(range(256)) - set(range(32)) - {0x7F} | set(b"\t\n\r\f\b\x1b"))

ZIPPED = frozenset("zip docx xlsx pptx odf odt ods odp odg epub jar apk whl kmz xpi".split())
COMPOUND = frozenset("doc xls ppt msg msi".split())
MOVIES = frozenset("mp4 m4v m4a mov 3gp".split())
BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
# Other extensions of kinds that filetype knows by one.
ALIASES = {
    "jpe": "jpg",
    "jpeg": "jpg",
    "jfif": "jpg",
    "tiff": "tif",
    "oga": "ogg",
    "ogv": "ogg",
    "opus": "ogg",
    "mpeg": "mpg",
    "mka": "mkv",
    "mid": "midi",
    "aif": "aiff",
    "tgz": "gz",
    "txz": "xz",
    "tbz": "bz2",
    "dll": "exe",
    "so": "elf",
    "heif": "heic",
}
MATCHERS: dict[str, Any] = {kind.extension: kind for kind in reversed(filetype.TYPES)}


def content_matches(extension: str, head: bytes) -> bool:
    """Whether a file that begins with *head* can be one with *extension*.

    A known binary kind must begin as its kind does: a ZIP called ``.png`` is none. A text must
    have no control characters. Containers are judged by their container, as Word's, Excel's
    and OpenDocument's inside differs from program to program. What is not known is believed.

    It tells what a file pretends to be, not that it is harmless.

    Arguments:
        extension: In lower case, without its dot.
        head: The first :data:`HEAD` bytes, or all where there are fewer.
    """
    if extension in TEXTS:
        return head.startswith(MARKS) or not head.translate(None, LEGIBLE)
    if extension in ZIPPED:
        return head[:4] in {b"PK\3\4", b"PK\5\6", b"PK\7\x08"}
    if extension in COMPOUND:
        return head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    if extension in MOVIES:
        return head[4:8] in BOXES
    if matcher := MATCHERS.get(ALIASES.get(extension, extension)):
        return bool(matcher.match(bytearray(head)))
    return True
