"""Files in GridFS. The expected headers are those that Flask-PyMongo 3.0 sends."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from bson import ObjectId
from gridfs.errors import FileExists
from quart import Quart, request
from quart.datastructures import FileStorage

from quartpatterns.mongodb import MongoDB, PyMongo
from tests.mongodb.test_pymongo import close, database
from tests.serving import served

DATA = b"a" * 500 * 1024
SHA1 = hashlib.sha1(DATA).hexdigest()


@pytest.fixture
async def app(app_class: type[Quart], mongodb_url: str) -> AsyncIterator[Quart]:
    """An application that receives and sends files."""
    app = app_class(__name__)
    app.config["MONGO_URI"] = mongodb_url
    mongo = app.extensions["mongo"] = PyMongo(app)

    @app.get("/files/<path:name>")
    async def send(name: str) -> Any:
        numbers = {key: int(value) for key, value in request.args.items()}
        return await mongo.send_file(name, **numbers)  # type: ignore[arg-type]

    @app.post("/files/<path:name>")
    async def save(name: str) -> str:
        ident = await mongo.save_file(name, (await request.files)["file"])
        return str(ident)

    yield app
    await close(app)


def extension(app: Quart) -> PyMongo:
    mongo: PyMongo = app.extensions["mongo"]
    return mongo


async def test_headers(app: Quart) -> None:
    mongo = extension(app)
    await mongo.save_file("a.txt", io.BytesIO(DATA))
    client = app.test_client()
    response = await client.get("/files/a.txt")
    assert await response.get_data() == DATA
    headers = {name.lower(): value for name, value in response.headers.items()}
    assert headers.pop("last-modified").endswith("GMT")
    headers.pop("date", None)
    assert headers == {
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": "attachment; filename=a.txt",
        "content-length": str(len(DATA)),
        "etag": f'"{SHA1}"',
        "cache-control": "max-age=31536000, public",
        "accept-ranges": "bytes",
    }
    response = await client.get("/files/a.txt?cache_for=60")
    assert response.headers["Cache-Control"] == "max-age=60, public"
    assert (await client.get("/files/b.txt")).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-None-Match": f'"{SHA1}"'}, 304),
        ({"If-None-Match": SHA1}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-Match": '"x"'}, 412),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 304),
        ({"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 200),
    ],
)
async def test_conditions(app: Quart, headers: dict[str, str], status: int) -> None:
    await extension(app).save_file("a.txt", io.BytesIO(DATA))
    response = await app.test_client().get("/files/a.txt", headers=headers)
    assert response.status_code == status
    assert await response.get_data() == (DATA if status == 200 else b"")
    assert response.headers["ETag"] == f'"{SHA1}"'


# Three chunks, of which the last one is short.
NUMBERS = bytes(range(256)) * 10
CHUNK = 1000
TAG = f'"{hashlib.sha1(NUMBERS).hexdigest()}"'
LENGTH = len(NUMBERS)


@pytest.mark.parametrize(
    ("range_header", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=0-0", 0, 1),
        ("bytes=10-", 10, LENGTH),
        ("bytes=-3", LENGTH - 3, LENGTH),
        ("bytes=998-1001", 998, 1002),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=500-2500", 500, 2501),
        ("bytes=2559-99999", LENGTH - 1, LENGTH),
        ("bytes=-99999", 0, LENGTH),
    ],
)
async def test_ranges(app: Quart, range_header: str, start: int, stop: int) -> None:
    """A player or a download that continues gets the bytes that it asks for."""
    await extension(app).save_file("a.bin", io.BytesIO(NUMBERS), chunk_size=CHUNK)
    client = app.test_client()
    response = await client.get("/files/a.bin", headers={"Range": range_header})
    assert response.status_code == 206
    assert await response.get_data() == NUMBERS[start:stop]
    assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{LENGTH}"
    assert response.headers["Content-Length"] == str(stop - start)
    assert response.headers["ETag"] == TAG


@pytest.mark.parametrize("value", [f"bytes={LENGTH}-", "bytes=9-5", "bytes=-0", "x"])
async def test_wrong_ranges(app: Quart, value: str) -> None:
    await extension(app).save_file("a.bin", io.BytesIO(NUMBERS))
    response = await app.test_client().get("/files/a.bin", headers={"Range": value})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{LENGTH}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"If-Range": TAG}, 206),
        ({"If-Range": '"other"'}, 200),
        ({"If-Range": "Fri, 01 Jan 2100 00:00:00 GMT"}, 206),
        ({"If-Range": "Mon, 01 Jan 2001 00:00:00 GMT"}, 200),
        ({"If-None-Match": TAG}, 304),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": TAG}, 206),
        ({"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}, 412),
        ({"If-Unmodified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 206),
        ({"If-Unmodified-Since": "x"}, 206),
    ],
)
async def test_ranges_with_conditions(app: Quart, headers: dict[str, str], status: int) -> None:
    await extension(app).save_file("a.bin", io.BytesIO(NUMBERS), chunk_size=CHUNK)
    response = await app.test_client().get(
        "/files/a.bin", headers={"Range": "bytes=999-1000", **headers}
    )
    assert response.status_code == status
    expected = {200: NUMBERS, 206: NUMBERS[999:1001]}
    assert await response.get_data() == expected.get(status, b"")


@pytest.mark.parametrize("value", ["bytes=0-1,5-6", "lines=1-2"])
async def test_ignored_ranges(app: Quart, value: str) -> None:
    """Several ranges, and units that are unknown, are ignored (RFC 9110, section 14.2)."""
    await extension(app).save_file("a.bin", io.BytesIO(NUMBERS))
    response = await app.test_client().get("/files/a.bin", headers={"Range": value})
    assert (response.status_code, await response.get_data()) == (200, NUMBERS)


async def test_head(app: Quart) -> None:
    """HEAD has the headers of the whole file, also with a range."""
    await extension(app).save_file("a.bin", io.BytesIO(NUMBERS))
    async with served(app) as server:
        for headers in ({}, {"Range": "bytes=0-9"}):
            response = await server.client.head("/files/a.bin", headers=headers)
            assert (response.status_code, response.content) == (200, b"")
            assert response.headers["Content-Length"] == str(LENGTH)
        part = await server.client.get("/files/a.bin", headers={"Range": "bytes=5-"})
        assert (part.status_code, part.content) == (206, NUMBERS[5:])


async def test_range_of_empty_file(app: Quart) -> None:
    await extension(app).save_file("empty.bin", io.BytesIO())
    response = await app.test_client().get("/files/empty.bin", headers={"Range": "bytes=0-9"})
    assert (response.status_code, await response.get_data()) == (200, b"")


async def test_range_of_another_program(app: Quart) -> None:
    """The checksum for the ETag is computed first; then the range is read."""
    mongo = extension(app)
    await mongo.save_file("a.bin", io.BytesIO(NUMBERS), chunk_size=CHUNK)
    await database(mongo)["fs.files"].update_one({}, {"$unset": {"sha1": 1}})
    response = await app.test_client().get("/files/a.bin", headers={"Range": "bytes=1500-1509"})
    assert (response.status_code, response.headers["ETag"]) == (206, TAG)
    assert await response.get_data() == NUMBERS[1500:1510]


@pytest.mark.parametrize(
    ("name", "saved_as", "sent_as"),
    [
        ("a.html", None, "text/html; charset=utf-8"),
        ("a.png", "image/webp", "image/png"),
        ("a", "image/webp", "image/webp"),
        ("a", None, "application/octet-stream"),
    ],
)
async def test_content_type(app: Quart, name: str, saved_as: str | None, sent_as: str) -> None:
    """It is guessed from the name, then that of save_file()."""
    mongo = extension(app)
    await mongo.save_file(name, io.BytesIO(b"x"), content_type=saved_as)
    assert (await app.test_client().get(f"/files/{name}")).content_type == sent_as


@pytest.mark.parametrize(
    ("name", "disposition"),
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ('we"ird;na,me.txt', 'attachment; filename="we\\"ird;na,me.txt"'),
        ("ümlaut.txt", "attachment; filename=umlaut.txt; filename*=UTF-8''%C3%BCmlaut.txt"),
        ("a\r\nSet-Cookie: x=1", 'attachment; filename="aSet-Cookie: x=1"'),
    ],
)
async def test_file_names(app: Quart, name: str, disposition: str) -> None:
    mongo = extension(app)
    await mongo.save_file(name, io.BytesIO(b"x"))
    async with app.test_request_context("/"):
        response = await mongo.send_file(name)
    assert response.headers["Content-Disposition"] == disposition


async def test_versions(app: Quart) -> None:
    mongo = extension(app)
    for data in (b"0", b"1", b"2"):
        await mongo.save_file("a.txt", io.BytesIO(data))
        await asyncio.sleep(0.002)  # they are sorted by time, in milliseconds
    client = app.test_client()
    for version, expected in {0: b"0", 1: b"1", -1: b"2", -3: b"0", 3: None, -4: None}.items():
        response = await client.get(f"/files/a.txt?version={version}")
        assert response.status_code == (404 if expected is None else 200)
        if expected is not None:
            assert await response.get_data() == expected


async def test_upload(app: Quart) -> None:
    """A file of a form is saved, in the format of Flask-PyMongo."""
    client = app.test_client()
    file = FileStorage(io.BytesIO(DATA), filename="x")
    response = await client.post("/files/a.txt", files={"file": file})
    db = database(extension(app))
    stored = await db["fs.files"].find_one_or_404()
    assert str(stored["_id"]) == await response.get_data(as_text=True)
    stored.pop("uploadDate")
    assert stored == {
        "_id": stored["_id"],
        "filename": "a.txt",
        "contentType": "text/plain",
        "chunkSize": 261120,
        "sha1": SHA1,
        "length": len(DATA),
    }
    assert await db["fs.chunks"].count_documents({}) == 2


async def test_options(app: Quart, mongodb_url: str) -> None:
    mongo = extension(app)
    name = f"{database(mongo).name}_two"
    ident = await mongo.save_file(
        "a.txt", io.BytesIO(b"abc"), base="images", db=name, _id=7, foo="bar", chunk_size=2
    )
    assert ident == 7
    stored = await mongo.cx[name]["images.files"].find_one_or_404(7)
    assert (stored["foo"], stored["chunkSize"]) == ("bar", 2)
    assert await mongo.cx[name]["images.chunks"].count_documents({}) == 2
    async with app.test_request_context("/"):
        response = await mongo.send_file("a.txt", "images", db=name)
        assert await response.get_data(as_text=False) == b"abc"
    await mongo.cx.drop_database(name)


@pytest.mark.parametrize("checksum", ["md5", None])
async def test_file_of_another_program(app: Quart, checksum: str | None) -> None:
    """Without ``sha1`` the ETag is the old ``md5``, or is computed."""
    mongo = extension(app)
    await mongo.save_file("a.txt", io.BytesIO(DATA))
    files = database(mongo)["fs.files"]
    await files.update_one({}, {"$unset": {"sha1": 1}})
    if checksum:
        await files.update_one({}, {"$set": {checksum: "0" * 32}})
    response = await app.test_client().get("/files/a.txt")
    assert response.headers["ETag"] == f'"{"0" * 32 if checksum else SHA1}"'
    assert await response.get_data() == DATA


class Reader:
    """A file whose reads are short, asynchronous, or fail."""

    def __init__(self, *parts: Any) -> None:
        self.parts = list(parts)

    async def read(self, size: int) -> Any:
        part = self.parts.pop(0) if self.parts else b""
        if isinstance(part, Exception):
            raise part
        return part


async def test_short_reads(app: Quart) -> None:
    """An asynchronous file whose reads are short is saved to its end."""
    mongo = extension(app)
    await mongo.save_file("a.txt", Reader(b"ab", b"c", b"d" * 300_000, b"e"))
    response = await app.test_client().get("/files/a.txt")
    assert await response.get_data() == b"abc" + b"d" * 300_000 + b"e"


async def test_failed_upload(app: Quart) -> None:
    """A file that could not be read to its end leaves no chunks."""
    mongo = extension(app)
    with pytest.raises(ConnectionResetError):
        await mongo.save_file("a.txt", Reader(b"x" * 50_000_000, ConnectionResetError()))
    assert await database(mongo)["fs.chunks"].count_documents({}) == 0


async def test_id_of_another_file(app: Quart) -> None:
    """An existing id is an error, answered with 409, and the older file stays."""
    mongo = extension(app)
    ident = await mongo.save_file("a.txt", io.BytesIO(b"old"), _id=ObjectId())

    @app.post("/again")
    async def again() -> str:
        with pytest.raises(FileExists):
            await mongo.save_file("a.txt", io.BytesIO(b"new"), _id=ident)
        await mongo.save_file("a.txt", io.BytesIO(b"new"), _id=ident)
        return ""

    client = app.test_client()
    assert (await client.post("/again")).status_code == 409
    assert await (await client.get("/files/a.txt")).get_data() == b"old"


async def test_wrong_arguments(app: Quart) -> None:
    mongo = extension(app)
    for arguments, message in (
        (("a", b"data"), "'fileobj' must have a read"),
        (("a", io.BytesIO(), 7), "'base' must be a string"),
        (("a", io.StringIO("text")), "open the file in binary mode"),
    ):
        with pytest.raises(TypeError, match=message):
            await mongo.save_file(*arguments)
    for name, wrong in (("base", 7), ("version", "1"), ("cache_for", 1.5)):
        with pytest.raises(TypeError, match=f"'{name}' must be a"):
            await mongo.send_file("a", **{name: wrong})  # type: ignore[arg-type]
    assert await database(mongo)["fs.chunks"].count_documents({}) == 0


async def test_with_documents(app_class: type[Quart], mongodb_url: str) -> None:
    """``MongoDB`` has the same methods."""
    mongo = MongoDB()
    app = app_class(__name__)
    app.config["MONGODB_URL"] = mongodb_url
    mongo.init_app(app)
    async with app.test_request_context("/"):
        await mongo.save_file("a.txt", io.BytesIO(b"x"))
        response = await mongo.send_file("a.txt")
        assert await response.get_data(as_text=False) == b"x"
    await close(app)
