"""Flask's JSON provider, which creates an encoder for each response."""

from __future__ import annotations

import json
from typing import Any

from flask.json.provider import DefaultJSONProvider

__all__ = ["COMPACT", "FaithfulJSONProvider"]

COMPACT: dict[str, Any] = {"separators": (",", ":")}
"""The arguments with which responses are written outside of debug mode."""


class FaithfulJSONProvider(DefaultJSONProvider):
    """Flask's provider with one encoder for all responses. It writes the same text.

    .. versionadded:: 0.1
    """

    _options: tuple[Any, ...] = ()
    _encoder: json.JSONEncoder

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """Return *obj* as JSON, as :meth:`flask.json.provider.DefaultJSONProvider.dumps` does."""
        if kwargs != COMPACT:
            return super().dumps(obj, **kwargs)
        # Any of the attributes can be assigned at any time.
        options = (self.default, self.ensure_ascii, self.sort_keys)
        if options != self._options:
            default, ensure_ascii, sort_keys = options
            self._encoder = json.JSONEncoder(
                default=default, ensure_ascii=ensure_ascii, sort_keys=sort_keys, **kwargs
            )
            self._options = options
        return self._encoder.encode(obj)
