"""Files from memory: each response equals that of Flask, and is up to date."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import flask
import pytest
import quart
from quart.utils import run_sync

from quartpatterns._shared import file_cache
from quartpatterns._shared.settings import SettingError
from quartpatterns.singlepageapplications import SinglePageApp
from quartpatterns.subclassing import FaithfulQuart, send_file, send_from_directory
from tests.counting_executor import CountingExecutor

CONTENT = bytes(range(250)) * 40


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_cache, "_SETTLED", -1.0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    static = tmp_path / "static"
    static.mkdir()
    for name in ("a.css", "a.tar.gz", "ü.txt"):
        (static / name).write_bytes(CONTENT)
        os.utime(static / name, (1_700_000_000, 1_700_000_000))
    (static / "empty.txt").write_bytes(b"")
    (static / "large.bin").write_bytes(CONTENT * 20)
    (static / "folder").mkdir()
    return tmp_path


def build(app: Any, framework: Any) -> None:
    """Add the same views to both applications."""

    def view(name: str) -> Any:
        send: Any = flask.send_file if framework is flask else send_file
        return send(f"static/{name}", **options())

    def folder(name: str) -> Any:
        send: Any = flask.send_from_directory if framework is flask else send_from_directory
        return send("static", name, **options())

    async def quart_view(name: str) -> Any:
        return await view(name)

    async def quart_folder(name: str) -> Any:
        return await folder(name)

    views = (view, folder) if framework is flask else (quart_view, quart_folder)
    for rule, function in zip(("file", "folder"), views, strict=True):
        app.add_url_rule(f"/{rule}/<path:name>", rule, function)

    def options() -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name, value in framework.request.args.items():
            given[name] = {"true": True, "false": False}.get(value, value)
        if "max_age" in given:
            given["max_age"] = int(given["max_age"])
        return given


REQUESTS: list[dict[str, str]] = [
    {},
    {"If-None-Match": "*"},
    {"If-None-Match": "SAME"},
    {"If-None-Match": 'W/"x", SAME'},
    {"If-None-Match": '"x"'},
    {"If-Match": '"x"'},
    {"If-Match": "SAME"},
    {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:20 GMT"},
    {"If-Modified-Since": "Tue, 14 Nov 2023 22:13:19 GMT"},
    {"Range": "bytes=0-99"},
    {"Range": "bytes=-7"},
    {"Range": "bytes=9990-"},
    {"Range": "bytes=20000-"},
    {"Range": "bytes=0-1,5-6"},
    {"Range": "lines=1-2"},
    {"Range": "bytes=0-99", "If-Range": "SAME"},
    {"Range": "bytes=0-99", "If-Range": '"x"'},
]

PATHS = [
    "/static/a.css",
    "/static/ü.txt",
    "/static/empty.txt",
    "/static/a.tar.gz",
    "/static/large.bin",
    "/static/missing",
    "/static/folder",
    "/static/../a.css",
    "/file/a.css",
    "/file/a.css?as_attachment=true",
    "/file/a.css?download_name=b.txt",
    "/file/a.css?mimetype=text/plain",
    "/file/a.css?conditional=false",
    "/file/a.css?etag=false",
    "/file/a.css?etag=own",
    "/file/a.css?max_age=60",
    "/folder/a.css",
    "/folder/a.css?max_age=0",
    "/folder/large.bin?as_attachment=true",
]


def comparable(headers: Any) -> list[tuple[str, str]]:
    """Return what has to be equal. The time of expiry depends on that of the request."""
    return sorted(
        (name.lower(), "later" if name.lower() == "expires" else value)
        for name, value in headers
        if name.lower() != "date"
    )


@pytest.mark.parametrize("path", PATHS)
async def test_responses(root: Path, path: str) -> None:
    """All responses are those of Flask, before and after the file is in the cache."""
    original = flask.Flask(__name__, root_path=str(root))
    build(original, flask)
    app = FaithfulQuart(__name__, root_path=str(root))
    build(app, quart)
    client = original.test_client()
    quart_client: Any = app.test_client()

    def get(method: str, headers: dict[str, str]) -> tuple[int, list[tuple[str, str]], bytes]:
        with client.open(path, method=method, headers=headers) as response:
            return response.status_code, comparable(response.headers), response.data

    same = ""
    for headers in (*REQUESTS, *REQUESTS):
        for method in ("GET", "HEAD"):
            sent = {name: value.replace("SAME", same) for name, value in headers.items()}
            status, expected, body = await run_sync(get)(method, sent)
            same = same or dict(expected).get("etag", '"none"')
            response = await quart_client.open(path, method=method, headers=sent)
            assert response.status_code == status, (method, sent)
            assert comparable(response.headers) == expected, (method, sent)
            assert await response.get_data() == body, (method, sent)


async def test_from_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second response reads no file, also with a condition, and changes are noticed."""
    app = FaithfulQuart(__name__, root_path=str(root))
    client = app.test_client()
    first = await client.get("/static/a.css")
    reads: list[Any] = []
    cache = app.extensions["file_cache"]
    original = cache.load

    def load(*args: Any) -> Any:
        reads.append(args)
        return original(*args)

    monkeypatch.setattr(cache, "load", load)
    second = await client.get("/static/a.css")
    assert await first.get_data() == await second.get_data() == CONTENT
    third = await client.get("/static/a.css", headers={"If-None-Match": first.headers["ETag"]})
    assert third.status_code == 304
    assert not reads
    second.headers["X-Own"] = "a response of its own"
    assert "X-Own" not in (await client.get("/static/a.css")).headers

    (root / "static/a.css").write_bytes(CONTENT[::-1])
    os.utime(root / "static/a.css", (1_700_000_000, 1_700_000_000))
    assert await (await client.get("/static/a.css")).get_data() == CONTENT[::-1]
    assert len(reads) == 1
    (root / "static/a.css").unlink()
    assert (await client.get("/static/a.css")).status_code == 404


async def test_max_age_can_change(root: Path) -> None:
    """The application's method is asked for each response."""
    app = FaithfulQuart(__name__, root_path=str(root))
    for max_age, expected in ((None, "no-cache"), (60, "public, max-age=60"), (None, "no-cache")):
        app.config["SEND_FILE_MAX_AGE_DEFAULT"] = max_age
        response = await app.test_client().get("/static/a.css")
        assert response.headers["Cache-Control"] == expected
        assert ("Expires" in response.headers) is (max_age is not None)


async def test_settings(root: Path) -> None:
    """``FILE_CACHE_SIZE`` sets the size of the cache, and is checked."""
    app = FaithfulQuart(__name__, root_path=str(root))
    app.config["FILE_CACHE_SIZE"] = 0
    for _ in range(2):
        assert (await app.test_client().get("/static/a.css")).status_code == 200
    assert app.extensions["file_cache"].used == 0
    app = FaithfulQuart(__name__, root_path=str(root))
    app.testing = True
    app.config["FILE_CACHE_SIZE"] = "16 MB"
    with pytest.raises(SettingError, match="FILE_CACHE_SIZE"):
        await app.test_client().get("/static/a.css")


async def test_single_page_application(root: Path, app_class: type[quart.Quart]) -> None:
    """A new build is served at once, also a compressed file that appears or disappears."""
    app = app_class(__name__, root_path=str(root))
    build = root / "dist"
    build.mkdir()
    SinglePageApp(app, "dist")
    script = build / "app.js"
    script.write_bytes(b"one")

    async def get(path: str = "/app.js", **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        response = await app.test_client().get(path, headers=sent)
        return response.status_code, await response.get_data(), response.headers

    assert [(await get())[1] for _ in range(2)] == [b"one"] * 2
    status, body, headers = await get(Accept_Encoding="br")
    assert (status, body, headers.get("Content-Encoding")) == (200, b"one", None)
    assert "Vary" not in headers
    (build / "app.js.br").write_bytes(b"compressed")
    for _ in range(2):
        status, body, headers = await get(Accept_Encoding="br")
        assert (status, body, headers["Content-Encoding"]) == (200, b"compressed", "br")
        assert headers["Vary"] == "Accept-Encoding"
        assert (await get())[1] == b"one"
        status, body, _ = await get(If_None_Match=headers["ETag"], Accept_Encoding="br")
        assert (status, body) == (304, b"")
        assert (await get(Range="bytes=1-"))[:2] == (206, b"ne")
    script.write_bytes(b"two")
    os.utime(script, (script.stat().st_atime, script.stat().st_mtime + 60))
    for encoding in ("br", "identity"):
        assert (await get(Accept_Encoding=encoding))[1] == b"two"
    script.unlink()
    assert (await get())[0] == 404


@pytest.mark.parametrize(("size", "count"), [(1024 * 1024, 0), (0, 1)])
async def test_missing_file_needs_no_thread(
    root: Path, counting_executor: CountingExecutor, size: int, count: int
) -> None:
    """A missing file needs no thread, unless the files are on a slow file system."""
    app = FaithfulQuart(__name__, root_path=str(root))
    app.config["FILE_CACHE_SIZE"] = size
    response = await app.test_client().get("/static/missing")
    assert response.status_code == 404
    assert counting_executor.count == count
