"""The 42 differences: Flask says what is right, and plain Quart still differs."""

from __future__ import annotations

import importlib
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import quart
from quart import Quart, Request, Response
from quart.asgi import ASGIHTTPConnection
from quart.routing import QuartMap, QuartRule
from quart.testing import QuartClient

from quartpatterns import subclassing
from quartpatterns.subclassing.example.differences import DIFFERENCES, Difference, measure
from quartpatterns.subclassing.example.differences.frameworks import ClientResponse, Framework

pytestmark = [
    # Plain Quart does not await some coroutines, which is a difference.
    pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning"),
    # Flask leaves the file of a form that was cut off to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Headers that a server adds, and that an ASGI application leaves to it.
SERVER_HEADERS = {"date", "server", "connection"}
# Flask has no websockets and no asynchronous URL processors.
WITHOUT_FLASK = {32, 37}
# The attribute of an application for a class of each kind.
ATTRIBUTES: tuple[tuple[type, str], ...] = (
    (ASGIHTTPConnection, "asgi_http_class"),
    (Request, "request_class"),
    (Response, "response_class"),
    (QuartRule, "url_rule_class"),
    (QuartMap, "url_map_class"),
    (QuartClient, "test_client_class"),
)


@pytest.fixture(autouse=True)
def no_blocking() -> None:
    """Turn the guard off: the probes of Flask block the event loop, which serves nobody else."""


def parameters(*statuses: str, without: set[int] | None = None) -> list[Any]:
    """Return the differences with one of *statuses* as parameters of a test."""
    return [
        pytest.param(each, id=f"{each.number}")
        for each in DIFFERENCES
        if each.status in statuses and each.number not in (without or set())
    ]


def comparable(responses: list[ClientResponse]) -> list[tuple[int, dict[str, str], bytes]]:
    """Return status, headers and body, without what the server adds."""
    return [
        (
            response.status,
            {name: value for name, value in response.headers.items() if name not in SERVER_HEADERS},
            response.body,
        )
        for response in responses
    ]


@pytest.mark.parametrize("difference", parameters("removed", without=WITHOUT_FLASK))
async def test_as_flask(difference: Difference) -> None:
    """A removed difference has Flask's result, and Flask's status, headers and body."""
    flask, faithful = Framework("Flask"), Framework("FaithfulQuart")
    begin = time.time()
    assert await measure(difference, faithful) == await measure(difference, flask)
    if faithful.responses:
        found, expected = comparable(faithful.responses), comparable(flask.responses)
        # Both count from the time of their response.
        seconds = [expiry(responses) for responses in (found, expected)]
        for one, other in zip(*seconds, strict=True):
            assert abs(one - other) <= time.time() - begin + 1
        assert found == expected


def expiry(responses: list[tuple[int, dict[str, str], bytes]]) -> list[float]:
    """Remove the dates of ``Expires`` from *responses*, and return them."""
    dates = [headers.pop("expires", None) for _, headers, _ in responses]
    return [parsedate_to_datetime(date).timestamp() if date else 0.0 for date in dates]


# With enough CPUs, asyncio has as many threads as difference 18 asks for.
@pytest.mark.parametrize("difference", parameters("removed", "documented"))
async def test_quart_differs(difference: Difference) -> None:
    """Quart has another result. If this fails, the code for the difference can be removed."""
    quart_result = await measure(difference, Framework("Quart"))
    assert quart_result != await measure(difference, Framework("Flask"))


@pytest.mark.parametrize(
    ("number", "flask", "faithful"),
    [
        pytest.param(17, "seen", "unset", id="context variables"),
        pytest.param(25, "None", "16777216", id="default limit"),
        pytest.param(31, "308 http://localhost/", "200", id="two slashes"),
        pytest.param(32, "-", "ok", id="websockets"),
        pytest.param(37, "-", "awaited: en", id="asynchronous processors"),
        pytest.param(38, "['hello']", "['hello']", id="flash"),
        pytest.param(
            42,
            "all there",
            "no ensure_sync, wsgi_app, request.stream",
            id="WSGI attributes",
        ),
    ],
)
async def test_documented(number: int, flask: str, faithful: str) -> None:
    """A documented difference is as the README says."""
    difference = DIFFERENCES[number - 1]
    assert await measure(difference, Framework("Flask")) == flask
    assert await measure(difference, Framework("FaithfulQuart")) == faithful


async def test_sync_threads() -> None:
    """With ``SYNC_THREADS`` as many synchronous views run at once as there are threads."""
    assert await measure(DIFFERENCES[17], Framework("FaithfulQuart")) == "all at once"


class QuartWithPieces(Framework):
    """Plain Quart with the classes and functions that the table names for one difference."""

    def __init__(self, difference: Difference) -> None:
        super().__init__("Quart")
        # Probes use Flask's names of arguments, unless the framework is called Quart.
        self.name = "Quart with pieces"
        mixins: list[type] = []
        attributes: dict[str, Any] = {}
        self.names = SimpleNamespace(**vars(quart))
        for piece in difference.pieces.split(", "):
            module, _, name = piece.rpartition(".")
            imported = importlib.import_module(f"quartpatterns.subclassing.{module}")
            found: Any = getattr(imported, name)
            if not isinstance(found, type):
                setattr(self.names, name, found)
            elif issubclass(found, Quart):
                mixins.append(found)
            else:
                attribute = next(name for kind, name in ATTRIBUTES if issubclass(found, kind))
                attributes[attribute] = found
        self.names.Quart = type("WithPieces", (*mixins, Quart), attributes)


@pytest.mark.parametrize("difference", parameters("removed", "option", without=WITHOUT_FLASK))
async def test_pieces(difference: Difference) -> None:
    """The pieces that the table names remove a difference alone, on plain Quart."""
    result = await measure(difference, QuartWithPieces(difference))
    assert result == await measure(difference, Framework("Flask"))


@pytest.mark.parametrize(
    ("number", "expected"), [(32, "ok"), (37, "awaited: en"), (38, "['hello']")]
)
async def test_pieces_without_flask(number: int, expected: str) -> None:
    """The same, where Flask has no result to compare with."""
    difference = DIFFERENCES[number - 1]
    assert await measure(difference, QuartWithPieces(difference)) == expected


async def test_unread_session() -> None:
    """With the pieces for sessions, a response does not vary by cookie if no session was read."""
    framework = QuartWithPieces(DIFFERENCES[11])
    app = framework.app()
    app.secret_key = "for this test only"

    @app.get("/")  # type: ignore[untyped-decorator]
    async def view() -> str:
        return await quart.render_template_string("nothing of the session")

    response = await framework.call(app)
    assert response["vary"] is None


def test_numbers() -> None:
    """There are 42 differences, in order."""
    assert [difference.number for difference in DIFFERENCES] == list(range(1, 43))


def test_readme_table() -> None:
    """The README's table has the same differences."""
    readme = Path(subclassing.__file__).with_name("README.md").read_text()
    for each in DIFFERENCES:
        case = re.escape(each.case)
        assert re.search(rf"^\| {each.number} \| {case} \| {each.status} \|", readme, re.M), each
