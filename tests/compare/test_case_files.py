from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from quart import Quart

from quartpatterns.compare import Capture, Close, Receive, Send, Step
from quartpatterns.compare.case_files import read_cases
from quartpatterns.compare.explore import cases_from_rules
from quartpatterns.compare.files import CaseFileError

GOOD = """
[[case]]
path = "/"

[[case]]
name = "log in"
checks = ["A-1"]
[[case.step]]
path = "/login"
method = "POST"
form = { name = "a", tags = ["x", "y"] }
[[case.step]]
path = "/upload"
method = "PUT"
body = ["in ", "chunks"]
headers = { X-Own = "1" }
ignore_headers = ["ETag"]
[[case.differs]]
aspect = "header:vary"
port = "Cookie"
reason = "closed"
step = 1
"""


def test_toml(tmp_path: Path) -> None:
    """Steps and differences are read from TOML."""
    file = tmp_path / "requests.toml"
    file.write_text(GOOD, encoding="utf-8-sig")
    first, second = read_cases(file)
    assert (first.name, first.steps) == ("GET /", (Step("/"),))
    assert second.steps[0] == Step("/login", method="POST", form={"name": "a", "tags": ["x", "y"]})
    assert second.steps[1].body == (b"in ", b"chunks")
    assert second.steps[1].ignore_headers == ("etag",)
    assert (second.differs[0].original, second.differs[0].port) == (None, "Cookie")


VALUES = """
[[case]]
name = "a new user"
[[case.step]]
path = "/users"
method = "POST"
capture = { id = '"id": (.)', etag = { pattern = '"(.*)"', place = "header:etag" } }
mask = { id = ["/users/(.)", { pattern = "/users/(.)", place = "header:location" }] }
[[case.step]]
path = "/users/{id}"
compare = "ignore"
reason = "an image"
[[case.differs]]
aspect = "status"
original = 200
port = 201
reason = "a new resource"
kind = "http"

[[case]]
path = "/own"
expected = { status = 200, body = "x", "header:vary" = "Cookie" }
"""


def test_values_in_toml(tmp_path: Path) -> None:
    """Captures, masks, reasons, kinds and extras are read from TOML."""
    file = tmp_path / "requests.toml"
    file.write_text(VALUES)
    user, extra = read_cases(file)
    location = Capture("/users/(.)", place="header:location")
    assert user.steps[0] == Step(
        "/users",
        method="POST",
        capture={"id": Capture('"id": (.)'), "etag": Capture('"(.*)"', place="header:etag")},
        mask={"id": [Capture("/users/(.)"), location]},
    )
    assert user.steps[1].reason == "an image"
    assert user.differs[0].kind == "http"
    assert extra.extra
    assert extra.steps[0].expected == {"status": 200, "body": "x", "header:vary": "Cookie"}


CONVERSATIONS = """
[[case]]
path = "/echo"
websocket = [{ send = "hello" }, { receive = true }, { receive = "end" }, { close = 4000 }]

[[case]]
path = "/feed"
timeout = 5
[[case.stream]]
receive = "ready"
[[case.stream]]
step = { path = "/say", method = "POST", body = "x" }
[[case.stream]]
close = true
"""


def test_conversations_in_toml(tmp_path: Path) -> None:
    """Websockets and streams are read from TOML."""
    file = tmp_path / "requests.toml"
    file.write_text(CONVERSATIONS)
    websocket, stream = (case.steps[0] for case in read_cases(file))
    assert websocket.websocket == [Send("hello"), Receive(), Receive(until="end"), Close(4000)]
    say = Step("/say", method="POST", body=b"x")
    assert stream.stream == [Receive(until="ready"), say, Close()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("[[case]\n", ":1: expected TOML", id="syntax"),
        pytest.param("[[case]]\npath = 1\n", r":1: Expected `str`, got `int`", id="type"),
        pytest.param("[[case]]\n\n[[case]]\npth = '/'\n", ":3: .*unknown field `pth`", id="key"),
        pytest.param("[[case]]\npath = 'x'\n", ":1: path must start with /", id="path"),
        pytest.param("[[case]]\ncompare = 'xml'\n", ":1: Invalid enum value 'xml'", id="compare"),
        pytest.param(
            "[[case]]\nform = {}\nbody = ''\n", ":1: a step can have only one body", id="bodies"
        ),
        pytest.param(
            "[[case]]\n[[case.differs]]\naspect = 'status'\n", ":1: .*`reason`", id="reason"
        ),
        pytest.param("[[case]]\ncapture = { id = 'x' }\n", ":1: 'x' has 0 groups", id="capture"),
        pytest.param(
            "[[case]]\ncapture = { id = { place = 'body' } }\n",
            r":1: .*`pattern` - at `\$.case\[0\].capture\[...\]`",
            id="pattern",
        ),
        pytest.param(
            "[[case]]\nmask = { id = ['(x)'] }\n", ":1: .*masks 'id', not captured yet", id="mask"
        ),
        pytest.param(
            "[[case]]\nexpected = { status = 200 }\n", ":1: expected has no body", id="expected"
        ),
        pytest.param(
            "[[case]]\nwebsocket = [{ send = 'x', close = true }]\n",
            ":1: a part of a websocket or stream has one key",
            id="two keys",
        ),
        pytest.param("[[case]]\nstream = [{ recv = 'x' }]\n", ":1: .*field `recv`", id="part"),
        pytest.param("[[case]]\nstream = [{ send = 'x' }]\n", ":1: .*a stream has", id="stream"),
        pytest.param(
            "case = [\n{ path = 'x' }]\n", ": path must start with /", id="no table of its own"
        ),
        pytest.param("cases = []\n", ": .*unknown field `cases`", id="no case"),
        pytest.param("", ": .*missing required field `case`", id="empty"),
    ],
)
def test_malformed_toml(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file, the line and what is wrong."""
    file = tmp_path / "requests.toml"
    file.write_text(text)
    with pytest.raises(CaseFileError, match=f"requests.toml{message}"):
        read_cases(file)


def har(*requests: object) -> str:
    return json.dumps({"log": {"entries": [{"request": one} for one in requests]}}, indent=1)


GET = {
    "method": "GET",
    "url": "https://shop.example/a?b=1",
    "headers": [{"name": "Cookie", "value": "x"}, {"name": ":path", "value": "/a"}]
    + [{"name": "Accept", "value": "text/html"}],
}


def test_har(tmp_path: Path) -> None:
    """A recording is one session, without the headers of the browser's connection."""
    file = tmp_path / "recorded.HAR"
    post = {"method": "POST", "url": "https://shop.example", "headers": []}
    file.write_text(har(GET, post | {"postData": {"mimeType": "text/plain", "text": "hello"}}))
    (case,) = read_cases(file)
    assert case.steps == (
        Step("/a?b=1", headers=[("Accept", "text/html")]),
        Step("/", method="POST", headers=[("Content-Type", "text/plain")], body=b"hello"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('{\n"log": }', ":2: expected JSON", id="syntax"),
        pytest.param('{"log"', ":1: expected JSON", id="cut"),
        pytest.param("{}", ": .*`log`", id="no log"),
        pytest.param(har(), ": expected at least one request", id="no entry"),
        pytest.param(har(GET, {"url": "x"}), r":2\d: .*`method`", id="no method"),
    ],
)
def test_malformed_har(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "recorded.har"
    file.write_text(text)
    with pytest.raises(CaseFileError, match=f"recorded.har{message}"):
        read_cases(file)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="No such file"):
        read_cases(tmp_path / "none.toml")


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "latin.toml"
    file.write_bytes(b"[[case]]\npath = '/\xfc'\n")
    with pytest.raises(CaseFileError, match="expected UTF-8"):
        read_cases(file)


def test_rules() -> None:
    """Each GET rule of either application is a case, except rules with arguments."""
    flask_app, quart_app = Flask(__name__), Quart(__name__)
    flask_app.add_url_rule("/only-flask", view_func=lambda: "")
    flask_app.add_url_rule("/both", endpoint="both", view_func=lambda: "")
    flask_app.add_url_rule("/post", endpoint="post", methods=["POST"], view_func=lambda: "")
    flask_app.add_url_rule("/user/<name>", endpoint="user", view_func=lambda name: "")
    flask_app.add_url_rule("/built", endpoint="built", build_only=True)

    @quart_app.get("/both")
    async def both() -> str:
        return ""

    @quart_app.get("/only-quart")
    async def only_quart() -> str:
        return ""

    @quart_app.websocket("/ws")
    async def ws() -> None: ...

    names = [case.name for case in cases_from_rules(flask_app, quart_app)]
    assert names == ["GET /both", "GET /only-flask", "GET /only-quart"]


def test_no_url_map() -> None:
    def bare(environ: Any, start_response: Any) -> list[bytes]:
        return []

    with pytest.raises(LookupError, match="has no url_map: use --requests"):
        cases_from_rules(bare)


def test_no_rule() -> None:
    with pytest.raises(LookupError, match="no GET rule without arguments"):
        cases_from_rules(Flask("x", static_folder=None))
