"""The 42 rows: Flask is the oracle, plain Quart the second column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quartpatterns import subclassing
from quartpatterns.subclassing.example import rows
from quartpatterns.subclassing.example.rows import ROWS, Row
from quartpatterns.subclassing.example.rows.side import Answer, Side

pytestmark = [
    # Plain Quart drops coroutines: that is what some rows are about.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    # Flask leaves the file of a form that came in half to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

WHOLE = [row for row in ROWS if row.close == "yes"]
# Headers that a server adds, and that an ASGI application therefore leaves to it.
SERVERS = {"date", "server", "connection"}


@pytest.fixture(autouse=True)
def no_blocking() -> None:
    """No guard here: the probes of Flask block the loop, which is theirs alone."""


def by_number(found: list[Row]) -> list[object]:
    """The rows as parameters, named by their numbers."""
    return [pytest.param(row, id=f"row-{row.number}") for row in found]


def comparable(answers: list[Answer]) -> list[tuple[int, dict[str, str], bytes]]:
    """Status, headers and body, without what belongs to the server."""
    return [
        (
            answer.status,
            {name: value for name, value in answer.headers.items() if name not in SERVERS},
            answer.body,
        )
        for answer in answers
    ]


@pytest.mark.parametrize("row", by_number(WHOLE))
async def test_as_flask(row: Row) -> None:
    """What is marked yes answers as Flask does: in a word, and in status, headers and body."""
    flask, faithful = Side("Flask"), Side("FaithfulQuart")
    told = await rows.measure(row, flask)
    if told == "-":
        return
    assert await rows.measure(row, faithful) == told
    if faithful.seen:
        assert comparable(faithful.seen) == comparable(flask.seen)


@pytest.mark.parametrize("row", by_number([row for row in ROWS if row.number != 18]))
async def test_quart_differs(row: Row) -> None:
    """Quart answers otherwise; where it no longer does, a piece can go."""
    assert await rows.measure(row, Side("Quart")) != await rows.measure(row, Side("Flask"))


@pytest.mark.parametrize(
    ("number", "flask", "faithful"),
    [
        pytest.param(17, "seen", "unset", id="context variables"),
        pytest.param(25, "None", "16777216", id="default limit"),
        pytest.param(32, "-", "ok", id="websockets"),
        pytest.param(37, "-", "awaited: en", id="async processors"),
        pytest.param(38, "['hello']", "['hello']", id="flash"),
        pytest.param(
            42,
            "all there",
            "no ensure_sync, wsgi_app, request.environ, request.stream",
            id="names of WSGI",
        ),
    ],
)
async def test_stated(number: int, flask: str, faithful: str) -> None:
    """What can't be as in Flask is what the README says it is."""
    row = ROWS[number - 1]
    assert await rows.measure(row, Side("Flask")) == flask
    assert await rows.measure(row, Side("FaithfulQuart")) == faithful


async def test_threads_on_demand() -> None:
    """With SYNC_THREADS as many synchronous views run as threads were asked for (row 18)."""
    assert await rows.measure(ROWS[17], Side("FaithfulQuart")) == "all at once"


def test_numbers() -> None:
    """There are 42 rows, in order."""
    assert [row.number for row in ROWS] == list(range(1, 43))


def test_readme_table() -> None:
    """The README's table has the rows that the code has, and the pieces exist."""
    readme = Path(subclassing.__file__).with_name("README.md").read_text()
    for row in ROWS:
        assert re.search(rf"^\| {row.number} \| {re.escape(row.case)} \|", readme, re.M), row
    for piece in {name for row in ROWS for name in row.piece.split(", ") if "." in name}:
        module, name = piece.split(".")
        found = __import__(f"quartpatterns.subclassing.{module}", fromlist=[name])
        assert hasattr(found, name), piece
