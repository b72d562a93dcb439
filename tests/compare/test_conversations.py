"""Websockets and streams as steps, in process and on real servers."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from quartpatterns.compare import Case, Close, Difference, Receive, Send, Step
from quartpatterns.compare.case import Comparison
from quartpatterns.compare.parity import ParityResult, compare_applications, run_comparison
from quartpatterns.compare.processes import free_port
from quartpatterns.compare.responses import StepResult
from quartpatterns.compare.run_case import ServerUnreachableError, run_case
from quartpatterns.compare.servers import ASGIServer, serve
from quartpatterns.compare.transports import ComparisonClient, client
from tests.compare.talking_apps import create_flask, create_quart

APPS = "tests.compare.talking_apps"
SAY = functools.partial(Step, "/say", method="POST")
FEED = Step(
    "/feed",
    stream=[
        Receive(until="ready\n"),
        SAY(form={"text": "hello"}),
        Receive(until="hello\n"),
        SAY(form={"text": "end"}),
        Receive(),
    ],
)


SERVERS: tuple[ASGIServer, ...] = ("hypercorn", "uvicorn", "granian")
TRANSPORTS = ["in process", *(pytest.param(name, marks=pytest.mark.wire) for name in SERVERS)]
# Granian 2.8 sends no close frame for a Quart application, which always waits for a message.
CLOSING = pytest.mark.parametrize("http", TRANSPORTS[:-1], indirect=True)


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The port behind each server of ASGI."""
    folder = tmp_path_factory.mktemp("servers")
    with contextlib.ExitStack() as stack:
        yield {
            server: stack.enter_context(serve(f"{APPS}:create_quart", server, folder=folder)).url
            for server in SERVERS
        }


@pytest.fixture(params=TRANSPORTS)
async def http(
    request: pytest.FixtureRequest, urls: dict[str, str]
) -> AsyncIterator[ComparisonClient]:
    """A client for the port on each transport."""
    name = request.param
    app = create_quart() if name == "in process" else urls[name]
    async with client(app) as http:
        yield http


async def perform(http: ComparisonClient, step: Step) -> StepResult:
    (result,) = await run_case(Case("one", step), http)
    return result


async def lines(http: ComparisonClient, path: str, *parts: Send | Receive | Close) -> list[str]:
    result = await perform(http, Step(path, websocket=parts))
    assert not result.errors
    assert result.response.status == 101
    return result.response.text.splitlines()


async def test_websocket(http: ComparisonClient) -> None:
    """Text and bytes are sent and received in order."""
    parts = Send("hello"), Receive(), Send(b"\x00\xff"), Receive(), Close()
    assert await lines(http, "/echo", *parts) == [
        "> 'hello'",
        "< 'hello'",
        "> b'\\x00\\xff'",
        "< b'\\x00\\xff'",
        "> close 1000",
    ]


async def test_websocket_until(http: ComparisonClient) -> None:
    """Messages are received up to the one that matches."""
    parts = Receive(until="number 2"), Receive(), Close()
    expected = [*(f"< 'number {number}'" for number in range(4)), "> close 1000"]
    assert await lines(http, "/numbers", *parts) == expected


@CLOSING
async def test_closed_by_the_application(http: ComparisonClient) -> None:
    """Without a Close, the code of the application is awaited and compared."""
    assert await lines(http, "/echo", Send("bye")) == ["> 'bye'", "< close 1000"]
    assert await lines(http, "/echo", Send("leave")) == ["> 'leave'", "< close 4000 left"]


@CLOSING
async def test_failing_websocket(http: ComparisonClient) -> None:
    """Quart closes the websocket of a view that fails."""
    assert (await lines(http, "/echo", Send("fail")))[-1] == "< close 1000"


async def test_failing_application() -> None:
    """As with a server, an application that fails has closed with 1011."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "websocket"
        await receive()
        if scope["path"] == "/accepted":
            await send({"type": "websocket.accept"})
        raise RuntimeError("on purpose")

    async with client(app) as http:
        for path, status in (("/accepted", 101), ("/", 500)):
            response = (await perform(http, Step(path, websocket=[]))).response
            assert (response.status, response.error) == (status, "RuntimeError: on purpose")
            assert response.text == ("< close 1011\n" if status == 101 else "")


@CLOSING
async def test_handshake(http: ComparisonClient) -> None:
    """Subprotocols, cookies and headers of the handshake are those of a request."""
    step = Step(
        "/chat",
        headers={"Sec-WebSocket-Protocol": "text, chat", "Cookie": "a=b"},
        websocket=[Receive(), Receive()],
    )
    result = await perform(http, step)
    assert result.response.text.splitlines() == [
        "< 'text,chat'",
        "< \"{'a': 'b'}\"",
        "< close 1000",
    ]
    headers = {key: value for key, value in result.aspects.items() if key.startswith("header:")}
    assert headers == {
        "header:sec-websocket-protocol": "chat",
        "header:set-cookie": "visited=1; Path=/",
        "header:x-chat": "1",
    }


@CLOSING
async def test_cookies_of_a_session(http: ComparisonClient) -> None:
    """A cookie of a handshake is sent with the next step."""
    protocols = {"Sec-WebSocket-Protocol": "chat"}
    step = Step("/chat", headers=protocols, websocket=[Receive(), Receive()])
    first, second = await run_case(Case("twice", step, step), http)
    assert "< '{}'" in first.response.text
    assert "{'visited': '1'}" in second.response.text


async def test_refused_websocket(http: ComparisonClient) -> None:
    """A refused handshake is a response."""
    response = (await perform(http, Step("/private", websocket=[Close()]))).response
    assert response.status in (401, 403)  # not every server can send the response
    assert (await perform(http, Step("/none", websocket=[Close()]))).response.status in (404, 403)


async def test_silent_websocket(http: ComparisonClient) -> None:
    """A message that never comes is an error, and not a hang."""
    result = await perform(http, Step("/echo", websocket=[Receive()], timeout=0.2))
    assert result.errors == {"receive:0": "a message did not arrive in 0.2 s"}
    result = await perform(
        http, Step("/numbers", websocket=[Receive(until="number 9"), Close()], timeout=0.2)
    )
    assert result.errors == {"receive:0": "/number 9/ did not arrive in 0.2 s"}
    result = await perform(http, Step("/numbers", websocket=[], timeout=0.2))
    assert result.errors == {"receive:0": "the application did not close the websocket in 0.2 s"}


@CLOSING
async def test_closed_too_early(http: ComparisonClient) -> None:
    result = await perform(http, Step("/echo", websocket=[Send("bye"), Receive(), Close()]))
    missing = "a message did not arrive before the application closed the websocket"
    assert result.errors == {"receive:1": missing}
    assert result.response.text.endswith("< close 1000\n")


async def test_captured_in_a_message(http: ComparisonClient) -> None:
    """A captured value is filled into a message."""
    say = Step("/say", method="POST", form={"text": "7"}, capture={"text": "heard (.)"})
    echo = Step(
        "/echo",
        websocket=[Send("id {text}"), Receive(), Close()],
        mask={"text": ["< 'id (.)'"]},
    )
    _, result = await run_case(Case("one", say, echo), http)
    assert result.response.text == "> 'id {text}'\n< 'id 7'\n> close 1000\n"
    assert "< 'id {text}'" in result.aspects["body"]


async def test_stream(http: ComparisonClient) -> None:
    """A request is sent while the stream is open, and what it causes is received."""
    result = await perform(http, FEED)
    assert not result.errors
    text = result.response.text
    assert [line for line in text.splitlines() if line.startswith(("<", ">"))] == [
        "< ready",
        "> POST /say",
        "< said: hello",
        "> POST /say",
        "< over",
    ]
    assert "status: 202\n" in text
    assert "body: 1 heard hello\n" in text
    assert result.aspects["complete"] is True


async def test_closed_stream(http: ComparisonClient) -> None:
    """The client can close a stream that has no end."""
    step = Step("/feed", stream=[Receive(until="ready\n"), Close()])
    result = await perform(http, step)
    assert (result.response.text, result.response.complete) == ("< ready\n\n> close\n", True)


async def test_silent_stream(http: ComparisonClient) -> None:
    """A text that never comes is an error, and what has come is shown."""
    result = await perform(http, Step("/feed", stream=[Receive(until="done")], timeout=0.3))
    assert result.errors == {"receive:0": "/done/ did not arrive in 0.3 s"}
    assert result.response.text == "< ready\n\n"
    result = await perform(http, Step("/half", stream=[Receive(until="four")]))
    assert result.errors == {"receive:0": "/four/ did not arrive before the end"}


async def compare(original: Any, port: Any, *cases: Case) -> list[ParityResult]:
    return [result async for result in compare_applications(original, port, cases)]


async def test_equal_streams() -> None:
    """How a body is cut into chunks is not compared."""
    half = Step("/half", stream=[Receive(until="ü"), Receive()])
    results = await compare(create_flask(), create_quart(), Case("feed", FEED), Case("half", half))
    assert all(result.passed for result in results), results


@pytest.mark.parametrize("config", [{"LATE": True}, {"DEAF": True}])
async def test_stream_in_another_order(config: dict[str, Any]) -> None:
    """A port that sends its first line too late, or what was said not at all, is noticed."""
    step = Step(FEED.path, stream=FEED.stream, timeout=0.5)
    (result,) = await compare(create_flask(), create_quart(config), Case("feed", step))
    assert not result.passed
    assert {finding.state for finding in result.findings} == {"undeclared", "error"}


async def test_websocket_of_an_original_without_websockets() -> None:
    """WSGI has none: the original answers the handshake like any request."""
    step = Step("/echo", websocket=[Send("hello"), Receive(), Close()])
    reason = "WSGI has no websockets"
    differs = [
        Difference("status", 404, 101, reason),
        Difference("header:content-type", "text/html; charset=utf-8", None, reason),
        Difference("header:content-length", "207", None, reason),
        Difference(
            "body", re.compile("(?s).*Not Found.*"), "> 'hello'\n< 'hello'\n> close 1000\n", reason
        ),
    ]
    case = Case("echo", step, differs=differs)
    (result,) = await compare(create_flask(), create_quart(), case)
    assert result.passed, result.findings
    (result,) = await compare(create_flask(), create_quart({"ECHO": "x"}), case)
    assert [finding.aspect for finding in result.findings if finding.state == "undeclared"] == [
        "body"
    ]


async def test_websockets_of_two_ports() -> None:
    """Received messages and their number are compared."""
    step = Step("/numbers", websocket=[Receive(until="number 3"), Close()])
    (result,) = await compare(create_quart(), create_quart(), Case("numbers", step))
    assert result.passed
    step = Step("/numbers", websocket=[Receive(until="number 3"), Close()], timeout=0.2)
    (result,) = await compare(create_quart(), create_quart({"NUMBERS": 3}), Case("numbers", step))
    assert not result.passed


@pytest.mark.wire
@pytest.mark.slow
async def test_on_the_wire() -> None:
    """The feed of Flask on gunicorn has a thread for each request."""
    cases = [
        Case("feed", FEED),
        Case("closed", Step("/feed", stream=[Receive("ready\n"), Close()])),
    ]
    comparison = Comparison("feed", f"{APPS}:create_flask", f"{APPS}:create_quart", cases)
    results = [result async for result in run_comparison(comparison, "on the wire")]
    assert all(result.passed for result in results), results


async def test_unreachable_server() -> None:
    async with client(f"http://127.0.0.1:{free_port()}") as http:
        with pytest.raises(ServerUnreachableError, match="no response to GET .*"):
            await perform(http, Step("/echo", websocket=[Close()]))
        with pytest.raises(ServerUnreachableError, match="no response to GET .*"):
            await perform(http, Step("/feed", stream=[Close()]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"websocket": [], "stream": []}, "a websocket or a stream", id="both"),
        pytest.param({"stream": [], "until": "x"}, "leave out compare and until", id="until"),
        pytest.param({"stream": [], "compare": "json"}, "leave out compare", id="compare"),
        pytest.param({"stream": [Close(), Receive()]}, "Close is the last part", id="close"),
        pytest.param({"stream": [Step(stream=[])]}, "can't have stream or", id="nested"),
        pytest.param({"stream": [Send("x")]}, "a stream has Receive, Step and Close", id="send"),
        pytest.param({"websocket": [Step()]}, "has the parts Send, Receive and", id="step"),
        pytest.param({"websocket": [], "method": "POST"}, "opened with GET", id="method"),
        pytest.param({"websocket": [], "json": {}}, "opened without a body", id="json"),
        pytest.param({"websocket": [], "form": {}}, "opened without a body", id="form"),
        pytest.param(
            {"stream": [Step(expected={"status": 200, "body": ""})]},
            "can't have stream or expected",
            id="expected",
        ),
    ],
)
def test_invalid_conversations(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Step(**options)


def test_invalid_pattern() -> None:
    with pytest.raises(ValueError, match="is no regular expression"):
        Receive(until="(")
