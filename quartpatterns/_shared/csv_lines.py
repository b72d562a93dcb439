"""Rows as lines of CSV (:rfc:`4180`)."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, cast

from quartpatterns._shared.rows import row_names, values_getter

__all__ = ["CSVFormat", "CSVLines"]

# What programs take as the beginning of a formula, after OWASP's page on CSV injection.
_FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class CSVFormat:
    """How rows are written.

    Arguments:
        columns: The names of the values to write, in their order; or a mapping of these names to
            the titles in the first line. By default all values, with the names of the first row.
        header: Whether the first line has the titles of the columns, if they are known.
        delimiter: The character between two values.
        line_end: What ends a line.
        encoding: The encoding, such as ``utf-8`` or ``cp1252``.
        bom: Whether to begin with a byte order mark, by which Excel recognises UTF-8.
        escape_formulas: Whether to make formulas text.
    """

    columns: Sequence[str] | Mapping[str, str] | None = None
    header: bool = True
    delimiter: str = ","
    line_end: str = "\r\n"
    encoding: str = "utf-8"
    bom: bool = False
    escape_formulas: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.columns, str):
            raise TypeError("columns must be a list of names, not one string")
        if self.line_end not in ("\r\n", "\n"):
            raise ValueError(f"line_end must be '\\r\\n' or '\\n', not {self.line_end!r}")
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"encoding: {error}") from None
        if len(self.delimiter) != 1 or self.delimiter in '\r\n"':
            raise ValueError(
                f"delimiter must be one character, such as ',' or ';', not {self.delimiter!r}"
            )


class CSVLines:
    """Encodes rows, one batch after the other, as one file.

    Arguments:
        format: How rows are written.
    """

    def __init__(self, format: CSVFormat) -> None:
        self._format = format
        self._encode = codecs.getincrementalencoder(format.encoding)().encode
        # writerow() returns what write() returns: here the line.
        writer: Any = csv.writer(
            cast("Any", _Lines),
            delimiter=format.delimiter,
            lineterminator=format.line_end,
            # With all texts in quotes, a program that splits lines at a semicolon, as some do,
            # finds no formula behind one.
            quoting=csv.QUOTE_NONNUMERIC if format.escape_formulas else csv.QUOTE_MINIMAL,
        )
        self._line: Callable[[Iterable[Any]], str] = writer.writerow
        self._getters: dict[type, Callable[[Any], Iterable[Any]]] = {}
        self._columns: tuple[str, ...] | None = None
        self._begun = False

    def encode(self, rows: Sequence[Any], names: Sequence[str] | None = None) -> bytes:
        """Return the lines of *rows*, after the beginning of the file if they are the first.

        Arguments:
            rows: The rows.
            names: The names of the columns, if the rows themselves have none.

        Raises:
            TypeError: One of them is no row.
            ValueError: A mapping has other keys than the first row, and no columns were named.
        """
        if not rows:
            return b""
        lines = [] if self._begun else self._begin(row_names(rows[0]) or names)
        kinds: dict[type, Any] = {type(row): row for row in rows}
        for kind, row in kinds.items():
            if kind not in self._getters:
                self._getters[kind] = self._find_getter(row)
        if len(kinds) == 1:
            getter = self._getters[type(rows[0])]
            lines += map(self._line, rows if getter is iter else map(getter, rows))
        else:
            lines += [self._line(self._getters[type(row)](row)) for row in rows]
        return self._encode("".join(lines))

    def finish(self, names: Sequence[str] | None) -> bytes:
        """Return what is left at the end: the titles of a file without rows.

        Arguments:
            names: The names of the columns, if they are known without a row.
        """
        return b"" if self._begun else self._encode("".join(self._begin(names)))

    def _begin(self, names: Sequence[str] | None) -> list[str]:
        self._begun = True
        format = self._format
        titles: Iterable[str] | None
        if format.columns is not None:
            self._columns = tuple(format.columns)
            titles = self._columns
            if isinstance(format.columns, Mapping):
                titles = format.columns.values()
        else:
            titles = self._columns = None if names is None else tuple(names)
        lines = ["\ufeff"] if format.bom else []
        if format.header and titles is not None:
            lines.append(self._line(self._escaped(titles)))
        return lines

    def _find_getter(self, row: Any) -> Callable[[Any], Iterable[Any]]:
        getter = values_getter(row, self._columns)
        if isinstance(row, Mapping) and self._format.columns is None:
            getter = self._complete(getter)
        if self._format.escape_formulas:
            return partial(self._escaped_values, getter)
        return getter

    def _complete(self, getter: Callable[[Any], Iterable[Any]]) -> Callable[[Any], Iterable[Any]]:
        """Return *getter* for mappings that may have other keys than the first row."""
        columns = frozenset(self._columns or ())

        def complete(row: Mapping[str, Any]) -> Iterable[Any]:
            if not columns.issuperset(row):
                names = ", ".join(map(str, row.keys() - columns))
                raise ValueError(
                    f"a row has values that the first row does not have: {names}. Name all columns"
                    " with columns=[...]"
                )
            return getter(row)

        return complete

    def _escaped_values(self, getter: Callable[[Any], Iterable[Any]], row: Any) -> list[Any]:
        return self._escaped(getter(row))

    def _escaped(self, values: Iterable[Any]) -> list[Any]:
        return [_escape(value) for value in values] if self._format.escape_formulas else [*values]


class _Lines:
    """A file whose ``write()`` returns the text."""

    write = str


def _escape(value: Any) -> Any:
    """Return *value* as text with ``'`` before it if a program could take it as a formula."""
    if value is None or isinstance(value, int | float | Decimal):
        return value
    text = str(value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
