"""The exchanges with Flask, Quart and FaithfulQuart, made when they are asked for."""

from __future__ import annotations

import asyncio
import re
from threading import Event

import pytest
from quart import Quart

from quartpatterns.gallery import create_app, exchanges
from quartpatterns.gallery.exchanges import EXCHANGES, Exchange, FrameworkAnswer, exchange
from tests.serving import TIMEOUT


@pytest.fixture(autouse=True)
def no_blocking() -> None:
    """Flask's views read files in the event loop of a thread, which serves nobody else."""


@pytest.fixture
def app() -> Quart:
    return create_app({})


@pytest.mark.parametrize("key", EXCHANGES)
async def test_exchange(key: str) -> None:
    """Quart answers otherwise than Flask, and FaithfulQuart as Flask does."""
    async with Quart(__name__).test_request_context("/"):
        flask, quart, faithful = await exchange(EXCHANGES[key])
    assert (flask.name, quart.name, faithful.name) == ("Flask", "Quart", "FaithfulQuart")
    assert flask.responses
    assert flask.result != quart.result
    assert faithful.result == flask.result


@pytest.mark.parametrize("query", ["", "?exchange=5", "?exchange=999", "?exchange=%3Cb%3E"])
async def test_page(app: Quart, query: str) -> None:
    """The page shows what the three answered; an unknown exchange is the first one."""
    response = await app.test_client().get(f"/gallery/faithful{query}")
    text = await response.get_data(as_text=True)
    assert response.status_code == 200
    selected = EXCHANGES["5"] if query == "?exchange=5" else next(iter(EXCHANGES.values()))
    assert f'<option value="{selected.key}" selected>' in text
    assert re.findall(r'tag (good|bad)"', text) == ["bad", "good"]
    assert selected.source in text
    assert "<b>" not in text


async def test_one_at_a_time(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another exchange takes too long, the page says so with 503."""
    monkeypatch.setattr(exchanges, "WAITING", 0.01)
    assert exchanges._slot.acquire(blocking=False)
    try:
        response = await app.test_client().get("/gallery/faithful")
    finally:
        exchanges._slot.release()
    assert response.status_code == 503
    assert "Try again" in await response.get_data(as_text=True)


async def test_too_many(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit for those that wait: the others learn at once that they have to try again."""
    monkeypatch.setattr(exchanges, "WAITING", 300.0)
    monkeypatch.setattr(exchanges, "MOST_WAITING", 0)
    assert exchanges._slot.acquire(blocking=False)
    try:
        response = await app.test_client().get("/gallery/faithful")
    finally:
        exchanges._slot.release()
    assert response.status_code == 503
    assert (await app.test_client().get("/gallery/faithful")).status_code == 200


async def test_at_the_same_time(app: Quart) -> None:
    """Visitors who ask at the same time get their answers one after the other."""
    client = app.test_client()
    paths = [f"/gallery/faithful?exchange={key}" for key in ("7", "9", "11", "40")]
    responses = await asyncio.gather(*(client.get(path) for path in paths))
    assert [response.status_code for response in responses] == [200] * 4


async def test_visitor_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next exchange waits until the thread of the last one has ended."""
    began, go = Event(), Event()

    async def ask_all(selected: Exchange) -> list[FrameworkAnswer]:
        began.set()
        await asyncio.to_thread(go.wait, TIMEOUT)
        return []

    monkeypatch.setattr(exchanges, "_ask_all", ask_all)
    visit = asyncio.create_task(exchange(EXCHANGES["5"]))
    assert await asyncio.to_thread(began.wait, TIMEOUT)
    visit.cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not exchanges._slot.acquire(blocking=False)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await visit
    assert exchanges._slot.acquire(blocking=False)
    exchanges._slot.release()
