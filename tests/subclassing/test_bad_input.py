"""Large and malicious bodies: a clear answer, and other requests are served meanwhile."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import flask
import pytest
from quart import Quart, Response, jsonify, request, websocket
from quart.utils import run_sync

from quartpatterns._shared import sliced_json
from quartpatterns.subclassing import FaithfulQuart, forms

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def app() -> FaithfulQuart:
    app = FaithfulQuart(__name__)

    @app.post("/form")
    async def form() -> Any:
        return [[name, value] for name, value in (await request.form).items(multi=True)]

    @app.post("/count")
    async def count() -> str:
        return str(sum(1 for _ in (await request.form).items(multi=True)))

    @app.post("/json")
    async def parsed() -> str:
        return repr(await request.get_json())[:80]

    @app.websocket("/socket")
    async def socket() -> None:
        try:
            received = await websocket.receive_json()
        except ValueError as error:
            received = str(error)
        await websocket.send_json(received)

    return app


def original() -> flask.Flask:
    app = flask.Flask(__name__)

    @app.post("/form")
    def form() -> Any:
        return [[name, value] for name, value in flask.request.form.items(multi=True)]

    return app


BODIES = [
    b"a=1&" * 20_000 + b"b=",
    b"&&a&&=&=b&&" * 3_000,
    b"&" * 30_000,
    b"a=" + b"x" * 100_000 + b"&b=2",
    b"a=1&b=2&" + b"c=" + b"%C3%A9+" * 10_000 + b"&d=4&e",
    b"c=" + b"%E2%82%AC" * 10_000,
    b"c=" + "é".encode() * 50_000 + b"%C3" + "é".encode() + b"%A4",
    b"c=" + b"%FF%C3" * 20_000,
    b"c=" + b"%%4" * 20_000 + b"%",
    b"x" * 100_000,
    b"%61" * 40_000 + b"=" + b"=%3D&" + b"a=1&" * 3000,
    b"c=\xff" + b"x" * 100_000,
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:12].decode("latin-1"))
async def test_large_forms(app: FaithfulQuart, body: bytes) -> None:
    """The fields are those of Flask."""
    client = original().test_client()
    expected = await run_sync(
        lambda: client.post("/form", data=body, content_type=FORM).get_data()
    )()
    response = await app.test_client().post("/form", data=body, headers={"Content-Type": FORM})
    assert json.loads(await response.get_data()) == json.loads(expected)


async def test_many_fields_of_one_name(app: FaithfulQuart) -> None:
    """There is no limit on values, and other tasks run."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    for body in (b"a=1&" * 500_000, b"a=" + b"%41" * 600_000):
        ticks = 0
        response = await app.test_client().post("/count", data=body, headers={"Content-Type": FORM})
        assert response.status_code == 200
        assert ticks > 10
    ticking.cancel()


async def test_many_names(app: FaithfulQuart, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form with more than ``MAX_NAMES`` names is answered 413."""
    monkeypatch.setattr(forms, "MAX_NAMES", 5_000)
    for count, status in ((5_000, 200), (5_001, 413)):
        body = urlencode({f"name{number}": "1" for number in range(count)}).encode()
        assert len(parse_qsl(body)) == count
        response = await app.test_client().post("/form", data=body, headers={"Content-Type": FORM})
        assert response.status_code == status


async def test_many_parts(app: FaithfulQuart) -> None:
    """A multipart form with MAX_FORM_PARTS=None lets other tasks run."""
    app.config["MAX_FORM_PARTS"] = None
    part = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0)
            ticks += 1

    ticking = asyncio.create_task(tick())
    body = part * 3_000 + b"--b--\r\n"
    response = await app.test_client().post("/count", data=body, headers=headers)
    ticking.cancel()
    assert await response.get_data(as_text=True) == "3000"
    assert ticks > 25


JSON = {
    "nested arrays": (b"[" * 1_000 + b"]" * 1_000, 400),
    "nested objects": (b'{"a":' * 1_000 + b"1" + b"}" * 1_000, 400),
    "nested and large": (b"[" * 100_000, 400),
    "invalid and large": (b"[" + b"1," * 100_000 + b"]", 400),
    "large": (b"[" + b"1," * 100_000 + b"1]", 200),
    "invalid UTF-8": (b'["' + b"\xff" * 100_000 + b'"]', 400),
}


@pytest.mark.parametrize("name", JSON)
async def test_json(app: FaithfulQuart, name: str) -> None:
    """Each document is answered with its status."""
    body, status = JSON[name]
    headers = {"Content-Type": "application/json"}
    response = await app.test_client().post("/json", data=body, headers=headers)
    assert response.status_code == status


async def test_json_with_many_containers(
    app: FaithfulQuart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON with more than ``MAX_CONTAINERS`` arrays and objects is answered 413."""
    monkeypatch.setattr(sliced_json, "MAX_CONTAINERS", 50_000)
    headers = {"Content-Type": "application/json"}
    for count, status in ((49_999, 200), (50_000, 413)):
        body = b"[" + b"[]," * count + b"1]"
        response = await app.test_client().post("/json", data=body, headers=headers)
        assert response.status_code == status


async def test_websocket(app: Quart) -> None:
    """Long messages are parsed in time slices too, and nesting is an ordinary error."""
    for message, expected in (
        ("[" + "1," * 100_000 + "1]", [1] * 100_001),
        ("[" * 1_000 + "]" * 1_000, "arrays and objects are nested too deep"),
    ):
        async with app.test_client().websocket("/socket") as socket:
            await socket.send(message)
            assert await socket.receive_json() == expected


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")], ids=["arrays", "objects"])
async def test_nesting(app: FaithfulQuart, brackets: tuple[bytes, bytes]) -> None:
    """JSON of any depth is sent back or answered 400, and never a server error."""

    @app.post("/sent-back")
    async def send_back() -> Response:
        return jsonify(await request.get_json())

    app.testing = False
    client, headers = app.test_client(), {"Content-Type": "application/json"}
    left, right = brackets
    statuses = []
    for depth in (*range(800, 1000, 5), 980, 10_000, 100_000):
        body = left * depth + b"1" + right * depth
        response = await client.post("/sent-back", data=body, headers=headers)
        statuses.append(response.status_code)
    assert set(statuses) == {200, 400}
