"""Flashed messages in the session."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart, get_flashed_messages, message_flashed, session

from quartpatterns._shared.flash import FlashedMessage, pop_session_messages, store_in_session


@pytest.fixture
def app(app_class: type[Quart]) -> Quart:
    app = app_class(__name__)
    app.secret_key = "for these tests only"
    return app


async def test_session(app: Quart) -> None:
    """Messages are stored in order, mark the session as modified, and are removed when read."""
    async with app.test_request_context("/"):
        assert pop_session_messages() == []
        assert not session.modified
        store_in_session("one", "message")
        session.modified = False
        store_in_session("two", "error")
        assert session.modified
        assert pop_session_messages() == [("message", "one"), ("error", "two")]
        assert pop_session_messages() == []


async def test_quart_reads_them(app: Quart) -> None:
    """Quart's function finds the messages."""
    async with app.test_request_context("/"):
        store_in_session("one", "error")
        assert get_flashed_messages(with_categories=True) == [("error", "one")]


async def test_messages_from_json(app: Quart) -> None:
    """A session that has been stored as JSON has lists instead of tuples."""
    async with app.test_request_context("/"):
        session["_flashes"] = [["error", "one"]]
        assert pop_session_messages() == [("error", "one")]


async def test_signal(app: Quart) -> None:
    """The signal is sent once, however often the message is awaited."""
    received: list[tuple[Any, str, str]] = []

    def receive(sender: Any, message: str, category: str, **_: Any) -> None:
        received.append((sender, message, category))

    flashed = FlashedMessage(app, "one", "error")
    assert flashed.awaited is False
    with message_flashed.connected_to(receive, app):
        for _ in range(2):
            await flashed
    assert flashed.awaited is True
    assert received == [(app, "one", "error")]
