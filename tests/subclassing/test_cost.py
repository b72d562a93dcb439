"""What one small request costs: how many functions of Python are called."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import weakref
from collections import Counter
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from blinker import Signal
from quart import Blueprint, Quart, Request, request, signals
from quart.ctx import RequestContext, WebsocketContext
from quart.globals import request_ctx
from werkzeug.datastructures import Headers

from quartpatterns.subclassing import FaithfulQuart, FaithfulRequest
from quartpatterns.subclassing.context import FaithfulRequestContext, FaithfulWebsocketContext
from tests.subclassing.serving import Client, scope


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> FaithfulQuart:
    """Return an application with one view, and no receiver of a signal in this process."""
    for signal in vars(signals).values():
        if isinstance(signal, Signal):
            monkeypatch.setattr(signal, "receivers", {})
    app = FaithfulQuart(__name__, static_folder=None)

    @app.get("/")
    async def view() -> str:
        return "hello"

    return app


async def calls(app: Quart) -> Counter[str]:
    """Return how often a request calls each function, once the caches are filled."""
    counted: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            counted[frame.f_code.co_qualname] += 1

    for _ in range(3):
        client = Client()
        counted.clear()
        before = sys.getprofile()
        sys.setprofile(count)
        try:
            await app(scope(), client.receive, client.send)  # type: ignore[arg-type]
        finally:
            sys.setprofile(before)
        assert [message["type"][5:] for message in client.sent] == [
            "response.start",
            "response.body",
        ]
    return counted


async def test_functions(app: FaithfulQuart) -> None:
    """A small request calls few functions: that is where its time goes."""
    counted = await calls(app)
    assert counted.total() <= 84, counted.most_common()
    assert max(counted[name] for name in counted if name.endswith((".push", ".pop"))) == 1


async def test_no_signals(app: FaithfulQuart) -> None:
    """Signals without receivers cost nothing."""
    assert not [name for name in await calls(app) if "send_async" in name]


async def test_receivers_of_signals(app: FaithfulQuart) -> None:
    """Both kinds of receivers are called, a synchronous one in a thread, unless it is muted."""
    threads: list[bool] = []

    async def asynchronous(sender: Any, **_: Any) -> None:
        assert sender is app
        threads.append(threading.current_thread() is threading.main_thread())

    def synchronous(sender: Any, **_: Any) -> None:
        assert sender is app
        threads.append(threading.current_thread() is threading.main_thread())

    async def of_another(sender: Any, **_: Any) -> None:
        raise AssertionError(sender)

    other = FaithfulQuart("other")
    for signal in (signals.appcontext_pushed, signals.request_started, signals.request_finished):
        with signal.connected_to(of_another, other):
            with signal.connected_to(asynchronous, app), signal.connected_to(synchronous, app):
                await calls(app)
                assert sorted(threads) == [False] * 3 + [True] * 3, signal
                threads.clear()
                with signal.muted():
                    await calls(app)
                assert not threads


async def test_adapters(app: FaithfulQuart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request creates one URL adapter. That of the application is created when it is used."""
    app.config["SERVER_NAME"] = "example.com"
    app.add_url_rule("/other", "other", lambda: "")
    created: list[Any] = []
    create = app.create_url_adapter

    def counted(request: Any) -> Any:
        created.append(request)
        return create(request)

    monkeypatch.setattr(app, "create_url_adapter", counted)
    await calls(app)
    assert len(created) == 3 and None not in created
    async with app.app_context():
        assert app.url_for("other") == app.url_for("other") == "http://example.com/other"
    assert created[3:] == [None]


async def test_nested_blueprints(app: FaithfulQuart) -> None:
    """A request knows its blueprint and the parents of it, and each list is its own."""
    parent, child = Blueprint("a", __name__), Blueprint("b", __name__)
    seen: list[list[str]] = []

    @child.get("/child")
    async def view() -> str:
        current: Any = request
        for _ in range(2):
            seen.append(current.blueprints)
            current.blueprints.clear()
        return ""

    parent.register_blueprint(child)
    app.register_blueprint(parent)
    client = Client()
    await app(scope(path="/child"), client.receive, client.send)  # type: ignore[arg-type]
    assert seen == [["a.b", "a"], ["a.b", "a"]]


def test_contexts_are_complete(app: FaithfulQuart) -> None:
    """Contexts have all attributes of Quart's, whose ``__init__`` does not make them."""
    request: Any = SimpleNamespace(headers={}, url_rule=None)
    plain = Quart(__name__, static_folder=None)
    for ours, theirs in (
        (FaithfulRequestContext, RequestContext),
        (FaithfulWebsocketContext, WebsocketContext),
    ):
        made = vars(ours(_without_adapter(app), request))
        expected = vars(theirs(_without_adapter(plain), request))
        assert expected.keys() - {"session"} <= made.keys()
        for key in expected.keys() - {"app", "session"}:
            assert made[key] == expected[key], key


def _without_adapter(app: Quart) -> Quart:
    app.create_url_adapter = lambda request: None  # type: ignore[method-assign]
    return app


def test_requests_are_complete() -> None:
    """Requests have all attributes of Quart's, whose ``__init__`` does not make them."""
    headers = Headers({"Content-Length": "3", "Remote-Addr": "192.0.2.1"})
    arguments: Any = ("get", "http", "//a", b"b=c", headers, "/mount/", "1.1", scope())
    options: Any = {"max_content_length": 9, "body_timeout": 8, "send_push_promise": print}
    made = vars(FaithfulRequest(*arguments, **options))
    expected = vars(Request(*arguments, **options))
    # Parsed JSON is cached in another attribute. Quart caches the length.
    assert expected.keys() - made.keys() == {"_cached_json", "content_length"}
    for key in made.keys() & expected.keys() - {"body", "_parsing_lock"}:
        assert made[key] == expected[key], key
    assert type(made["_parsing_lock"]) is type(expected["_parsing_lock"])
    assert (made["body"].declared, made["body"].limit) == (3, 9)


@pytest.mark.parametrize("path", ["/none", "/error"])
async def test_errors_leave_no_cycle(
    app: FaithfulQuart, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The objects of a failed request need no garbage collection, which stops everything."""
    contexts: list[weakref.ref[Any]] = []

    @app.get("/error")
    async def error() -> str:
        raise LookupError(path)

    @app.after_request
    async def remember(response: Any) -> Any:
        context: Any = request_ctx
        contexts.append(weakref.ref(context._get_current_object()))
        return response

    caplog.set_level(logging.CRITICAL)  # The records that pytest keeps have the traceback.
    gc.disable()
    try:
        client = Client()
        await app(scope(path=path), client.receive, client.send)  # type: ignore[arg-type]
        assert client.sent[0]["status"] in {404, 500}
        assert [context() for context in contexts] == [None]
    finally:
        gc.enable()


async def test_form_starts_no_task(app: FaithfulQuart) -> None:
    """A form that has arrived is parsed in the task of the request."""

    @app.post("/")
    async def form() -> str:
        current: Any = request
        return str((await current.form)["a"])

    started: list[Any] = []
    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()

    def start(loop: Any, coroutine: Any, **options: Any) -> Any:
        started.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"3")]
    client = Client({"type": "http.request", "body": b"a=b", "more_body": False})
    loop.set_task_factory(start)
    try:
        await app(scope(method="POST", headers=headers), client.receive, client.send)  # type: ignore[arg-type]
    finally:
        loop.set_task_factory(factory)
    assert client.sent[1]["body"] == b"b"
    assert started == []
