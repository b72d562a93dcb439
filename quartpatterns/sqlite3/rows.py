"""Rows that are more than tuples."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

__all__ = ["make_dicts"]


def make_dicts(cursor: sqlite3.Cursor, row: Sequence[Any]) -> dict[str, Any]:
    """A row as a dict, by the names of its columns: ``db.row_factory = make_dicts``.

    As on Flask's page. :class:`sqlite3.Row`, the default, also gives the values by index, and
    makes its names only where they are asked for.
    """
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
