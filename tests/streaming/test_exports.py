"""CSV and lines of JSON from rows of any kind."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sqlite3
import threading
from collections import namedtuple
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pydantic
import pytest
from quart import Quart, Response, g, request
from sqlalchemy import create_engine, text

from quartpatterns.streaming import csv_response, ndjson_response
from tests.databases import import_error, imported_packages
from tests.serving import eventually, served, unread_response

Point = namedtuple("Point", "x y")


@dataclass
class Pair:
    x: int
    y: str


class Model(pydantic.BaseModel):
    x: int
    y: str


def database_rows() -> list[Any]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute("SELECT 1 AS x, 'a' AS y UNION ALL SELECT 2, 'b'").fetchall()
    finally:
        connection.close()


def sqlalchemy_rows() -> list[Any]:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        rows = list(connection.execute(text("SELECT 1 AS x, 'a' AS y UNION ALL SELECT 2, 'b'")))
    engine.dispose()
    return rows


async def answer(app: Quart, view: Callable[[], Response], path: str = "/") -> Response:
    async def handle() -> Response:
        return view()

    app.add_url_rule("/", "export", handle)
    return await app.test_client().get(path)


async def body(app: Quart, view: Callable[[], Response]) -> str:
    response = await answer(app, view)
    assert response.status_code == 200
    return (await response.get_data(as_text=False)).decode()


KINDS: dict[str, list[Any]] = {
    "mapping": [{"x": 1, "y": "a"}, {"y": "b", "x": 2}],
    "dataclass": [Pair(1, "a"), Pair(2, "b")],
    "named tuple": [Point(1, "a"), Point(2, "b")],
    "sqlite3": database_rows(),
    "SQLAlchemy": sqlalchemy_rows(),
    "Pydantic": [Model(x=1, y="a"), Model(x=2, y="b")],
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_kinds_of_rows(app: Quart, kind: str, is_async: bool) -> None:
    """Rows with names have a first line in CSV, and are objects in JSON."""

    def rows() -> Any:
        async def generate() -> AsyncGenerator[Any]:
            for row in KINDS[kind]:
                yield row

        return generate() if is_async else iter(KINDS[kind])

    assert await body(app, lambda: csv_response(rows())) == "x,y\r\n1,a\r\n2,b\r\n"
    some = Quart(__name__)
    chosen = await body(some, lambda: csv_response(rows(), columns={"y": "Letter"}))
    assert chosen == "Letter\r\na\r\nb\r\n"
    turned = await body(Quart(__name__), lambda: csv_response(rows(), columns=["y", "x"]))
    assert turned == "y,x\r\na,1\r\nb,2\r\n"
    lines = (await body(Quart(__name__), lambda: ndjson_response(rows()))).splitlines()
    assert [json.loads(line) for line in lines] == [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]


async def test_sequences(app: Quart) -> None:
    """Rows without names have no first line, unless the columns are named."""
    rows = [["1", None], (2, True)]
    assert await body(app, lambda: csv_response(rows)) == "1,\r\n2,True\r\n"
    titled = await body(Quart(__name__), lambda: csv_response(rows, columns=["a", "b"]))
    assert titled == "a,b\r\n1,\r\n2,True\r\n"
    bare = csv_response
    assert await body(Quart(__name__), lambda: bare([Pair(1, "")], header=False)) == "1,\r\n"
    lines = await body(Quart(__name__), lambda: ndjson_response([*rows, "text", 1.5, None]))
    assert [json.loads(line) for line in lines.splitlines()] == [
        ["1", None], [2, True], "text", 1.5, None,
    ]  # fmt: skip


async def test_without_rows(app: Quart) -> None:
    """The named columns are the first line, also of no rows."""
    assert await body(app, lambda: csv_response([])) == ""
    assert await body(Quart(__name__), lambda: csv_response([], columns=["a", "b"])) == "a,b\r\n"
    assert await body(Quart(__name__), lambda: ndjson_response([])) == ""
    marked = await body(Quart(__name__), lambda: csv_response([], bom=True))
    assert marked == "\ufeff"


async def test_values(app: Quart) -> None:
    """Commas, quotes, line ends and any language survive a round trip."""
    odd = ['a,b"c', "line\r\nend", "洛芙莱斯", "", "=1+1", "a;b", "\t", "'"]
    data = await body(app, lambda: csv_response([[value] for value in odd]))
    assert [row for (row,) in csv.reader(io.StringIO(data, newline=""))] == odd
    kinds = [date(2026, 11, 29), Decimal("1.50"), UUID(int=1), 1e20, -1, False]
    typed = await body(Quart(__name__), lambda: csv_response([kinds]))
    assert typed == "2026-11-29,1.50,00000000-0000-0000-0000-000000000001,1e+20,-1,False\r\n"


@pytest.mark.parametrize(
    ("options", "data"),
    [
        ({"delimiter": ";"}, b"x;y\r\n1;\xc3\xa9\r\n"),
        ({"line_end": "\n"}, b"x,y\n1,\xc3\xa9\n"),
        ({"bom": True}, b"\xef\xbb\xbfx,y\r\n1,\xc3\xa9\r\n"),
        ({"encoding": "cp1252"}, b"x,y\r\n1,\xe9\r\n"),
        ({"encoding": "utf-16"}, "x,y\r\n1,é\r\n".encode("utf-16")),
    ],
)
async def test_formats(app: Quart, options: dict[str, Any], data: bytes) -> None:
    response = await answer(app, lambda: csv_response([{"x": 1, "y": "é"}], **options))
    assert await response.get_data(as_text=False) == data
    charset = options.get("encoding", "utf-8")
    assert response.headers["Content-Type"] == f"text/csv; charset={charset}"


CHANGED = [
    "=1",
    "+a",
    "-a",
    "@a",
    "\ta",
    "\ra",
    "\na",
    "＝1",
    "＋1",
    "－1",
    "＠1",
    "-1-1",
    "=",
    "+1 2",
]
UNCHANGED = ["a=1", " =1", "'=1", "", "-5.20", "+49", "-1", "1", "|a", "%a"]


async def test_formulas(app: Quart) -> None:
    """Exactly the cells that a program could take as a formula change."""

    class Formula:
        def __str__(self) -> str:
            return "=object"

    numbers = [-1, +1.5, Decimal("-2"), None, True]
    rows = [[*CHANGED, *UNCHANGED, Formula()], numbers]
    title = {"=title": 1}
    data = await body(app, lambda: csv_response(rows, escape_formulas=True))
    first, second = csv.reader(io.StringIO(data, newline=""))
    assert first == [*(f"'{value}" for value in CHANGED), *UNCHANGED, "'=object"]
    assert second == ["-1", "1.5", "-2", "", "True"]
    titled = await body(Quart(__name__), lambda: csv_response([title], escape_formulas=True))
    assert titled == '"\'=title"\r\n1\r\n'
    # All texts are in quotes: a program that splits at a semicolon begins no cell in them.
    hidden = await body(Quart(__name__), lambda: csv_response([["a;=1"]], escape_formulas=True))
    assert hidden == '"a;=1"\r\n'
    kept = await body(Quart(__name__), lambda: csv_response([["=1"]]))
    assert kept == "=1\r\n"


@pytest.mark.parametrize(
    ("filename", "disposition"),
    [
        ("users.csv", "attachment; filename=users.csv"),
        ("my users.csv", 'attachment; filename="my users.csv"'),
        ('a"b\\c;.csv', 'attachment; filename="a\\"b_c;.csv"'),
        ("../../a.csv", "attachment; filename=.._.._a.csv"),
        ("größe.csv", "attachment; filename=groe.csv; filename*=UTF-8''gr%C3%B6%C3%9Fe.csv"),
        (
            "报告.csv",
            "attachment; filename=download.csv; filename*=UTF-8''%E6%8A%A5%E5%91%8A.csv",
        ),
        ("100%.csv", "attachment; filename=100%.csv; filename*=UTF-8''100%25.csv"),
        ("a\r\nSet-Cookie: x\x00.csv", 'attachment; filename="aSet-Cookie: x.csv"'),
        ("a\u202evsc.exe", "attachment; filename=avsc.exe"),
        ("\x7f", "attachment; filename=download"),
        (".csv", "attachment; filename=.csv"),
    ],
)
async def test_file_names(app: Quart, filename: str, disposition: str) -> None:
    """After RFC 6266, and never two headers, two directions or two folders."""
    for export in (csv_response, ndjson_response):
        some = Quart(__name__)
        response = await answer(some, lambda: export([], filename=filename))  # noqa: B023
        assert response.headers["Content-Disposition"] == disposition
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Content-Disposition" not in (await answer(app, lambda: csv_response([]))).headers


async def test_ndjson(app: Quart) -> None:
    """Each value is one line of the application's JSON, also if its provider indents."""
    provider: Any = app.json
    provider.compact = False
    app.debug = True
    rows = [{"b": date(2026, 1, 2), "a": "line\nend"}, {"c": [1, {"d": None}]}]
    response = await answer(app, lambda: ndjson_response(rows))
    assert response.headers["Content-Type"] == "application/x-ndjson"
    lines = (await response.get_data(as_text=True)).split("\n")
    assert json.loads(lines[0])["a"] == "line\nend"
    assert json.loads(lines[1]) == {"c": [1, {"d": None}]}
    assert lines[2:] == [""]


async def test_context(app: Quart) -> None:
    """Request and g are those of the view, also in the thread of a synchronous generator."""

    def rows() -> Generator[list[Any]]:
        yield [request.args["q"], g.user, threading.current_thread() is threading.main_thread()]

    def view() -> Response:
        g.user = "ada"
        return csv_response(rows())

    response = await answer(app, view, "/?q=1")
    assert await response.get_data(as_text=True) == "1,ada,False\r\n"


@pytest.mark.parametrize(
    ("rows", "options", "error", "message"),
    [
        ([], {"delimiter": ""}, ValueError, "delimiter must be one character"),
        ([], {"delimiter": "\n"}, ValueError, "delimiter must be one character"),
        ([], {"line_end": "x"}, ValueError, "line_end must be"),
        ([], {"encoding": "x"}, ValueError, "unknown encoding: x"),
        ([], {"columns": "name"}, TypeError, "columns must be a list of names"),
        ([], {"read_ahead": 0}, ValueError, "read_ahead must be a number of bytes"),
        ("text", {}, TypeError, "rows must be an iterable of rows, not str"),
        (1, {}, TypeError, "rows must be an iterable of rows, not int"),
    ],
)
async def test_invalid_options(
    app: Quart, rows: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """They raise an error in the view."""
    async with app.test_request_context("/"):
        with pytest.raises(error, match=message):
            csv_response(rows, **options)


@pytest.mark.parametrize(
    ("rows", "columns", "error", "message"),
    [
        ([object()], None, TypeError, "a row is a sequence, a mapping"),
        (["text"], None, TypeError, "not str"),
        ([{"a": 1}, {"b": 2}], None, ValueError, "values that the first row does not have: b"),
        ([Pair(1, "")], ["x", "z"], ValueError, "the rows have no z: their columns are x, y"),
        ([Point(1, 2)], ["z"], ValueError, "the rows have no z"),
    ],
)
async def test_invalid_rows(
    app: Quart, rows: list[Any], columns: Any, error: type[Exception], message: str
) -> None:
    """Nothing is left out in silence."""
    async with app.test_request_context("/"):
        response = csv_response(rows, columns=columns)
        with pytest.raises(error, match=message):
            await response.get_data(as_text=False)


async def test_other_keys(app: Quart) -> None:
    """With named columns, a mapping may have fewer and more keys."""
    rows = [{"a": 1, "c": 3}, {"b": 2}]
    assert await body(app, lambda: csv_response(rows, columns=["a", "b"])) == "a,b\r\n1,\r\n,2\r\n"


@pytest.mark.slow
def test_missing_library() -> None:
    """Without the extra, the import of what needs it says what to install."""
    message = "zip_response needs stream_zip: pip install 'quartpatterns[zip]'"
    assert import_error("quartpatterns.streaming.archives", "stream_zip") == message
    assert "stream_zip" not in imported_packages("import quartpatterns.streaming")


class Source:
    """Rows of 100 bytes, how many were read, and whether they were closed."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.read = 0
        self.closed = threading.Event()

    def rows(self) -> Generator[list[str]]:
        try:
            for _ in range(self.count):
                self.read += 1
                yield ["x" * 98]
        finally:
            self.closed.set()

    async def async_rows(self) -> AsyncGenerator[list[str]]:
        try:
            for row in self.rows():
                yield row
        finally:
            self.closed.set()


@pytest.mark.wire
@pytest.mark.parametrize("is_async", [False, True])
async def test_clients_that_stop_reading(app: Quart, is_async: bool) -> None:
    """A client that reads nothing stops the rows; what fits is read, and the rows are closed.

    If the client leaves, the rows are closed as well.
    """
    sources = {"/large": Source(1_000_000), "/small": Source(9_000)}

    @app.get("/<name>")
    async def export(name: str) -> Response:
        source = sources[f"/{name}"]
        return csv_response(source.async_rows() if is_async else source.rows())

    large, small = sources["/large"], sources["/small"]
    async with served(app, send_buffer=4096) as server:
        async with unread_response(server.port, "/small"):
            await eventually(small.closed.is_set)
            assert small.read == 9_000
        async with unread_response(server.port, "/large"):
            before = -1
            while before != large.read:
                before = large.read
                await asyncio.sleep(0.5)
            # 1 MiB, and what the buffers of the server and the sockets hold.
            assert 10_000 < large.read < 20_000
            assert not large.closed.is_set()
        await eventually(large.closed.is_set)
