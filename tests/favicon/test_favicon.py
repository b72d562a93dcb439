"""The icon is served at the root as in Flask."""

from __future__ import annotations

import asyncio
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from quart import Blueprint, Quart
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.utils import send_file

from quartpatterns._shared import file_cache
from quartpatterns.favicon import add_favicon
from quartpatterns.favicon.example import port
from tests.counting_executor import CountingExecutor
from tests.examples import examples
from tests.serving import served

ICON = Path(port.__file__).parent / "static/favicon.ico"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "favicon.ico").write_bytes(ICON.read_bytes())
    (tmp_path / "icon.svg").write_text("<svg/>")
    (tmp_path / "robots.txt").write_text("User-agent: *\n")
    (tmp_path.parent / "secret.ico").write_text("secret")
    return tmp_path


@pytest.fixture
def app(app_class: type[Quart], folder: Path) -> Quart:
    return app_class(__name__, static_folder=str(folder))


@pytest.mark.checks("FV-1")
def test_format() -> None:
    """The icon is an ICO with one image of 16 by 16 pixels."""
    data = ICON.read_bytes()
    reserved, kind, count = struct.unpack_from("<HHH", data)
    width, height, _, _, _, _, size, offset = struct.unpack_from("<BBBBHHII", data, 6)
    assert (reserved, kind, count, width, height) == (0, 1, 1, 16, 16)
    assert offset + size == len(data)


@pytest.mark.checks("FV-1", "FV-4")
async def test_mounted() -> None:
    """Below a mount prefix, page, link and redirect have the prefix."""
    client = port.create_app().test_client()
    page = await client.get("/mount/", root_path="/mount")
    link = '<link rel="shortcut icon" href="/mount/static/favicon.ico">'
    assert link in await page.get_data(as_text=True)
    redirected = await client.get("/mount/redirect/favicon.ico", root_path="/mount")
    assert redirected.headers["Location"] == "/mount/static/favicon.ico"
    icon = await client.get("/mount/favicon.ico", root_path="/mount")
    assert await icon.get_data(as_text=False) == ICON.read_bytes()
    assert (await client.get("/favicon.ico", root_path="/mount")).status_code == 404


@pytest.mark.checks("FV-3")
async def test_view(app: Quart) -> None:
    add_favicon(app)
    response = await app.test_client().get("/favicon.ico")
    assert response.status_code == 200
    assert response.content_type == "image/vnd.microsoft.icon"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers.getlist("Date") == []
    assert await response.get_data(as_text=False) == ICON.read_bytes()


@pytest.mark.checks("FV-3")
async def test_conditions(app: Quart, folder: Path) -> None:
    """An unchanged icon is a 304 without a body, a changed one is sent."""
    add_favicon(app)
    client = app.test_client()
    first = await client.get("/favicon.ico")
    headers = {"If-None-Match": first.headers["ETag"]}
    revalidated = await client.get("/favicon.ico", headers=headers)
    assert revalidated.status_code == 304
    assert await revalidated.get_data() in (b"", "")
    assert (
        "Content-Length" not in revalidated.headers or revalidated.headers["Content-Length"] == "0"
    )
    assert revalidated.headers["ETag"] == first.headers["ETag"]
    os.utime(folder / "favicon.ico", (1, 1))
    assert (await client.get("/favicon.ico", headers=headers)).status_code == 200


@pytest.mark.wire
@pytest.mark.checks("FV-3")
async def test_on_the_wire(app: Quart) -> None:
    """A real server sends the right headers and bodies."""
    add_favicon(app)
    async with served(app) as server:
        icon = ICON.read_bytes()
        response = await server.client.get("/favicon.ico")
        assert response.content == icon
        assert len(response.headers.get_list("Date")) == 1
        head = await server.client.head("/favicon.ico")
        assert (head.headers["Content-Length"], head.content) == (str(len(icon)), b"")
        tag = {"If-None-Match": response.headers["ETag"]}
        same = await server.client.get("/favicon.ico", headers=tag)
        assert (same.status_code, same.content) == (304, b"")
        assert "Content-Length" not in same.headers
        part = await server.client.get("/favicon.ico", headers={"Range": "bytes=-2"})
        assert (part.status_code, part.content) == (206, icon[-2:])
        assert part.headers["Content-Range"] == f"bytes {len(icon) - 2}-{len(icon) - 1}/{len(icon)}"


@pytest.mark.checks("FV-3")
@settings(max_examples=examples(200))
@given(
    st.from_regex(
        r"(bytes|lines)?=? ?-?[0-9]{0,5}-?[0-9]{0,5}(,[0-9]{0,2}-[0-9]{0,2})?", fullmatch=True
    )
)
def test_ranges(value: str) -> None:
    """Any Range header is answered as Werkzeug answers it, and none is a server error."""

    async def request_icon() -> tuple[int, bytes, str | None]:
        app = Quart(__name__, static_folder=str(ICON.parent))
        add_favicon(app)
        response = await app.test_client().get("/favicon.ico", headers={"Range": value})
        data = await response.get_data(as_text=False)
        assert isinstance(data, bytes)
        return response.status_code, data, response.headers.get("Content-Range")

    status, data, content_range = asyncio.run(request_icon())
    environ = {"REQUEST_METHOD": "GET", "HTTP_RANGE": value}
    try:
        expected = send_file(ICON, environ, conditional=True)
    except RequestedRangeNotSatisfiable:
        assert status == 416
        assert content_range == f"bytes */{ICON.stat().st_size}"
    else:
        expected.direct_passthrough = False
        assert (status, data) == (expected.status_code, expected.get_data())
        assert content_range == expected.headers.get("Content-Range")
        expected.close()


@pytest.mark.checks("FV-3")
async def test_other_files(app: Quart) -> None:
    """Other files have their own media types and max_age."""
    add_favicon(app, "icon.svg", path="/icon.svg", endpoint="svg", max_age=60)
    add_favicon(app, "robots.txt", path="/robots.txt", endpoint="robots")
    client = app.test_client()
    svg = await client.get("/icon.svg")
    assert svg.content_type.startswith("image/svg+xml")
    assert svg.headers["Cache-Control"] == "public, max-age=60"
    assert (await client.get("/robots.txt")).content_type == "text/plain; charset=utf-8"


@pytest.mark.checks("FV-3")
async def test_missing(app: Quart) -> None:
    """A missing file and a file outside of the folder are a 404."""
    add_favicon(app, "nope.ico", path="/a", endpoint="a")
    add_favicon(app, "../secret.ico", path="/b", endpoint="b")
    client = app.test_client()
    assert [(await client.get(path)).status_code for path in ("/a", "/b")] == [404, 404]


@pytest.mark.checks("FV-5")
async def test_blueprint(app_class: type[Quart], folder: Path) -> None:
    """A blueprint sends its own file or redirects to it."""
    app = app_class(__name__, static_folder=None)
    blueprint = Blueprint("blue", __name__, static_folder=folder, static_url_path="/blue/static")
    add_favicon(blueprint)
    add_favicon(blueprint, path="/moved.ico", endpoint="moved", redirect=True)
    app.register_blueprint(blueprint)
    client = app.test_client()
    assert (await client.get("/favicon.ico")).status_code == 200
    moved = await client.get("/moved.ico")
    assert (moved.status_code, moved.headers["Location"]) == (308, "/blue/static/favicon.ico")
    assert (await client.get(moved.headers["Location"])).status_code == 200


@pytest.mark.checks("FV-5")
def test_no_static_folder(app_class: type[Quart]) -> None:
    with pytest.raises(ValueError, match="set static_folder"):
        add_favicon(app_class(__name__, static_folder=None))


@pytest.mark.checks("FV-5")
async def test_relative_folder(app_class: type[Quart], folder: Path) -> None:
    """The static folder is relative to the application, not to the current folder."""
    app = app_class(__name__, static_folder=folder.name, root_path=str(folder.parent))
    add_favicon(app)
    assert (await app.test_client().get("/favicon.ico")).status_code == 200


@pytest.mark.checks("FV-2", "FV-3")
async def test_methods(app: Quart) -> None:
    """OPTIONS of the redirect is redirected too, as in Flask."""
    add_favicon(app)
    add_favicon(app, path="/redirect", endpoint="redirect", redirect=True)
    client = app.test_client()
    for path in ("/favicon.ico", "/redirect"):
        refused = await client.post(path)
        assert (refused.status_code, set(refused.allow)) == (405, {"GET", "HEAD", "OPTIONS"})
    options = await client.options("/favicon.ico")
    assert (options.status_code, set(options.allow)) == (200, {"GET", "HEAD", "OPTIONS"})
    redirected = await client.options("/redirect")
    target = f"{app.static_url_path}/favicon.ico"
    assert (redirected.status_code, redirected.location) == (308, target)


@pytest.mark.checks("FV-3")
async def test_media_type(app: Quart, monkeypatch: pytest.MonkeyPatch) -> None:
    """The media type of the icon does not depend on the tables of the operating system."""
    monkeypatch.setattr("mimetypes.guess_type", lambda *_: ("image/x-icon", None))
    add_favicon(app)
    response = await app.test_client().get("/favicon.ico")
    assert response.content_type == "image/vnd.microsoft.icon"


async def test_threads(
    app: Quart, folder: Path, monkeypatch: pytest.MonkeyPatch, counting_executor: CountingExecutor
) -> None:
    """The file is read in a thread once, and again after it has changed."""
    monkeypatch.setattr(file_cache, "_SETTLED", -1.0)
    add_favicon(app)
    client = app.test_client()
    first = await client.get("/favicon.ico")
    for headers in ({}, {"If-None-Match": first.headers["ETag"]}, {"Range": "bytes=0-1"}):
        await client.get("/favicon.ico", headers=headers)
    assert counting_executor.count == 1
    (folder / "favicon.ico").write_bytes(b"changed")
    response = await client.get("/favicon.ico")
    assert await response.get_data(as_text=False) == b"changed"
    assert counting_executor.count == 2


async def test_no_memory(
    app_class: type[Quart], folder: Path, counting_executor: CountingExecutor
) -> None:
    """With ``cache_size=0`` each request reads the file in a thread."""
    app = app_class(__name__, static_folder=str(folder))
    add_favicon(app, cache_size=0)
    for count in (1, 2):
        assert (await app.test_client().get("/favicon.ico")).status_code == 200
        assert counting_executor.count == count
