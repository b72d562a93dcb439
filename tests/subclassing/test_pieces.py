"""Each piece closes its row alone, on a plain Quart."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
import quart
from quart import Quart, Request, Response
from quart.asgi import ASGIHTTPConnection
from quart.routing import QuartMap, QuartRule
from quart.testing import QuartClient

from quartpatterns.subclassing.example import rows
from quartpatterns.subclassing.example.rows import ROWS, Row
from quartpatterns.subclassing.example.rows.side import Side

# The attribute of an application that takes a class of that kind.
PLACES: tuple[tuple[type, str], ...] = (
    (ASGIHTTPConnection, "asgi_http_class"),
    (Request, "request_class"),
    (Response, "response_class"),
    (QuartRule, "url_rule_class"),
    (QuartMap, "url_map_class"),
    (QuartClient, "test_client_class"),
)

pytestmark = [
    # Plain Quart drops coroutines: that is what some rows are about.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    # Flask leaves the file of a form that came in half to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def no_blocking() -> None:
    """No guard here: the probes of Flask block the loop, which is theirs alone."""


class Alone(Side):
    """Plain Quart with the pieces of one row, and nothing else of this package."""

    def __init__(self, row: Row) -> None:
        super().__init__("Quart")
        # The words of the probe are Flask's where it asks with the words of a side.
        self.name = "Quart with pieces"
        mixins: list[type] = []
        places: dict[str, Any] = {}
        self.names = SimpleNamespace(**vars(quart))
        for piece in row.piece.split(", "):
            module, _, name = piece.rpartition(".")
            found: Any = getattr(
                importlib.import_module(f"quartpatterns.subclassing.{module}"), name
            )
            if not isinstance(found, type):
                setattr(self.names, name, found)
            elif issubclass(found, Quart):
                mixins.append(found)
            else:
                place = next(place for kind, place in PLACES if issubclass(found, kind))
                places[place] = found
        self.names.Quart = type("Alone", (*mixins, Quart), places)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"row-{row.number}")
        for row in ROWS
        if row.close != "state" and row.number not in {32, 37}
    ],
)
async def test_alone(row: Row) -> None:
    """The pieces that the table names for a row are enough for it."""
    assert await rows.measure(row, Alone(row)) == await rows.measure(row, Side("Flask"))


@pytest.mark.parametrize(("number", "told"), [(32, "ok"), (37, "awaited: en"), (38, "['hello']")])
async def test_alone_without_oracle(number: int, told: str) -> None:
    """So are those of the rows that Flask has no answer for."""
    row = ROWS[number - 1]
    assert await rows.measure(row, Alone(row)) == told


async def test_unread_session() -> None:
    """With the contexts alone, an answer that read no session does not vary by cookie."""
    side = Alone(ROWS[11])
    app = side.app()
    app.secret_key = "for this test only"

    @app.get("/")  # type: ignore[untyped-decorator]
    async def view() -> str:
        return await quart.render_template_string("nothing of the session")

    answer = await side.call(app)
    assert answer["vary"] is None
