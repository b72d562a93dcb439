"""Rows of any kind: the names of their columns, their values, and rows that come in batches."""

# What is in a row is not known.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, Generic, Self, TypeVar

__all__ = ["RowStream", "row_names", "values_getter"]

T = TypeVar("T")
Row = Any


class RowStream(Generic[T]):
    """The rows of a query, which a database returns in batches.

    Iterate over it with ``async for``. An export takes whole batches, which needs less time.

    Arguments:
        read: Returns a generator of the batches. It sets ``names`` before the first batch.

    Attributes:
        batches: The generator.
        names: The names of the columns, also if there are no rows.

    .. versionadded:: 0.1
    """

    def __init__(self, read: Callable[[Self], AsyncGenerator[Sequence[T]]]) -> None:
        self.names: Sequence[str] | None = None
        self.batches = read(self)
        self._rows = self._iterate()

    def __aiter__(self) -> Self:
        """Return this object."""
        return self

    async def __anext__(self) -> T:
        """Return the next row."""
        return await self._rows.__anext__()

    async def aclose(self) -> None:
        """Close the cursor of the query. Call it after a loop that ends early."""
        await self._rows.aclose()
        await self.batches.aclose()

    async def _iterate(self) -> AsyncGenerator[T]:
        try:
            async for batch in self.batches:
                for row in batch:
                    yield row
        finally:
            await self.batches.aclose()


def row_names(row: Row) -> tuple[str, ...] | None:
    """Return the names of the columns of *row*, or None if its kind has none.

    Mappings, dataclasses, named tuples, rows of SQLAlchemy and :mod:`sqlite3`, and models of
    Pydantic have names. Lists and other tuples have none.
    """
    if isinstance(row, str | bytes):
        return None
    if isinstance(row, Mapping):
        return tuple(map(str, row))
    if is_dataclass(row) and not isinstance(row, type):
        return tuple(field.name for field in fields(row))
    if (names := getattr(row, "_fields", None)) is not None:  # a named tuple, or SQLAlchemy
        return tuple(names)
    if _is_sequence(row):
        keys = getattr(row, "keys", None)  # sqlite3.Row
        return None if keys is None else tuple(keys())
    if (names := getattr(type(row), "model_fields", None)) is not None:  # Pydantic
        return tuple(names)
    return None


def values_getter(row: Row, columns: Sequence[str] | None) -> Callable[[Row], Iterable[Any]]:
    """Return a function that returns the values of rows of the same type as *row*.

    Arguments:
        row: A row.
        columns: The names of the values, or None for all values of a row without names.

    Raises:
        TypeError: It is no row.
        ValueError: Its kind has other names, and not all of *columns*.
    """
    if isinstance(row, Mapping):
        return _mapping_getter(columns or ())
    names = row_names(row)
    if columns is not None and names is not None:
        if missing := [name for name in columns if name not in names]:
            raise ValueError(
                f"the rows have no {', '.join(missing)}: their columns are {', '.join(names)}"
            )
    if _is_sequence(row):
        if columns is None or names is None or tuple(columns) == names:
            return iter
        places = [names.index(name) for name in columns]
        return lambda row: [row[place] for place in places]
    if columns and names is not None:
        if len(columns) == 1:
            return lambda row: (getattr(row, columns[0]),)
        return attrgetter(*columns)
    raise TypeError(
        f"a row is a sequence, a mapping, a dataclass or a row of a database, not"
        f" {type(row).__name__}: select columns, or yield a tuple for each row"
    )


def _mapping_getter(columns: Sequence[str]) -> Callable[[Row], Iterable[Any]]:
    return lambda row: [row.get(name) for name in columns]


def _is_sequence(row: Row) -> bool:
    return isinstance(row, Sequence) and not isinstance(row, str | bytes | bytearray)
