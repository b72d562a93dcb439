"""run_case() against the same application as WSGI, as ASGI and behind real servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import flask
import pytest
from quart import Quart

from quartpatterns.compare import Case, File, Step, asgi, transports
from quartpatterns.compare.asgi import ApplicationStartError
from quartpatterns.compare.processes import free_port
from quartpatterns.compare.responses import Response
from quartpatterns.compare.run_case import ServerUnreachableError, run_case
from quartpatterns.compare.servers import serve
from quartpatterns.compare.transports import ComparisonClient, client
from tests.compare import flask_app, quart_app
from tests.serving import eventually


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The applications behind real servers."""
    folder = tmp_path_factory.mktemp("servers")
    with (
        serve("tests.compare.flask_app", "gunicorn-gthread", folder=folder) as gunicorn,
        serve("tests.compare.quart_app", "hypercorn", folder=folder) as hypercorn,
    ):
        yield {"gunicorn": gunicorn.url, "hypercorn": hypercorn.url}


@pytest.fixture(params=["wsgi", "asgi", "gunicorn", "hypercorn"])
async def http(
    request: pytest.FixtureRequest, urls: dict[str, str]
) -> AsyncIterator[ComparisonClient]:
    """A client for the application on each transport."""
    apps: dict[str, Any] = {"wsgi": flask_app.create_app, "asgi": quart_app.create_app}
    name = request.param
    async with client(urls[name] if name in urls else apps[name]()) as http:
        yield http


async def respond(http: ComparisonClient, step: Step) -> Response:
    (result,) = await run_case(Case("one", step), http)
    return result.response


async def body(http: ComparisonClient, step: Step) -> str:
    return (await respond(http, step)).text


async def test_bodies(http: ComparisonClient) -> None:
    """Bytes, chunks, JSON and forms arrive unchanged."""
    assert await body(http, Step("/echo", body=b"bytes", method="POST")) == "bytes"
    assert await body(http, Step("/echo", body=(b"in ", b"chunks"), method="POST")) == "in chunks"
    assert await body(http, Step("/echo", json={"a": "ü"}, method="POST")) == '{"a": "\\u00fc"}'
    form = Step("/form", method="POST", form={"a": ["1", "2"], "b": "ü &"})
    assert await body(http, form) == '{"files":{},"form":{"a":["1","2"],"b":["\\u00fc &"]}}\n'


async def test_files(http: ComparisonClient) -> None:
    """A file is sent with its name, or with the empty name of a browser without a selection."""
    step = Step("/form", method="POST", form={"a": "1"}, files={"f": File(b"text", "n.txt")})
    assert await body(http, step) == '{"files":{"f":["n.txt","text"]},"form":{"a":["1"]}}\n'
    step = Step("/form", method="POST", files={"f": File(b"", "")})
    assert await body(http, step) == '{"files":{"f":["",""]},"form":{}}\n'


@pytest.mark.parametrize(
    ("path", "rest"),
    [
        pytest.param("/path/a%20b", "a b", id="space"),
        pytest.param("/path/%C3%BC", "\\u00fc", id="encoded"),
        pytest.param("/path/ü", "\\u00fc", id="not ASCII"),
        pytest.param("/path/a/../b", "a/../b", id="dots"),
    ],
)
async def test_paths(http: ComparisonClient, path: str, rest: str) -> None:
    """A path is sent unchanged: dots are not resolved."""
    assert await body(http, Step(path)) == f'{{"query":"","rest":"{rest}"}}\n'


async def test_query(http: ComparisonClient) -> None:
    step = Step("/path/x?a=1", query={"b": "2 3"})
    assert await body(http, step) == '{"query":"a=1&b=2+3","rest":"x"}\n'


async def test_session(http: ComparisonClient) -> None:
    """The steps of a case share cookies; two cases do not."""
    case = Case("twice", Step("/count"), Step("/count"))
    for _ in range(2):
        first, second = await run_case(case, http)
        assert first.response.text.startswith("1 ")
        assert second.response.text.startswith("2 ")


async def test_incomplete_body(http: ComparisonClient) -> None:
    """If a body ends early, the response is incomplete and has the received part."""
    response = await respond(http, Step("/broken"))
    assert (response.status, response.text, response.complete) == (200, "half", False)


async def test_failing_view(http: ComparisonClient) -> None:
    response = await respond(http, Step("/raises"))
    assert (response.status, response.complete) == (500, True)


async def test_capture_and_until(http: ComparisonClient) -> None:
    """A captured value is inserted into the next request, and replaced in its named places."""
    case = Case(
        "wait",
        Step("/count", until=r"^3 ", capture={"count": r"^(\d+) "}),
        Step("/path/{count}", compare="json", mask={"count": ['"rest":"(.)"']}),
        Step("/path/{count}", compare="json"),
    )
    first, second, third = await run_case(case, http)
    assert first.response.text.startswith("3 ")
    assert first.aspects["body"].startswith("{count} ")
    assert second.response.text == '{"query":"","rest":"3"}\n'
    assert '"rest": "{count}"' in second.aspects["body"]
    assert '"rest": "3"' in third.aspects["body"]


async def test_until_timeout(http: ComparisonClient) -> None:
    """After the time-out the last response is returned, with an error."""
    (result,) = await run_case(Case("never", Step("/", until="never", timeout=0.1)), http)
    assert "Hello" in result.response.text
    assert result.errors == {"until": "/never/ does not match the body after 0.1 s"}


async def test_session_ends_at_an_error(http: ComparisonClient) -> None:
    """A step that needs a missing value is not sent."""
    missing = Step("/", capture={"id": "number=(.)"})
    (result,) = await run_case(Case("no id", missing, Step("/path/{id}")), http)
    assert result.errors == {"capture:id": "/number=(.)/ matches nothing in body"}


async def test_lifespan() -> None:
    """An ASGI application is started before the first request and shut down at the end."""
    app = quart_app.create_app()
    async with client(app) as http:
        assert app.config["LIFESPAN"] == ["started"]
        assert (await http.get("/")).status_code == 200
    assert app.config["LIFESPAN"] == ["started", "stopped"]


def failing_quart() -> Quart:
    app = Quart(__name__)

    @app.before_serving
    async def connect() -> None:
        raise RuntimeError("no database")

    return app


async def raising_lifespan(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise RuntimeError("no database")


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("app", "cause"),
    [
        pytest.param(failing_quart(), "no database", id="Quart"),
        pytest.param(raising_lifespan, "RuntimeError: no database", id="bare"),
    ],
)
async def test_failing_start(app: Any, cause: str) -> None:
    """An application that can't start is named at once."""
    with pytest.raises(ApplicationStartError, match=f"^the port failed at its startup: {cause}$"):
        async with client(app, "the port"):
            raise AssertionError("it has started")


async def test_failing_shutdown() -> None:
    app = Quart(__name__)

    @app.after_serving
    async def disconnect() -> None:
        raise RuntimeError("no database")

    with pytest.raises(ApplicationStartError, match="failed at its shutdown: no database"):
        async with client(app):
            pass


async def test_slow_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that never answers is given up."""
    monkeypatch.setattr(asgi, "STARTUP_TIMEOUT", 0.1)

    async def waiting(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(ApplicationStartError, match=r"did not answer lifespan.startup in 0.1 s"):
        async with client(waiting):
            raise AssertionError("it has started")


def raising_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    raise RuntimeError("on purpose")


async def raising_asgi(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("on purpose")


@pytest.mark.parametrize("app", [raising_wsgi, raising_asgi])
async def test_failing_application(app: Any) -> None:
    """The response is that of a server, and contains the exception."""
    async with client(app) as http:
        response = await respond(http, Step())
    assert (response.status, response.body, response.complete) == (500, b"", True)
    assert response.error == "RuntimeError: on purpose"


@pytest.mark.parametrize("app", [flask_app.create_app, quart_app.create_app])
async def test_head(app: Any) -> None:
    """A response to HEAD has no body, even if the application sends one."""
    inner = app()

    def wsgi(environ: Any, start_response: Any) -> Any:
        return inner(environ | {"REQUEST_METHOD": "GET"}, start_response)

    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "method": "GET"} if scope["type"] == "http" else scope, receive, send)

    async with client(wsgi if app is flask_app.create_app else asgi) as http:
        response = await respond(http, Step("/", method="HEAD"))
    assert (response.status, response.body, response.complete) == (200, b"", True)
    assert response.values("content-length") == ["27"]


async def test_unreachable_server() -> None:
    async with client(f"http://127.0.0.1:{free_port()}") as http:
        with pytest.raises(ServerUnreachableError, match="no response to GET .*ConnectError"):
            await respond(http, Step())


async def test_server_without_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that does not respond in time is unreachable."""
    monkeypatch.setattr(transports, "TIMEOUT", 0.1)

    closed = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"http://127.0.0.1:{port}") as http:
        with pytest.raises(ServerUnreachableError, match="ReadTimeout"):
            await respond(http, Step())
        await closed.wait()


async def test_connections() -> None:
    """Each request has a connection of its own."""
    connections = []

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        async with client(f"http://127.0.0.1:{port}") as http:
            await run_case(Case("twice", Step(), Step()), http)
        await eventually(lambda: all(writer.is_closing() for writer in connections))
    assert len(connections) == 2


async def test_connection_closed_before_a_response() -> None:
    """This is a response with the status 0: an application can cause it."""

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"http://127.0.0.1:{port}") as http:
        response = await respond(http, Step())
    assert (response.status, response.complete) == (0, False)


async def test_cookies_of_the_client() -> None:
    """A cookie of the step is sent, unless a response has set one of that name."""
    app = flask.Flask(__name__)

    @app.get("/")
    def cookies() -> flask.Response:
        response = flask.Response(flask.request.headers["Cookie"])
        response.set_cookie("a", "set")
        return response

    step = Step("/", cookies={"a": "own", "b": "own"})
    async with client(app) as http:
        first, second = await run_case(Case("cookies", step, step), http)
    assert sorted(first.response.text.split("; ")) == ["a=own", "b=own"]
    assert sorted(second.response.text.split("; ")) == ["a=set", "b=own"]
