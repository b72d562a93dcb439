"""The configuration, which also reads the environment variables of a Flask application."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable
from typing import Any

from quart import Config

__all__ = ["FaithfulConfig"]


class FaithfulConfig(Config):
    """Reads ``FLASK_`` and ``QUART_`` environment variables.

    Quart reads only ``QUART_``, so that after a port the variables of the deployment are ignored.

    .. versionadded:: 0.1
    """

    def from_prefixed_env(
        self, prefix: str | None = None, *, loads: Callable[[str], Any] = json.loads
    ) -> bool:
        """Read the environment variables that begin with *prefix* and an underscore.

        Arguments:
            prefix: The prefix. With ``None`` first ``FLASK``, then ``QUART``, whose values win.
            loads: Parses a value; if it raises an error, the value is a string.

        Returns:
            ``True``, as in Flask.

        Warns:
            UserWarning: The prefix is ``None``, and there are variables with ``FLASK_``.
        """
        if prefix is not None:
            return super().from_prefixed_env(prefix, loads=loads)
        if found := sorted(name for name in os.environ if name.startswith("FLASK_")):
            warnings.warn(
                f"read as settings: {', '.join(found)}. Rename them to QUART_..., or call"
                " from_prefixed_env('FLASK') to read only these",
                stacklevel=2,
            )
            super().from_prefixed_env("FLASK", loads=loads)
        return super().from_prefixed_env("QUART", loads=loads)
