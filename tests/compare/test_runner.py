"""The runner against one small application, as WSGI, as ASGI and on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from quartpatterns.compare import Case, File, Step
from quartpatterns.compare.processes import free_port
from quartpatterns.compare.runner import NoAnswerError, play
from quartpatterns.compare.servers import serve
from quartpatterns.compare.transports import Client, client
from tests.compare import after, before


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The application behind a real server of each kind."""
    folder = tmp_path_factory.mktemp("servers")
    with (
        serve("tests.compare.before", "gunicorn-gthread", folder=folder) as one,
        serve("tests.compare.after", "hypercorn", folder=folder) as other,
    ):
        yield {"gunicorn": one.url, "hypercorn": other.url}


@pytest.fixture(params=["wsgi", "asgi", "gunicorn", "hypercorn"])
async def http(request: pytest.FixtureRequest, urls: dict[str, str]) -> AsyncIterator[Client]:
    """A client for the application on each transport."""
    apps: dict[str, Any] = {"wsgi": before.create_app, "asgi": after.create_app}
    name = request.param
    async with client(urls[name] if name in urls else apps[name]()) as made:
        yield made


async def body(http: Client, step: Step) -> str:
    (played,) = await play(Case("one", step), http)
    return played.answer.text


async def test_bodies(http: Client) -> None:
    """Bytes, chunks, JSON and forms arrive as they are written."""
    assert await body(http, Step("/echo", body=b"bytes", method="POST")) == "bytes"
    assert await body(http, Step("/echo", body=(b"in ", b"chunks"), method="POST")) == "in chunks"
    assert await body(http, Step("/echo", json={"a": "ü"}, method="POST")) == '{"a": "\\u00fc"}'
    form = Step("/form", method="POST", form={"a": ["1", "2"], "b": "ü &"})
    assert await body(http, form) == '{"files":{},"form":{"a":["1","2"],"b":["\\u00fc &"]}}\n'


async def test_files(http: Client) -> None:
    """A file with its name, and the empty name that a browser sends for no file."""
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
async def test_paths(http: Client, path: str, rest: str) -> None:
    """A path is sent as it is written: nothing is resolved on the way."""
    assert await body(http, Step(path)) == f'{{"query":"","rest":"{rest}"}}\n'


async def test_query(http: Client) -> None:
    step = Step("/path/x?a=1", query={"b": "2 3"})
    assert await body(http, step) == '{"query":"a=1&b=2+3","rest":"x"}\n'


async def test_session(http: Client) -> None:
    """The steps of a case share cookies, two cases do not."""
    case = Case("twice", Step("/count"), Step("/count"))
    for _ in range(2):
        first, second = await play(case, http)
        assert first.answer.text.startswith("1 ")
        assert second.answer.text.startswith("2 ")


async def test_broken_off(http: Client) -> None:
    """A body that ends early is no complete answer, and what came of it is there."""
    (played,) = await play(Case("broken", Step("/broken")), http)
    assert (played.answer.status, played.answer.text) == (200, "half")
    assert not played.answer.complete


async def test_failing_view(http: Client) -> None:
    (played,) = await play(Case("raises", Step("/raises")), http)
    assert (played.answer.status, played.answer.complete) == (500, True)


async def test_capture_and_until(http: Client) -> None:
    """A value is taken from an answer, filled into the next request and named in its answer."""
    case = Case(
        "wait",
        Step("/count", until=r"^3 ", capture={"count": r"^(\d+) "}),
        Step("/path/{count}", compare="json"),
    )
    first, second = await play(case, http)
    assert first.answer.text.startswith("3 ")
    assert second.answer.text == '{"query":"","rest":"3"}\n'
    assert '"rest": "{count}"' in second.aspects["body"]


async def test_until_gives_up(http: Client) -> None:
    (played,) = await play(Case("never", Step("/", until="never", patience=0.1)), http)
    assert "Hello" in played.answer.text


async def test_lifespan() -> None:
    """An ASGI application is started before the first request and shut down after the last."""
    app = after.create_app()
    async with client(app) as http:
        assert app.config["SEEN_LIFESPAN"] == ["started"]
        assert (await http.get("/")).status_code == 200
    assert app.config["SEEN_LIFESPAN"] == ["started", "stopped"]


def raising_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    raise RuntimeError("on purpose")


async def raising_asgi(scope: Any, receive: Any, send: Any) -> None:
    raise RuntimeError("on purpose")


@pytest.mark.parametrize("app", [raising_wsgi, raising_asgi])
async def test_failing_application(app: Any) -> None:
    """What a server would answer for it, and what was raised."""
    async with client(app) as http:
        (played,) = await play(Case("raises", Step()), http)
    assert (played.answer.status, played.answer.body, played.answer.complete) == (500, b"", True)
    assert played.answer.error == "RuntimeError: on purpose"


async def test_nobody_there() -> None:
    """A server that can't be reached is no answer."""
    async with client(f"http://127.0.0.1:{free_port()}") as http:
        with pytest.raises(NoAnswerError, match="no answer to GET .*ConnectError"):
            await play(Case("index", Step()), http)


async def test_broken_off_before_an_answer() -> None:
    """A server that hangs up has answered, in a way."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"http://127.0.0.1:{port}") as http:
        (played,) = await play(Case("index", Step()), http)
    assert (played.answer.status, played.answer.complete) == (0, False)
