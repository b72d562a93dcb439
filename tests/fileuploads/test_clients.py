"""Forms as browsers and HTTP clients send them: the parts are those that Flask reads.

``client_bodies.json`` has bodies that were captured from the clients named there: browsers, and
HTTP clients of Go, Java, JavaScript, .NET, Perl, PHP, Python, Ruby and Rust. A few were written by
hand, after RFC 2046, RFC 7578 and what is known of clients that do not run on Linux. ``names`` has
the names to be read, and ``error`` the reason of a 400.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask import request as flask_request
from quart import Quart, request
from werkzeug.http import parse_options_header

from quartpatterns.subclassing import FaithfulQuart
from tests.fileuploads.multipart_bodies import echo_app, form, post

BODIES = json.loads(Path(__file__).with_name("client_bodies.json").read_text())
# The folders of a path of Windows stay in the name in Flask.
WITH_PATH = {"Internet Explorer"}
BROKEN = {"curl --form-escape 7.88.1": "a line break in a header"}


def by_flask(row: dict[str, Any]) -> list[list[Any]]:
    """The fields and then the files that Flask reads."""
    app = Flask(__name__)

    @app.post("/")
    def echo() -> Any:
        fields = [[*item, None] for item in flask_request.form.items(multi=True)]
        files = [
            [name, file.filename, file.mimetype, file.read().decode("latin1")]
            for name, file in flask_request.files.items(multi=True)
        ]
        return [[name, None, None, value] for name, value, _ in fields] + files

    body = row["body"].encode("latin1")
    response = app.test_client().post("/", data=body, content_type=row["content_type"])
    found: list[list[Any]] = response.get_json()
    return found


async def by_form(row: dict[str, Any]) -> list[list[Any]]:
    """The same with ``await request.form`` and ``await request.files`` of a FaithfulQuart."""
    app = FaithfulQuart(__name__)

    @app.post("/")
    async def echo() -> Any:
        fields = [[name, None, None, value] for name, value in (await request.form).items(True)]
        return fields + [
            [name, file.filename, file.mimetype, file.read().decode("latin1")]
            for name, file in (await request.files).items(True)
        ]

    body = row["body"].encode("latin1")
    found: list[list[Any]] = await (
        await post(app.test_client(), body, kind=row["content_type"])
    ).get_json()
    return found


@pytest.mark.checks("UP-11")
@pytest.mark.parametrize("row", BODIES, ids=lambda row: row["client"])
async def test_clients(row: dict[str, Any]) -> None:
    """The streamed parts, and the form of a FaithfulQuart, are those of Flask."""
    client = echo_app(FaithfulQuart).test_client()
    response = await post(client, row["body"].encode("latin1"), kind=row["content_type"])
    if row["client"] in BROKEN and response.status_code == 400:
        assert "newline" in await response.get_data(as_text=True)
        return
    if "error" in row:
        assert response.status_code == 400
        assert row["error"] in await response.get_data(as_text=True)
        return
    assert response.status_code == 200, await response.get_data(as_text=True)
    parts = await response.get_json()
    if names := row.get("names"):
        assert [part[:2] for part in parts] == names
    for part in parts:
        if part[1] is None:  # The types of fields are not those of files.
            part[2], part[3] = None, part[3].encode("latin1").decode(errors="replace")
        elif part[2] is None:
            part[2] = ""
    ordered = sorted(parts, key=lambda part: part[1] is not None)
    expected = by_flask(row)
    assert await by_form(row) == expected
    if row["client"] not in WITH_PATH:
        assert _as_in_flask(ordered) == _as_in_flask(expected)


def _as_in_flask(parts: list[list[Any]]) -> list[list[Any]]:
    """Flask drops backslashes in names, and keeps the line breaks that browsers encode."""

    def shown(name: str | None) -> str | None:
        return name and name.replace("\\", "").replace("\r", "%0D").replace("\n", "%0A")

    return [[shown(name), shown(filename), *rest] for name, filename, *rest in parts]


SENT = ("a.txt", "ä €.txt", 'q"uote.txt', "back\\slash.txt", "semi;colon.txt")


@pytest.mark.parametrize("client", ["Chromium", "requests", "httpx", "curl 7", "Node", "urllib3"])
async def test_captured_names(client: str) -> None:
    """The names arrive as the client was told to send them."""
    rows = [row for row in BODIES if row["client"].startswith(client)]
    app = echo_app(FaithfulQuart)
    found: list[str] = []
    for row in rows[: len(SENT)]:
        body = row["body"].encode("latin1")
        response = await post(app.test_client(), body, kind=row["content_type"])
        found.append((await response.get_json())[1][1])
    assert found == list(SENT)


ESCAPING = ("Go", "Apache HttpClient 4", "Apache HttpClient 5.2.1 STRICT", "Ruby", "Perl", "Rust")


@pytest.mark.parametrize(
    "client",
    [*ESCAPING, "Firefox", "WebKitGTK", "OkHttp", ".NET Core", "PHP", "form-data", "axios"],
)
async def test_backslashes(client: str) -> None:
    """Some clients escape backslashes, others don't: the name is the same."""
    rows = [row for row in BODIES if row["client"].startswith(client)]
    [row, *_] = [row for row in rows if row["client"].endswith(": backslash")] or [
        row for row in rows if row["client"].endswith("form backslash")
    ]
    assert (b"\\\\" in row["body"].encode("latin1")) is (client in ESCAPING)
    body = row["body"].encode("latin1")
    response = await post(echo_app(FaithfulQuart).test_client(), body, kind=row["content_type"])
    names = [part[1] for part in await response.get_json() if part[1] is not None]
    assert names == ["back\\slash.txt"]


@pytest.mark.parametrize(
    ("parameters", "name", "filename"),
    [
        ("name=a; filename=b; filename*=utf-8''%C3%A4", "a", "ä"),
        ("name=a; filename*=UTF-8'en'%C3%A4", "a", "ä"),
        ("name*=utf-8''%C3%A4; filename=b", "ä", "b"),
        ("name=a; name*=iso-8859-1''%E4", "ä", None),
        ("name=a; FILENAME*=utf-8''b%20c", "a", "b c"),
        ("name=a; filename*0=b; filename*1*=utf-8''%20c", "a", "b c"),
        ('name="a*"; filename="b*.txt"', "a*", "b*.txt"),
        ('name="a"; filename="b; filename*=c"', "a", "b; filename*=c"),
        ("name=a; filename*=", "a", None),
        ("name=a; filename=b; filename*=%%%", "a", "%%%"),
        ("name=a; filename*=latin-9''b%A4", "a", "b%A4"),
    ],
)
async def test_encoded_names(parameters: str, name: str, filename: str | None) -> None:
    """What RFC 2231 describes, well-formed or not, gives the names that Flask has."""
    body = form(f"Content-Disposition: form-data; {parameters}\r\n\r\nx".encode())
    response = await post(echo_app(FaithfulQuart).test_client(), body)
    assert [part[:2] for part in await response.get_json()] == [[name, filename]]
    options = parse_options_header(f"form-data; {parameters}")[1]
    assert (options.get("name"), options.get("filename")) == (name, filename)


async def test_later_blanks(app_class: type[Quart]) -> None:
    """Blanks after a later boundary only are an error with a reason, and not lost content."""
    body = form(b'Content-Disposition: form-data; name="a"\r\n\r\nx')
    body = body.replace(b"--\r\n", b" \r\n")
    response = await post(echo_app(app_class).test_client(), body)
    assert response.status_code == 400
    assert "after boundary" in await response.get_data(as_text=True)
