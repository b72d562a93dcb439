"""JSON by orjson, byte for byte as Flask writes it: an option.

.. code-block:: python

    class App(FaithfulQuart):
        json_provider_class = FastJSONProvider
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from flask.json.provider import DefaultJSONProvider

try:
    import orjson
except ImportError as error:
    raise ImportError(
        "FastJSONProvider needs orjson: pip install 'quartpatterns[json]'", name="orjson"
    ) from error

__all__ = ["FastJSONProvider"]

COMPACT: dict[str, Any] = {"separators": (",", ":")}
# What orjson would write in its own way goes through Flask's function for it.
OPTIONS = (
    orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
# A NaN, which is null for orjson; and 0.00001, which is 1e-05 for Python.
SIGNS = (b"null", b"0.0000")
# The look behind comes second: to look for one letter is quick.
EXPONENT = re.compile(rb"e(?<=\de)")


def _escape(error: UnicodeError) -> tuple[str, int]:
    """The characters that ASCII does not have, as JSON escapes them."""
    assert isinstance(error, UnicodeEncodeError)
    units = error.object[error.start : error.end].encode("utf-16-be")
    pairs = (units[i : i + 2].hex() for i in range(0, len(units), 2))
    return "".join(f"\\u{pair}" for pair in pairs), error.end


codecs.register_error("quartpatterns.json", _escape)


class FastJSONProvider(DefaultJSONProvider):
    """A provider that writes responses with orjson wherever that gives Flask's output.

    Flask's own provider writes what remains: floats with an exponent (``1e+16`` here, ``1e16``
    there), data with ``null`` (which may be a NaN for orjson), long integers, keys that are no
    strings, subclasses of ``dict`` and ``list``. Texts that look like one of these only cost the
    second attempt. The one thing it writes that Flask refuses is a member of an ``Enum``.
    """

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Write *obj* as JSON.

        Arguments:
            obj: What to write.
            kwargs: What :func:`json.dumps` takes; with any but compact separators, which is what
                responses have, it is that function that writes.
        """
        if kwargs == COMPACT and (fast := self._fast(obj)) is not None:
            return fast
        return super().dumps(obj, **kwargs)

    def _fast(self, obj: Any) -> str | None:
        options = OPTIONS | orjson.OPT_SORT_KEYS if self.sort_keys else OPTIONS
        try:
            data = orjson.dumps(obj, self.default, options)
        except (TypeError, ValueError, RecursionError):
            # Flask's own provider writes it, or says in its own words why it can't.
            return None
        if any(sign in data for sign in SIGNS) or EXPONENT.search(data):
            return None
        if not self.ensure_ascii:
            return data.decode()
        if b"\x7f" in data:
            return None
        if data.isascii():
            return data.decode("ascii")
        return data.decode().encode("ascii", "quartpatterns.json").decode("ascii")
