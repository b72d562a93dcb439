"""The settings of every helper, one module for each, and those of Quart and quart-schema.

These modules contain declarations only, so that importing them needs no other library. A helper
reads its own declarations from here and exports them as ``SETTINGS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from quartpatterns._shared.declarations import Declarations

__all__ = ["DECLARED_BY", "all_declarations"]

DECLARED_BY = (
    *("quart", "quart_schema"),
    *("caching", "errorpages", "fileuploads", "flashing", "mongodb", "sqlalchemy", "sqlite3"),
    *("streaming", "subclassing", "tasks", "viewdecorators", "wtforms"),
)
"""The helpers that have settings, after the two libraries."""


@cache
def all_declarations() -> Mapping[str, Declarations]:
    """Return the declared settings of each helper and library, by its name."""
    return MappingProxyType(
        {name: import_module(f"{__name__}.{name}").SETTINGS for name in DECLARED_BY}
    )
