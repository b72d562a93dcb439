"""A JSON provider that uses orjson and writes the same bytes as Flask.

.. code-block:: python

    class App(FaithfulQuart):
        json_provider_class = FastJSONProvider
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from quartpatterns._shared.extras import requires_extra
from quartpatterns.subclassing.json_provider import COMPACT, FaithfulJSONProvider

with requires_extra("json", needed_by="FastJSONProvider"):
    import orjson

__all__ = ["FastJSONProvider"]

# Flask's own function writes what orjson would write differently.
OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
# orjson writes null for NaN, and 0.00001 where Python writes 1e-05.
DIFFERENT = (b"null", b"0.0000")
# The lookbehind comes second, because searching for one letter is fast.
EXPONENT = re.compile(rb"e(?<=\de)")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """Escape characters that ASCII does not have, as JSON does."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be")
    pairs = (units[i : i + 2].hex() for i in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


codecs.register_error("quartpatterns.json", _escape)


class FastJSONProvider(FaithfulJSONProvider):
    """A provider that writes responses with orjson if that gives the same text as Flask.

    Otherwise Flask's own provider writes them: floats with an exponent (``1e+16`` in Python,
    ``1e16`` in orjson), data with ``null`` (which orjson writes for NaN), long integers, keys
    that are not strings, and subclasses of ``dict`` and ``list``. A text that looks like one of
    these is written twice. The only difference: members of an ``Enum`` are written, and Flask
    raises an error.

    .. versionadded:: 0.1
    """

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return *obj* as JSON.

        Arguments:
            obj: The object.
            kwargs: Arguments of :func:`json.dumps`. With any but compact separators, which
                responses use, that function is used.
        """
        if kwargs == COMPACT and (fast := self._fast_dumps(obj)) is not None:
            return fast
        return super().dumps(obj, **kwargs)

    def _fast_dumps(self, obj: Any) -> str | None:
        options = OPTIONS | orjson.OPT_SORT_KEYS if self.sort_keys else OPTIONS
        try:
            data = orjson.dumps(obj, self.default, options)
        except (TypeError, ValueError, RecursionError):
            # Flask's own provider writes it or raises Flask's error.
            return None
        if any(text in data for text in DIFFERENT) or EXPONENT.search(data):
            return None
        if not self.ensure_ascii:
            return data.decode()
        if b"\x7f" in data:
            return None
        if data.isascii():
            return data.decode("ascii")
        return data.decode().encode("ascii", "quartpatterns.json").decode("ascii")
