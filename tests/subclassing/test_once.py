"""Hooks that run before the first request only."""

from __future__ import annotations

import asyncio
import threading

import flask
import pytest

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.subclassing.once import once


def test_flask() -> None:
    app = flask.Flask(__name__)
    calls: list[str] = []

    @app.before_request
    @once
    def first() -> str:
        calls.append(flask.request.path)
        return "ignored"

    app.get("/")(lambda: "page")
    client = app.test_client()
    assert [client.get("/").text, client.get("/").text] == ["page", "page"]
    assert calls == ["/"]


async def test_quart() -> None:
    """Requests at the same time wait for the first one."""
    app = FaithfulQuart(__name__)
    started, done = asyncio.Event(), asyncio.Event()
    calls = 0

    @app.before_request
    @once
    async def first() -> None:
        nonlocal calls
        calls += 1
        started.set()
        await done.wait()

    @app.get("/")
    async def page() -> str:
        return str(done.is_set())

    client = app.test_client()
    requests = [asyncio.ensure_future(client.get("/")) for _ in range(3)]
    await started.wait()
    done.set()
    responses = await asyncio.gather(*requests)
    assert [await each.get_data(as_text=True) for each in responses] == ["True"] * 3
    assert calls == 1


def test_threads() -> None:
    """Other threads wait for the first one."""
    started, done = threading.Event(), threading.Event()
    calls: list[int] = []

    @once
    def first() -> None:
        calls.append(1)
        started.set()
        done.wait()

    threads = [threading.Thread(target=first) for _ in range(3)]
    for thread in threads:
        thread.start()
    started.wait()
    done.set()
    for thread in threads:
        thread.join()
    assert calls == [1]


async def test_errors() -> None:
    """After an error it runs again."""
    calls = 0

    @once
    async def first() -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ValueError

    with pytest.raises(ValueError):
        await first()
    await first()
    await first()
    assert calls == 2
