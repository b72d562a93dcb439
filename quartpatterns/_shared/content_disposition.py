"""The header that names a file for the browser to save (:rfc:`6266`)."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from werkzeug.http import dump_options_header

__all__ = ["attachment"]


def attachment(filename: str) -> str:
    """Return ``Content-Disposition`` for a file that the browser saves.

    A name that is not plain ASCII is sent twice: as ``filename*`` in UTF-8 (:rfc:`8187`), and for
    old clients in ASCII. Control characters are dropped from both, also those that turn the
    direction of the text and so hide a suffix. ``/`` and ``\\`` become ``_``.

    Arguments:
        filename: The name of the file.
    """
    name = "".join(filter(_is_shown, filename)).replace("/", "_").replace("\\", "_")
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii")
    if plain.startswith(".") and not name.startswith("."):
        plain = f"download{plain}"  # All characters before the suffix are in another script.
    names = {"filename": plain or "download"}
    # Some browsers decode a percent sign in the first of the two.
    if plain != name or "%" in name:
        # The characters of RFC 8187 that need no encoding; a surrogate is no character.
        encoded = quote(name, safe="!#$&+-.^_`|~", errors="replace")
        names["filename*"] = f"UTF-8''{encoded}"
    return dump_options_header("attachment", names)


def _is_shown(character: str) -> bool:
    if unicodedata.category(character) in ("Cc", "Zl", "Zp"):
        return False
    return not ("\u202a" <= character <= "\u202e" or "\u2066" <= character <= "\u2069")
