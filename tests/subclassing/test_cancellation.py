"""Views whose client disconnects, and views that end in a cancellation themselves."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import logging
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import flask
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart, Request, Response, got_request_exception, request, websocket
from quart.testing.connections import WebsocketDisconnectError
from werkzeug.exceptions import ClientDisconnected, InternalServerError

from quartpatterns._shared.settings import SettingError
from quartpatterns.subclassing import (
    FaithfulHTTPConnection,
    FaithfulQuart,
    cancel_on_disconnect,
)
from quartpatterns.subclassing.example.differences.raw_http import connect, read_response
from tests.serving import eventually, idle_tasks
from tests.subclassing.serving import GET, Client, post, scope, served


@pytest.fixture
def app() -> FaithfulQuart:
    """Return an empty application."""
    return FaithfulQuart(__name__, static_folder=None)


def start(app: Quart, client: Client, **changes: Any) -> asyncio.Task[None]:
    """Start a request."""
    return asyncio.create_task(app(scope(**changes), client.receive, client.send))  # type: ignore[arg-type]


async def end(task: asyncio.Task[None]) -> None:
    """Wait for the end of a request."""
    async with asyncio.timeout(5):
        await task


class Log(list[str]):
    """What an application has done, in order. The view waits in the middle."""

    def __init__(self, app: Quart) -> None:
        super().__init__()
        self.go_on = asyncio.Event()

        @app.after_request
        async def after_request(response: Response) -> Response:
            self.append("after_request")
            return response

        @app.teardown_request
        async def teardown_request(error: BaseException | None) -> None:
            self.append(f"teardown {type(error).__name__}")

    async def view(self) -> str:
        self.append("charged")
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.append("cancelled")
            raise
        self.append("recorded")
        return "done"


COMPLETE = ["charged", "recorded", "after_request", "teardown NoneType"]
CANCELLED = ["charged", "cancelled", "teardown CancelledError"]


def through(view: Callable[..., Any]) -> Callable[..., Any]:
    """Return a wrapper of *view*, as a decorator makes it."""

    @functools.wraps(view)
    async def wrapper() -> Any:
        return await view()

    return wrapper


@pytest.mark.parametrize(
    ("setting", "decorate", "expected"),
    [
        (None, through, COMPLETE),
        (False, through, COMPLETE),
        (True, through, CANCELLED),
        (None, lambda view: cancel_on_disconnect(through(view)), CANCELLED),
        (None, lambda view: through(cancel_on_disconnect()(through(view))), CANCELLED),
        (True, lambda view: cancel_on_disconnect(cancel=False)(through(view)), COMPLETE),
    ],
    ids=["default", "off", "on", "view", "wrapped view", "other view"],
)
async def test_disconnection(
    app: FaithfulQuart, setting: bool | None, decorate: Callable[[Any], Any], expected: list[str]
) -> None:
    """A view whose client disconnects runs to its end, as in Flask, unless it is cancelled."""
    log = Log(app)
    app.add_url_rule("/", "view", decorate(log.view))
    if setting is not None:
        app.config["CANCEL_ON_DISCONNECT"] = setting
    client = Client()
    task = start(app, client)
    await asyncio.sleep(0.01)
    client.disconnect()
    await eventually(client.queue.empty)
    await asyncio.sleep(0.01)
    log.go_on.set()
    await end(task)
    assert log == expected


async def test_as_flask(app: FaithfulQuart) -> None:
    """On the wire a client that leaves cuts no view in half, and no task remains."""
    log = Log(app)
    app.add_url_rule("/", "view", through(log.view), methods=["POST"])
    async with served(app) as port:
        before = await idle_tasks(port)
        log.clear()
        async with connect(port) as (_, writer):
            writer.write(post("/", "Content-Length: 0"))
            await eventually(lambda: "charged" in log)
        await asyncio.sleep(0.1)
        log.go_on.set()
        await eventually(lambda: len(log) == len(COMPLETE))
        await eventually(lambda: len(asyncio.all_tasks()) <= before)
    assert log == COMPLETE


async def test_half_closed_client(app: FaithfulQuart) -> None:
    """A client that closes only its sending half receives the response, as from gunicorn."""

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(0.2)
        return "late"

    async with served(app) as port, connect(port) as (reader, writer):
        writer.write(GET % b"/")
        writer.write_eof()
        assert (await read_response(reader)).body == b"late"


async def test_send_raises_after_disconnection(app: FaithfulQuart) -> None:
    """A server can raise ``OSError`` when nobody receives (ASGI 2.4); it ends the request."""
    log = Log(app)
    app.add_url_rule("/", "view", through(log.view))
    client = Client()

    async def send(message: Any) -> None:
        raise OSError("nobody receives")

    for disconnected in (True, False):
        log.go_on.clear()
        task = asyncio.create_task(app(scope(), client.receive, send))  # type: ignore[arg-type]
        await asyncio.sleep(0.01)
        if disconnected:
            client.disconnect()
            await eventually(client.queue.empty)
            await asyncio.sleep(0.01)
        log.go_on.set()
        if disconnected:
            await end(task)
        else:
            # Without a disconnection it is an error of the server, which sees it.
            with pytest.raises(OSError, match="nobody"):
                await end(task)


async def test_stream_that_has_not_begun(app: FaithfulQuart) -> None:
    """A stream of a client that has left does not begin, is closed, and nothing is sent."""
    log: list[str] = []

    class Items:
        def __iter__(self) -> Items:
            return self

        def __next__(self) -> bytes:
            log.append("next")
            return b"x"

        def close(self) -> None:
            log.append("closed")

    go_on = asyncio.Event()

    @app.get("/")
    async def view() -> Any:
        await go_on.wait()
        response = app.response_class(Items())
        response.call_on_close(lambda: log.append("callback"))
        return response

    client = Client()
    task = start(app, client)
    client.disconnect()
    await eventually(client.queue.empty)
    await asyncio.sleep(0.01)
    go_on.set()
    await end(task)
    assert log == ["closed", "callback"]
    assert client.sent == []


@pytest.mark.parametrize("caught", [True, False])
async def test_reading_view(app: FaithfulQuart, caught: bool) -> None:
    """A view that reads the body of a client that has left gets 400, as in Flask."""
    log = Log(app)

    @app.post("/")
    async def view() -> str:
        try:
            return str(len(await request.get_data()))
        except ClientDisconnected:
            log.append("ClientDisconnected")
            if not caught:
                raise
            return "caught"

    @app.errorhandler(400)
    async def bad_request(error: Exception) -> tuple[str, int]:
        log.append(type(error).__name__)
        return "", 400

    async with served(app) as port:
        async with connect(port) as (_, writer):
            writer.write(post("/", "Content-Length: 10") + b"half")
            await asyncio.sleep(0.02)
        await eventually(lambda: "teardown" in log[-1] if log else False)
    errors = ["ClientDisconnected"] * (1 if caught else 2)
    assert log[: len(errors) + 1] == [*errors, "after_request"]


@pytest.mark.parametrize("attribute", ["form", "files", "data", "json", "values"])
async def test_parsing_view(app: FaithfulQuart, attribute: str) -> None:
    """The same for what is parsed from the body."""
    log = Log(app)
    kind = "application/json" if attribute == "json" else "application/x-www-form-urlencoded"

    @app.post("/")
    async def view() -> str:
        try:
            await getattr(request, attribute)
        except ClientDisconnected:
            log.append("ClientDisconnected")
        return ""

    client = Client({"type": "http.request", "body": b"a", "more_body": True})
    headers = [
        (b"host", b"x"),
        (b"content-length", b"9"),
        (b"content-type", kind.encode()),
    ]
    task = start(app, client, method="POST", headers=headers)
    client.disconnect()
    await end(task)
    assert log == ["ClientDisconnected", "after_request", "teardown NoneType"]


async def test_disconnection_while_draining(app: FaithfulQuart) -> None:
    """The connection does not wait for a client that disconnects while its body is dropped."""

    @app.post("/")
    async def view() -> str:
        return "unread"

    client = Client({"type": "http.request", "body": b"half", "more_body": True})
    headers = [(b"host", b"localhost"), (b"content-length", b"8")]
    connection: Any = app.asgi_http_class(app, scope(method="POST", headers=headers))  # type: ignore[arg-type]
    connection.drain_timeout = 60
    task = asyncio.create_task(connection(client.receive, client.send))
    await eventually(lambda: len(client.sent) == 2)
    client.disconnect()
    await end(task)


async def test_body_of_another_class() -> None:
    """Quart's body can't tell a reader that the client has left: the view is cancelled."""

    class WithPieces(Quart):
        asgi_http_class = FaithfulHTTPConnection

    app = WithPieces(__name__, static_folder=None)
    assert app.request_class is Request
    log: list[str] = []

    @app.post("/")
    async def view() -> str:
        try:
            await request.get_data()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        log.append("read")
        await asyncio.sleep(0.05)
        log.append("end")
        return ""

    headers = [(b"host", b"localhost"), (b"content-length", b"8")]
    client = Client({"type": "http.request", "body": b"half", "more_body": True})
    task = start(app, client, method="POST", headers=headers)
    client.disconnect()
    await end(task)
    assert log == ["cancelled"]
    client = Client({"type": "http.request", "body": b"complete", "more_body": False})
    task = start(app, client, method="POST", headers=headers)
    await eventually(lambda: "read" in log)
    client.disconnect()
    await end(task)
    assert log == ["cancelled", "read", "end"]


@pytest.mark.parametrize("cancelled", [True, False])
async def test_shutdown(app: FaithfulQuart, cancelled: bool) -> None:
    """A server that stops waits for such a view, and cancels it after its graceful timeout."""
    log = Log(app)
    app.add_url_rule("/", "view", through(log.view))
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.graceful_timeout = 0.3 if cancelled else 20
    stop = asyncio.Event()
    server = asyncio.create_task(serve(app, config, shutdown_trigger=stop.wait))
    async with connect(port) as (_, writer):
        writer.write(GET % b"/")
        await eventually(lambda: "charged" in log)
    await asyncio.sleep(0.1)
    stop.set()
    await asyncio.sleep(0.1)
    assert log == ["charged"]
    if not cancelled:
        log.go_on.set()
    async with asyncio.timeout(10):
        await server
    await eventually(lambda: len(log) == (3 if cancelled else 4))
    assert log == (CANCELLED if cancelled else COMPLETE)


async def test_many_disconnect(app: FaithfulQuart) -> None:
    """After 200 clients have left, all views end, and no task remains."""
    go_on = asyncio.Event()
    ended: list[int] = []
    started: list[int] = []

    @app.get("/")
    async def view() -> str:
        started.append(1)
        await go_on.wait()
        ended.append(1)
        return ""

    async with served(app) as port:
        before = await idle_tasks(port)
        clients = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
        for _, writer in clients:
            writer.write(GET % b"/")
        await eventually(lambda: len(started) == 200)
        for _, writer in clients:
            writer.transport.abort()
        await asyncio.sleep(0.1)
        assert not ended
        go_on.set()
        await eventually(lambda: len(ended) == 200)
        await eventually(lambda: len(asyncio.all_tasks()) <= before)


@pytest.mark.parametrize("value", ["false", 1, None])
async def test_invalid_setting(app: FaithfulQuart, value: Any) -> None:
    """A setting that is not a bool is refused when the application starts."""
    app.config["CANCEL_ON_DISCONNECT"] = value
    with pytest.raises(SettingError, match="CANCEL_ON_DISCONNECT must be True or False"):
        await app.startup()


async def test_websocket(app: FaithfulQuart) -> None:
    """A websocket whose client disconnects is cancelled, as before: it waits for its client."""
    log: list[str] = []

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        try:
            await websocket.receive()
        finally:
            log.append("ended")

    async with app.test_client().websocket("/"):
        await asyncio.sleep(0.01)
    assert log == ["ended"]


# How code of the application ends in a cancellation.
async def awaits_cancelled_task() -> Any:
    task = asyncio.create_task(asyncio.sleep(30))
    task.cancel()
    await task


async def awaits_cancelled_future() -> Any:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def raises() -> Any:
    raise asyncio.CancelledError


def raises_in_thread() -> Any:
    raise concurrent.futures.CancelledError


ENDINGS = [awaits_cancelled_task, awaits_cancelled_future, raises, raises_in_thread]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("place", ["view", "before_request", "after_request", "error handler"])
async def test_own_cancellation(
    app: FaithfulQuart,
    ending: Callable[[], Any],
    place: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Code that ends in a cancellation is an error: 500, handled, logged and signalled."""
    signalled: list[Exception] = []
    log: list[Any] = []

    async def view() -> str:
        if place == "error handler":
            raise LookupError
        return "never sent"

    app.add_url_rule("/", "view", ending if place == "view" else view)
    if place == "before_request":
        app.before_request(ending)
    elif place == "after_request":
        # A synchronous function and an asynchronous one, with a parameter.
        if asyncio.iscoroutinefunction(ending):

            @app.after_request
            async def after_request(response: Response) -> Response:
                log.append("after_request")
                if len(log) == 1:
                    await ending()
                return response
        else:

            @app.after_request
            def after_request_in_thread(response: Response) -> Response:
                log.append("after_request")
                if len(log) == 1:
                    ending()
                return response

    elif place == "error handler":
        app.register_error_handler(LookupError, lambda error: ending())

    @app.errorhandler(InternalServerError)
    async def server_error(error: InternalServerError) -> tuple[str, int]:
        return f"handled {type(error.original_exception).__name__}", 500

    @app.teardown_request
    async def teardown_request(error: BaseException | None) -> None:
        log.append(type(error))

    async def receiver(sender: Any, exception: Exception) -> None:
        signalled.append(exception)

    with got_request_exception.connected_to(receiver, app), caplog.at_level(logging.ERROR):
        response = await app.test_client().get("/")
    assert response.status_code == 500
    assert await response.get_data() == b"handled CancelledError"
    assert [type(error) for error in signalled] == [concurrent.futures.CancelledError]
    assert log[-1] is concurrent.futures.CancelledError
    records = [record for record in caplog.records if record.name == app.name]
    assert [record.getMessage() for record in records] == ["Exception on / [GET]"]
    assert records[0].exc_info is not None
    assert isinstance(records[0].exc_info[1], concurrent.futures.CancelledError)


async def test_handler_of_cancellation(app: FaithfulQuart) -> None:
    """A handler for ``concurrent.futures.CancelledError`` is called, as in Flask."""
    flask_app = flask.Flask(__name__)

    @flask_app.get("/")
    def original() -> str:
        raise concurrent.futures.CancelledError

    def handler(error: Exception) -> tuple[str, int]:
        return type(error).__name__, 503

    flask_app.register_error_handler(concurrent.futures.CancelledError, handler)
    app.register_error_handler(concurrent.futures.CancelledError, handler)
    expected = flask_app.test_client().get("/")
    for number, ending in enumerate(ENDINGS):
        app.add_url_rule(f"/{number}", str(number), ending)
    for number in range(len(ENDINGS)):
        response = await app.test_client().get(f"/{number}")
        assert (response.status_code, await response.get_data()) == (503, expected.data)


@pytest.mark.parametrize("ending", ENDINGS)
async def test_own_cancellation_under_testing(
    app: FaithfulQuart, ending: Callable[[], Any]
) -> None:
    """Under ``TESTING`` the error is raised out of the client; it does not cancel the test."""
    app.testing = True
    app.add_url_rule("/", "view", ending)
    with pytest.raises(concurrent.futures.CancelledError):
        await app.test_client().get("/")


@pytest.mark.parametrize("ending", ENDINGS)
async def test_cancellation_in_last_handler(app: FaithfulQuart, ending: Callable[[], Any]) -> None:
    """The server sees an error of the handler for 500, or of a teardown function, and logs it."""

    @app.get("/")
    async def view() -> str:
        raise LookupError

    app.register_error_handler(500, lambda error: ending())
    client = Client()
    with pytest.raises(concurrent.futures.CancelledError):
        await end(start(app, client))
    assert client.sent == []


async def test_cancellation_in_stream(app: FaithfulQuart) -> None:
    """The server sees the error of a stream as well. The response stays incomplete."""

    @app.get("/<kind>")
    async def view(kind: str) -> Any:
        async def generate() -> AsyncIterator[bytes]:
            yield b"half"
            await awaits_cancelled_task()

        def generate_in_thread() -> Iterator[bytes]:
            yield b"half"
            raise concurrent.futures.CancelledError

        return generate() if kind == "async" else generate_in_thread()

    for kind in ("async", "sync"):
        client = Client()
        with pytest.raises(concurrent.futures.CancelledError):
            await end(start(app, client, path=f"/{kind}"))
        assert [message.get("body") for message in client.sent] == [None, b"half"]


@pytest.mark.parametrize("place", ["view", "before_request", "stream"])
async def test_cancellation_by_the_server(app: FaithfulQuart, place: str) -> None:
    """A cancellation by the server is not handled as an error, wherever it arrives."""
    waiting = asyncio.Event()

    async def wait() -> Any:
        waiting.set()
        # The task that is awaited is cancelled as well.
        await asyncio.create_task(asyncio.sleep(30))

    async def generate() -> AsyncIterator[bytes]:
        yield b"x"
        await wait()

    async def view() -> Any:
        return generate() if place == "stream" else await wait()

    app.add_url_rule("/", "view", view)
    if place == "before_request":
        app.before_request(wait)
    task = start(app, Client())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await end(task)
    assert task.cancelled()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("accepted", [True, False])
async def test_own_cancellation_of_websocket(
    app: FaithfulQuart, ending: Callable[[], Any], accepted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A websocket that ends in a cancellation is logged, and closed with 1011 or refused."""

    @app.websocket("/")
    async def view() -> None:
        if accepted:
            await websocket.accept()
        await app.ensure_async(ending)()

    client = Client({"type": "websocket.connect"})
    changed = scope(type="websocket", scheme="ws", subprotocols=[])
    changed["extensions"] = {"websocket.http.response": {}}
    with caplog.at_level(logging.ERROR):
        await app(changed, client.receive, client.send)  # type: ignore[arg-type]
    if accepted:
        assert client.sent[-1] == {"type": "websocket.close", "code": 1011}
    else:
        assert client.sent[0]["status"] == 500
    assert "Exception on websocket /" in caplog.messages


@pytest.mark.parametrize(
    ("kind", "code"), [("fails", 1011), ("aborts", 1008), ("returns", 1000), ("ends", 1000)]
)
async def test_close_code(app: FaithfulQuart, kind: str, code: int) -> None:
    """The code with which a websocket is closed tells how its handler ended."""

    @app.websocket("/")
    async def view() -> Any:
        await websocket.accept()
        if kind == "fails":
            raise LookupError
        if kind == "aborts":
            flask.abort(403)
        return "returned" if kind == "returns" else None

    async with app.test_client().websocket("/") as connection:
        with pytest.raises(WebsocketDisconnectError) as caught:
            await connection.receive()
    assert caught.value.args == (code,)


async def test_synchronous_view(app: FaithfulQuart) -> None:
    """A synchronous view runs to its end, and so do the functions after it."""
    go_on = threading.Event()
    log: list[str] = []

    @app.get("/")
    def view() -> str:
        log.append("charged")
        go_on.wait(10)
        log.append("recorded")
        return ""

    @app.after_request
    def after_request(response: Response) -> Response:
        log.append("after_request")
        return response

    client = Client()
    task = start(app, client)
    await eventually(lambda: "charged" in log)
    client.disconnect()
    await eventually(client.queue.empty)
    go_on.set()
    await end(task)
    assert log == ["charged", "recorded", "after_request"]
