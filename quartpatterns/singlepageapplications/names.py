"""What the path of a file says about it."""

from __future__ import annotations

import mimetypes
import re

__all__ = ["has_hash", "is_client_route", "media_type"]

# What an operating system's tables lack, or have wrong in a way that browsers refuse.
TYPES = {
    "avif": "image/avif",
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "svg": "image/svg+xml",
    "wasm": "application/wasm",
    "webmanifest": "application/manifest+json",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
}
# No list of all types: "joe@example.ai" and "v1.2" are ends of paths too.
ASSETS = frozenset(TYPES) | frozenset(
    "bmp br cjs eot gif gz ico jpeg jpg json map mp3 mp4 ogg otf pdf png ttf txt wav webm xml"
    " zip".split()
)
_ENDINGS = r"(?:\.[a-z0-9]{1,8}){1,2}"
# index-DiwrgT4a.js (Vite, Rollup), main.073c9b0a.chunk.js (webpack), app-5IZB3KXJ.css (esbuild)
_HASHED = re.compile(
    r".*[.-](?:"
    r"(?=[^.]*[0-9])(?=[^.]*[a-f])[0-9a-f]{8,64}"
    r"|(?=[^.]*[0-9])(?=[^.]*[A-Z])[0-9A-Z]{8,32}"
    r"|(?=[^.]*[0-9])(?=[^.]*[a-z])(?=[^.]*[A-Z])[0-9A-Za-z_-]{8}"
    rf"){_ENDINGS}",
    re.DOTALL,
)


def media_type(name: str) -> str:
    """The media type of the file called *name*."""
    ending = name.rpartition(".")[2].lower()
    return TYPES.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def has_hash(path: str) -> bool:
    """Whether a file's name has a hash of its content in it, as bundlers put it there.

    Such a file never changes, so that a client need not ask for it again. In doubt the answer is
    no, which costs a request, while a wrong yes keeps an old file in browsers for a year: a hash
    has eight letters and digits or more, both of them.
    """
    return _HASHED.fullmatch(path.rpartition("/")[2]) is not None


def is_client_route(path: str) -> bool:
    """Whether the front end may know *path*, which is no file's, as one of its pages.

    A missing script or picture must not be answered with a page: it would be taken for the
    file, and kept. Whatever ends as such files do is therefore no route.
    """
    return path.rpartition("/")[2].rpartition(".")[2].lower() not in ASSETS or "." not in path
