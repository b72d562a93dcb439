"""Sending uploaded files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from quart import Quart, url_for
from werkzeug.routing import Rule

from quartpatterns.fileuploads import ALL, Folder, UploadSet, send_upload
from tests.fileuploads.conftest import Bucket, MakeApp
from tests.fileuploads.multipart_bodies import file, form, post
from tests.serving import served

CONTENT = b"0123456789"


@pytest.fixture(params=["folder", "s3"])
async def client(request: pytest.FixtureRequest, make_app: MakeApp, bucket: Bucket) -> Any:
    """A client of an application with some files, in a folder or in S3."""
    config = bucket.config if request.param == "s3" else {}
    client = make_app(UploadSet("files", ALL, matches=None), **config).test_client()
    kinds = ("txt", "png", "pdf", "html", "svg", "js", "exe", "xyz")
    await post(client, form(*(file(f"a.{kind}", CONTENT) for kind in kinds)))
    return client


@pytest.mark.checks("UP-4")
async def test_headers(client: Any) -> None:
    """The type, length, name and ETag; no sniffing, and no use of a copy without revalidation."""
    response = await client.get("/a.txt")
    assert await response.get_data() == CONTENT
    headers = response.headers
    assert headers["Content-Type"].startswith("text/plain")
    assert headers["Content-Length"] == "10"
    assert headers["Content-Disposition"] == "inline; filename=a.txt"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Accept-Ranges"] == "bytes"
    assert "ETag" in headers and "Last-Modified" in headers and "Expires" not in headers


@pytest.mark.checks("UP-4")
@pytest.mark.parametrize(
    ("range_header", "status", "sent"),
    [
        pytest.param("bytes=0-0", 206, b"0", id="one"),
        pytest.param("bytes=2-4", 206, b"234", id="middle"),
        pytest.param("bytes=8-", 206, b"89", id="open"),
        pytest.param("bytes=-3", 206, b"789", id="suffix"),
        pytest.param("bytes=5-99", 206, b"56789", id="beyond the end"),
        pytest.param("bytes=10-", 416, None, id="outside"),
        pytest.param("bytes=-99", 206, CONTENT, id="suffix beyond the start"),
        pytest.param("nonsense", 416, None, id="malformed"),
        # RFC 9110, section 14.2
        pytest.param("lines=1-2", 200, CONTENT, id="another unit"),
        pytest.param("bytes=0-1,4-5", 200, CONTENT, id="several"),
    ],
)
async def test_ranges(client: Any, range_header: str, status: int, sent: bytes | None) -> None:
    response = await client.get("/a.txt", headers={"Range": range_header})
    assert response.status_code == status
    if sent is not None:
        assert await response.get_data() == sent
        assert response.headers["Content-Length"] == str(len(sent))
    if status == 206:
        assert response.headers["Content-Range"].endswith("/10")
    elif status == 200:
        assert "Content-Range" not in response.headers


@pytest.mark.checks("UP-4")
async def test_conditions(client: Any) -> None:
    """304, 412 and ``If-Range`` as in RFC 9110."""
    first = (await client.get("/a.txt")).headers
    tag, time = first["ETag"], first["Last-Modified"]
    for headers, status in (
        ({"If-None-Match": tag}, 304),
        ({"If-Modified-Since": time}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": tag}, 200),
        ({"If-Range": '"other"', "Range": "bytes=0-1"}, 200),
        ({"If-Range": tag, "Range": "bytes=0-1"}, 206),
        ({"If-None-Match": tag, "Range": "bytes=0-1"}, 304),
        ({"If-Match": '"other"', "Range": "bytes=0-1"}, 412),
        ({"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 412),
        ({"If-Unmodified-Since": time}, 200),
    ):
        response = await client.get("/a.txt", headers=headers)
        assert (headers, response.status_code) == (headers, status)
        assert bool(await response.get_data()) == (status in {200, 206})


@pytest.mark.checks("UP-4")
async def test_scripts_are_saved(client: Any) -> None:
    """A browser saves files that could run scripts, and shows the others."""
    dispositions = {
        kind: (await client.get(f"/a.{kind}")).headers["Content-Disposition"].partition(";")[0]
        for kind in ("txt", "png", "pdf", "html", "svg", "js", "exe", "xyz")
    }
    shown = {"txt", "png", "pdf"}
    assert dispositions == {
        kind: "inline" if kind in shown else "attachment" for kind in dispositions
    }


@pytest.mark.checks("UP-4")
async def test_missing_files(client: Any) -> None:
    """Files that are missing, outside of the folder or hidden are all 404."""
    for path in ("b.txt", "../a.txt", "..%2fa.txt", "%2e%2e/a.txt", ".a.txt", "a.txt/", "%00"):
        assert (path, (await client.get(f"/{path}")).status_code) == (path, 404)


@pytest.mark.checks("UP-4")
async def test_download_name(app_class: type[Quart], tmp_path: Path) -> None:
    """A download name in any script is encoded as in RFC 8187; a copy may be cached if asked."""
    app = app_class(__name__)

    @app.get("/")
    async def send() -> Any:
        return await send_upload(
            Folder(tmp_path), "a.txt", as_attachment=True, download_name="Grüße 文.txt", max_age=60
        )

    write_file_and_folder(tmp_path / "a.txt")
    headers = (await app.test_client().get("/")).headers
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"Grue .txt\"; filename*=UTF-8''Gr%C3%BC%C3%9Fe%20%E6%96%87.txt"
    )
    assert headers["Cache-Control"] == "public, max-age=60"


def write_file_and_folder(path: Path) -> None:
    path.write_text("hello")
    (path.parent / "folder").mkdir()


@pytest.mark.checks("UP-4")
async def test_folders_are_404(app_class: type[Quart], make_app: MakeApp, folder: Path) -> None:
    client = make_app().test_client()
    await post(client, form(file("a.txt", b"x")))
    app = app_class(__name__)

    @app.get("/")
    async def send() -> Any:
        return await send_upload(Folder(folder.parent), folder.name)

    assert (await app.test_client().get("/")).status_code == 404


@pytest.mark.checks("UP-4")
async def test_large_on_the_wire(make_app: MakeApp) -> None:
    """A large file and a large range of it are streamed completely."""
    app = make_app()
    content = b"0123456789abcdef" * 300_000
    await post(app.test_client(), form(file("a.bin", content)))
    async with served(app) as server:
        assert (await server.client.get("/a.bin")).content == content
        part = await server.client.get("/a.bin", headers={"Range": "bytes=1000000-3999999"})
        assert part.content == content[1_000_000:4_000_000]
        head = await server.client.head("/a.bin")
        assert (head.content, head.headers["Content-Length"]) == (b"", str(len(content)))


@pytest.mark.checks("UP-5")
async def test_build_only(app_class: type[Quart]) -> None:
    """A rule that only builds URLs, with a rule of Werkzeug on plain Quart."""
    app = app_class(__name__)
    app.url_map.add(Rule("/files/<name>", endpoint="served_elsewhere", build_only=True))
    async with app.test_request_context("/"):
        assert url_for("served_elsewhere", name="a.txt") == "/files/a.txt"
    assert (await app.test_client().get("/files/a.txt")).status_code == 404
