"""HAR files: recordings of browsers and of a proxy, and what the format allows."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from quartpatterns.compare import Step
from quartpatterns.compare.files import CaseFileError
from quartpatterns.compare.har import Recording, read_har
from quartpatterns.compare.parity import compare_applications
from tests.compare.recordings.site import create_app

RECORDINGS = Path(__file__).with_name("recordings")
BEFORE = {"before": "recording"}
COOKIES = {"before": "recording", "script": "yes", "server": "yes"}
UPLOAD = {
    "method": "POST",
    "path": "/upload",
    "form": [("title", "a picture, ü")],
    "files": [("files", "a.txt", "first\nfile"), ("files", "b.txt", "second ü")],
}
SENT: list[dict[str, Any]] = [
    {"path": "/", "query": [("x", "1")], "cookies": BEFORE},
    {
        "path": "/query",
        "query": [("a", "1"), ("a", "2"), ("b", "/ c "), ("d", "")],
        "cookies": BEFORE,
    },
    {"path": "/set-cookie", "cookies": BEFORE},
    {"path": "/cookies"},
    {"path": "/redirect"},
    {"path": "/target", "query": [("from", "redirect")]},
    {"method": "POST", "path": "/json", "body": '{"name":"Jürgen"}'},
    {"method": "POST", "path": "/form", "form": [("a", "1 & 2"), ("a", "ü"), ("empty", "")]},
    {"method": "POST", "path": "/empty"},
    UPLOAD,
    {"method": "PUT", "path": "/items/7", "body": "text"},
    {"method": "DELETE", "path": "/items/7"},
    {"path": "/last"},
]
"""What the site received from each browser, in short."""


@pytest.mark.parametrize(
    ("name", "left_out"),
    [
        (
            "chromium",
            {"of another host": 2, "data: URL": 1, "blob: URL": 1, "websocket": 1},
        ),
        ("firefox", {"data: URL": 2, "of another host": 2, "websocket": 1}),
        (
            "playwright",
            {
                "of another host": 2,
                "without the body that it had": 1,
                "blob: URL": 1,
                "websocket": 1,
            },
        ),
        ("mitmproxy", {"of another host": 2, "websocket": 1}),
    ],
)
def test_recordings(name: str, left_out: dict[str, int]) -> None:
    """The applications receive what the recorded site has received."""
    recording = read_har(RECORDINGS / f"{name}.har")
    assert (recording.host, recording.left_out) == ("127.0.0.1:5001", left_out)
    original, port = create_app(), create_app()

    async def compare() -> None:
        async for result in compare_applications(original, port, recording.cases):
            assert result.passed

    asyncio.run(compare())
    nothing = {
        "method": "GET",
        "query": [],
        "cookies": COOKIES,
        "form": [],
        "files": [],
        "body": "",
    }
    sent = [each for each in SENT if name != "playwright" or each is not UPLOAD]
    for app in (original, port):
        assert app.extensions["received"].requests == [nothing | each for each in sent]


def test_headers_of_the_recordings() -> None:
    """Headers of the connection are left out; those of the application are sent."""
    for name in ("chromium", "firefox", "playwright", "mitmproxy"):
        (case,) = read_har(RECORDINGS / f"{name}.har").cases
        headers = [tuple(header) for step in case.steps for header in step.headers]
        names = {header[0].lower() for header in headers}
        assert not names & {"host", "cookie", "connection", "content-length", "accept-encoding"}
        assert names >= {"user-agent", "accept", "referer", "content-type"}
        assert {header[1] for header in headers if header[0] == "Origin"} == {"http://localhost"}


def entry(url: str = "http://shop.example/", method: str = "GET", **request: Any) -> dict[str, Any]:
    """Return an entry of a HAR file, with what the format requires."""
    return {
        "request": {
            "method": method,
            "url": url,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": [],
            "queryString": [],
            "headersSize": -1,
            "bodySize": -1,
            **request,
        },
        "response": {"status": 200, "headers": [], "cookies": [], "content": {}},
    }


def page(url: str) -> dict[str, Any]:
    """Return an entry whose response is an HTML page."""
    found = entry(url)
    found["response"]["content"] = {"mimeType": "text/html; charset=utf-8"}
    return found


def read(
    tmp_path: Path, *entries: dict[str, Any], creator: str = "x", host: str | None = None
) -> Recording:
    log = {"version": "1.2", "creator": {"name": creator, "version": "1"}, "entries": entries}
    file = tmp_path / "recorded.har"
    file.write_text(json.dumps({"log": log}))
    return read_har(file, host)


def steps(tmp_path: Path, *entries: dict[str, Any], **options: Any) -> tuple[Step, ...]:
    return read(tmp_path, *entries, **options).cases[0].steps


@pytest.mark.parametrize(
    ("entries", "host"),
    [
        pytest.param([entry("http://a/"), entry("http://b/"), entry("http://b/x")], "b", id="most"),
        pytest.param([entry("http://a/"), entry("http://b/")], "a", id="first"),
        pytest.param([entry("http://a/"), entry("http://a/"), page("http://b/")], "b", id="page"),
        pytest.param([entry("data:,x"), entry("http://user:word@a:81/")], "a:81", id="port"),
        pytest.param([entry("HTTP://A/")], "A", id="capitals"),
    ],
)
def test_host(tmp_path: Path, entries: list[dict[str, Any]], host: str) -> None:
    """The application is the host of the first page, or that of most requests."""
    assert read(tmp_path, *entries).host == host


def test_given_host(tmp_path: Path) -> None:
    recording = read(tmp_path, page("http://a/"), entry("http://b:81/x"), host="b:81")
    assert [step.path for step in recording.cases[0].steps] == ["/x"]
    assert str(recording) == "1 request of b:81; left out: 1 of another host"


def test_same_host(tmp_path: Path) -> None:
    """http and https of one host, and capitals, are one application; another port is not."""
    urls = ("http://a/1", "https://a/2", "http://A:80/3", "https://a:443/4", "http://a:81/5")
    recording = read(tmp_path, *map(entry, urls))
    assert [step.path for step in recording.cases[0].steps] == ["/1", "/2", "/3", "/4"]


@pytest.mark.parametrize(
    ("left_out", "reason"),
    [
        (entry("https://cdn.example/x.js"), "of another host"),
        (entry("wss://shop.example/feed"), "websocket"),
        (entry("ws://shop.example/feed"), "websocket"),
        (
            entry(headers=[{"name": "Upgrade", "value": "websocket"}]),
            "websocket",
        ),
        (entry("data:text/plain,x"), "data: URL"),
        (entry("blob:http://shop.example/1"), "blob: URL"),
        (entry("about:blank"), "about: URL"),
        (entry("chrome-extension://abc/x.js"), "chrome-extension: URL"),
        (entry("shop.example:443", "CONNECT"), "CONNECT"),
        (entry("http://shop.example:443", "CONNECT"), "CONNECT"),
        (entry("/only/a/path"), "relative: URL"),
        (entry(method="POST", bodySize=3), "without the body that it had"),
        (
            entry(method="POST", headers=[{"name": "content-length", "value": "3"}]),
            "without the body that it had",
        ),
    ],
)
def test_left_out(tmp_path: Path, left_out: dict[str, Any], reason: str) -> None:
    recording = read(tmp_path, page("http://shop.example/"), left_out, left_out)
    assert len(recording.cases[0].steps) == 1
    assert recording.left_out == {reason: 2}
    assert str(recording) == f"1 request of shop.example; left out: 2 {reason}"


URLENCODED = "application/x-www-form-urlencoded"
A_B = [{"name": "a", "value": "1 & 2"}, {"name": "b", "value": "ü"}, {"name": "c"}]


@pytest.mark.parametrize(
    ("data", "body", "content_type"),
    [
        ({"mimeType": "text/plain", "text": "ü"}, "ü".encode(), "text/plain"),
        ({"mimeType": URLENCODED, "params": A_B}, b"a=1+%26+2&b=%C3%BC&c=", URLENCODED),
        ({"mimeType": URLENCODED, "params": A_B, "text": ""}, b"a=1+%26+2&b=%C3%BC&c=", URLENCODED),
        ({"mimeType": URLENCODED, "params": A_B, "text": "a=1"}, b"a=1", URLENCODED),
        ({"mimeType": "", "params": A_B[:1]}, b"a=1+%26+2", URLENCODED),
        ({"mimeType": "x/y", "text": "AP8=", "encoding": "base64"}, b"\x00\xff", "x/y"),
        ({"mimeType": "text/plain", "text": ""}, None, None),
        ({"mimeType": URLENCODED, "params": []}, None, None),
        (None, None, None),
    ],
)
def test_body(
    tmp_path: Path, data: dict[str, Any] | None, body: bytes | None, content_type: str | None
) -> None:
    (step,) = steps(tmp_path, entry(method="POST", postData=data))
    assert step.body == body
    assert dict(step.headers).get("Content-Type") == content_type


def test_parameters_of_chromium(tmp_path: Path) -> None:
    """Chromium writes parameters as they are sent, other tools without the encoding."""
    data = {"mimeType": URLENCODED, "params": [{"name": "a", "value": "1+%26+2"}]}
    (step,) = steps(tmp_path, entry(method="POST", postData=data), creator="WebInspector")
    assert step.body == b"a=1+%26+2"
    (step,) = steps(tmp_path, entry(method="POST", postData=data))
    assert step.body == b"a=1%2B%2526%2B2"


def test_multipart(tmp_path: Path) -> None:
    """Fields and files without the text of the body, in order and with their names."""
    params = [
        {"name": "title", "value": "ü"},
        {"name": "files", "value": "one", "fileName": "a.txt", "contentType": "text/plain"},
        {"name": "files", "fileName": "b.bin"},
    ]
    recorded = [{"name": "content-type", "value": "multipart/form-data; boundary=other"}]
    data = {"mimeType": "multipart/form-data", "params": params}
    sent = entry("http://a/upload", "POST", postData=data, headers=recorded)
    cases = read(tmp_path, sent).cases
    app = create_app()

    async def send() -> None:
        async for _ in compare_applications(app, create_app(), cases):
            pass

    asyncio.run(send())
    (received,) = app.extensions["received"].requests
    assert received["form"] == [("title", "ü")]
    assert received["files"] == [("files", "a.txt", "one"), ("files", "b.bin", "")]


@pytest.mark.parametrize(
    ("url", "query", "target"),
    [
        ("http://a/?x=1", [{"name": "x", "value": "1"}], "/?x=1"),
        ("http://a/p", [{"name": "x", "value": "a b"}, {"name": "y"}], "/p?x=a+b&y="),
        ("http://a/%C3%BC?x=%20&y#fragment", [], "/%C3%BC?x=%20&y"),
        ("http://a", [], "/"),
        ("http://a?x", [], "/?x"),
        ("http://a//b/../c", [], "//b/../c"),
    ],
)
def test_query(tmp_path: Path, url: str, query: list[dict[str, str]], target: str) -> None:
    """The query is that of the URL, and not sent twice."""
    (step,) = steps(tmp_path, entry(url, queryString=query))
    assert step.path == target
    assert not step.query


def test_cookies(tmp_path: Path) -> None:
    """A cookie from before the recording is sent; one that a response has set is not copied."""
    cookies = [{"name": "old", "value": "1"}, {"name": "session", "value": "x"}]
    sets = entry("http://a/login")
    sets["response"]["headers"] = [{"name": "Set-Cookie", "value": "session=x; Path=/\nb=2"}]
    sets["response"]["cookies"] = [{"name": "c", "value": "3"}]
    more = [*cookies, {"name": "b", "value": "2"}, {"name": "c", "value": "3"}]
    first, second, third = steps(
        tmp_path, entry("http://a/", cookies=cookies[:1]), sets, entry("http://a/", cookies=more)
    )
    assert first.cookies == (("old", "1"),)
    assert second.cookies == ()
    assert third.cookies == (("old", "1"),)


def test_headers(tmp_path: Path) -> None:
    """Pseudo-headers of HTTP/2 and headers of the connection are left out."""
    headers = {
        ":authority": "a",
        "Host": "a",
        "Connection": "close, X-Hop",
        "X-Hop": "1",
        "Transfer-Encoding": "chunked",
        "TE": "trailers",
        "Accept": "text/html",
        "X-Several": "1\n2",
        "Origin": "https://a",
        "Referer": "http://other/page",
    }
    pairs = [{"name": name, "value": value} for name, value in headers.items()]
    (step,) = steps(tmp_path, entry("https://a/", headers=pairs))
    assert step.headers == (
        ("Accept", "text/html"),
        ("X-Several", "1"),
        ("X-Several", "2"),
        ("Origin", "http://localhost"),
        ("Referer", "http://other/page"),
    )


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (entry(method="GET /"), "method: 'GET /' is not an HTTP method"),
        (entry("http://[/"), r"url: 'http://\[/' is not a URL"),
        (entry("http://a:port/"), "url: 'http://a:port/' is not a URL"),
        (entry(headers=[{"name": "a b", "value": ""}]), "'a b' is not the name of a header"),
        (entry(headers=[{"name": "a", "value": "\0"}]), "a has a control character"),
        (
            entry(method="POST", postData={"mimeType": "x", "text": "?", "encoding": "base64"}),
            "postData: expected base64",
        ),
        (entry() | {"request": {"method": 1}}, "Expected `str`, got `int`"),
        (entry(headers={}), "Expected `array`, got `object`"),
    ],
)
def test_malformed(tmp_path: Path, broken: dict[str, Any], message: str) -> None:
    """The error is one line with the place in the file."""
    with pytest.raises(CaseFileError, match=rf"recorded\.har:\d+: .*{message}") as caught:
        read(tmp_path, broken)
    assert "\n" not in str(caught.value)


def test_nothing_left(tmp_path: Path) -> None:
    with pytest.raises(CaseFileError, match="at least one request .*left out: 1 data: URL"):
        read(tmp_path, entry("data:,x"))


def test_deep_nesting(tmp_path: Path) -> None:
    file = tmp_path / "deep.har"
    file.write_text("[" * 200_000)
    with pytest.raises(CaseFileError, match=r"deep\.har"):
        read_har(file)


def test_many_requests(tmp_path: Path) -> None:
    """A large file is read in seconds: 5,000 requests."""
    assert len(steps(tmp_path, *(entry(f"http://a/{n}") for n in range(5_000)))) == 5_000
