"""Rows as a file that the browser saves: CSV and lines of JSON."""

# What is in a row is not known.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Generator,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import aclosing
from typing import Any

from quart import Response, current_app

from quartpatterns._shared.content_disposition import attachment
from quartpatterns._shared.csv_lines import CSVFormat, CSVLines
from quartpatterns._shared.rows import RowStream, row_names
from quartpatterns.streaming.chunks import coalesce
from quartpatterns.streaming.context import stream_with_context

__all__ = ["csv_response", "encode_csv", "export_response", "ndjson_response"]

CHUNK_SIZE = 65_536
"""The bytes of a chunk of an export."""

READ_AHEAD = 1_048_576
"""The bytes that an export reads before the client takes them."""

Rows = AsyncIterable[Any] | Iterable[Any]


def csv_response(
    rows: Rows,
    *,
    filename: str | None = None,
    columns: Sequence[str] | Mapping[str, str] | None = None,
    header: bool = True,
    delimiter: str = ",",
    line_end: str = "\r\n",
    encoding: str = "utf-8",
    bom: bool = False,
    escape_formulas: bool = False,
    read_ahead: int = READ_AHEAD,
) -> Response:
    """Return a response that sends *rows* as CSV while they are read.

    .. code-block:: python

        @app.get("/users.csv")
        async def users_csv():
            return csv_response(db.rows(select(User.id, User.name)), filename="users.csv")

    A row is a sequence, a mapping, a dataclass, a row of SQLAlchemy or :mod:`sqlite3`, or a model
    of Pydantic. The context of the view is kept until the last row, as with
    :func:`stream_with_context`; a synchronous iterable is read in threads. A client that stops
    reading stops the query. If at most *read_ahead* bytes are left, the query ends nevertheless,
    and its connection is free.

    .. versionadded:: 0.1

    Arguments:
        rows: A synchronous or asynchronous iterable of rows.
        filename: The name under which the browser saves the file. Without one it may show it.
        columns: The names of the values to write, in their order, or a mapping of these names to
            the titles in the first line. By default all values, with the names of the first row.
            Rows without names, such as lists, need it for the first line.
        header: Whether the first line has the titles of the columns.
        delimiter: The character between two values.
        line_end: What ends a line: ``"\\r\\n"`` or ``"\\n"``.
        encoding: The encoding.
        bom: Whether to begin with a byte order mark, by which Excel recognises UTF-8.
        escape_formulas: Whether to write ``'`` before each text, also of a title, that begins with
            ``=``, ``+``, ``-``, ``@``, a tab or a line break, or with the wide form of one of
            these signs, so that a spreadsheet takes it as text. Numbers stay as they are, also
            those that are text, such as ``"-5.20"``. All texts are put in quotes.
        read_ahead: The most bytes that are read before the client takes them.

    Raises:
        ValueError: An option is invalid.
        RuntimeError: There is no current context.
    """
    format = CSVFormat(columns, header, delimiter, line_end, encoding, bom, escape_formulas)
    content_type = f"text/csv; charset={encoding}"
    return export_response(encode_csv(rows, format), content_type, filename, read_ahead)


def ndjson_response(
    rows: Rows, *, filename: str | None = None, read_ahead: int = READ_AHEAD
) -> Response:
    """Return a response that sends each of *rows* as a line of JSON while they are read.

    Rows with names become objects. Other values are written as ``jsonify`` writes them, with
    ``app.json``. The rest is as for :func:`csv_response`.

    .. versionadded:: 0.1

    Arguments:
        rows: A synchronous or asynchronous iterable of rows, or of other values.
        filename: The name under which the browser saves the file. Without one it may show it.
        read_ahead: The most bytes that are read before the client takes them.

    Raises:
        ValueError: *read_ahead* is too small.
        RuntimeError: There is no current context.
    """
    lines = _JSONLines(current_app.json.dumps)
    chunks = _encode(rows, lines.encode, lambda names: b"")
    return export_response(chunks, "application/x-ndjson", filename, read_ahead)


def export_response(
    chunks: AsyncIterable[bytes] | Iterable[bytes],
    content_type: str,
    filename: str | None,
    read_ahead: int,
) -> Response:
    """Return a response that sends *chunks*, reads ahead of the client and keeps the context."""
    if read_ahead < 1:
        raise ValueError(f"read_ahead must be a number of bytes, 1 or more, not {read_ahead}")
    joined = coalesce(chunks, size=min(CHUNK_SIZE, read_ahead), read_ahead=read_ahead)
    response_class: Any = current_app.response_class
    response: Response = response_class(stream_with_context(joined), content_type=content_type)
    if filename is not None:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Disposition"] = attachment(filename)
    return response


def encode_csv(rows: Rows, format: CSVFormat) -> AsyncIterable[bytes] | Iterable[bytes]:
    """Return *rows* as the chunks of a CSV file."""
    lines = CSVLines(format)
    return _encode(rows, lines.encode, lines.finish)


_Names = Sequence[str] | None
_Encode = Callable[[Sequence[Any], _Names], bytes]
_Finish = Callable[[_Names], bytes]


def _encode(rows: Rows, encode: _Encode, finish: _Finish) -> AsyncIterable[bytes] | Iterable[bytes]:
    if isinstance(rows, RowStream):
        return _encode_batches(rows, encode, finish)
    if isinstance(rows, AsyncIterable):
        return _encode_async(rows, encode, finish)
    source: Any = rows
    if not isinstance(source, Iterable) or isinstance(source, str | bytes):
        raise TypeError(f"rows must be an iterable of rows, not {type(source).__name__}")
    return _encode_sync(rows, encode, finish)


async def _encode_batches(
    rows: RowStream[Any], encode: _Encode, finish: _Finish
) -> AsyncGenerator[bytes]:
    async with aclosing(rows.batches) as batches:
        async for batch in batches:
            yield encode(batch, rows.names)
    yield finish(rows.names)


async def _encode_async(
    rows: AsyncIterable[Any], encode: _Encode, finish: _Finish
) -> AsyncGenerator[bytes]:
    iterator = aiter(rows)
    try:
        async for row in iterator:
            yield encode((row,), None)
    finally:
        # A cursor of PyMongo has close(), which is a coroutine function.
        close = getattr(iterator, "aclose", None) or getattr(iterator, "close", None)
        if close is not None:
            await close()
    yield finish(None)


def _encode_sync(rows: Iterable[Any], encode: _Encode, finish: _Finish) -> Generator[bytes]:
    try:
        for row in rows:
            yield encode((row,), None)
    finally:
        if (close := getattr(rows, "close", None)) is not None:
            close()
    yield finish(None)


class _JSONLines:
    """Encodes rows as lines of JSON.

    Arguments:
        dumps: Returns the JSON of a value.
    """

    def __init__(self, dumps: Callable[[Any], str]) -> None:
        self._dumps = dumps

    def encode(self, rows: Sequence[Any], names: Sequence[str] | None) -> bytes:
        return "".join([self._line(row, names) for row in rows]).encode()

    def _line(self, row: Any, names: Sequence[str] | None) -> str:
        if isinstance(row, Sequence) and (names := row_names(row) or names) is not None:
            row = dict(zip(names, row, strict=True))
        try:
            text = self._dumps(row)
        except TypeError:
            if (dump := getattr(row, "model_dump", None)) is None:
                raise
            text = self._dumps(dump(mode="json"))  # a model of Pydantic
        if "\n" in text:  # The provider indents; in a string a line break is escaped.
            text = text.replace("\n", "")
        return f"{text}\n"
