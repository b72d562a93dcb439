"""Object stores: S3 over real HTTP, and memory."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import Any

import obstore
import pytest
from quart import Quart

from quartpatterns.compare.processes import free_port
from quartpatterns.fileuploads import ALL, UploadSet
from quartpatterns.fileuploads.object_store import PART_SIZE
from tests.fileuploads.conftest import Bucket, MakeApp
from tests.fileuploads.multipart_bodies import connected, file, form, post
from tests.serving import eventually, served

MIB = 1024 * 1024
LARGE = PART_SIZE + 3 * MIB

each_size = pytest.mark.parametrize(
    "size",
    [pytest.param(0, id="empty"), pytest.param(1000, id="small"), pytest.param(LARGE, id="large")],
)


@pytest.mark.checks("UP-14")
@each_size
async def test_saved(make_app: MakeApp, bucket: Bucket, size: int) -> None:
    """A file of any size is one object, and is sent back unchanged."""
    client = make_app(**bucket.config).test_client()
    content = secrets.token_bytes(size)
    response = await post(client, form(file("../a.dat", content)))
    digest = hashlib.sha256(content).hexdigest()
    assert await response.get_json() == [["a.dat", size, digest]]
    assert bucket.files == {"pre/a.dat": content}
    assert bucket.unfinished == []
    assert await (await client.get("/a.dat")).get_data() == content


@pytest.mark.checks("UP-14")
@each_size
async def test_no_overwriting(make_app: MakeApp, bucket: Bucket, size: int) -> None:
    """Concurrent uploads of one name get different names, and none is lost."""
    client = make_app(**bucket.config).test_client()
    contents = [bytes([number]) * size for number in range(3)]
    responses = await asyncio.gather(
        *(post(client, form(file("same.dat", content))) for content in contents)
    )
    names = ["pre/" + (await response.get_json())[0][0] for response in responses]
    assert sorted(names) == ["pre/same.dat", "pre/same_1.dat", "pre/same_2.dat"]
    assert bucket.files == dict(zip(names, contents, strict=True))


@pytest.mark.checks("UP-14")
@each_size
async def test_overwrite(make_app: MakeApp, bucket: Bucket, size: int) -> None:
    client = make_app(options={"overwrite": True}, **bucket.config).test_client()
    for content in (b"first", b"x" * size):
        response = await post(client, form(file("a.dat", content)))
        assert (await response.get_json())[0][0] == "a.dat"
    assert bucket.files == {"pre/a.dat": b"x" * size}


@pytest.mark.checks("UP-14")
async def test_disconnect(make_app: MakeApp, bucket: Bucket) -> None:
    """If the client disconnects, the multipart upload and the reserved name are removed."""
    body = form(file("a.dat", b"x" * 4 * PART_SIZE))
    async with served(make_app(**bucket.config)) as server:
        async with connected(server.port, length=len(body)) as (_, writer):
            writer.write(body[: 3 * PART_SIZE])
            await writer.drain()
            await eventually(lambda: bucket.unfinished == ["pre/a.dat"])
            assert bucket.files == {"pre/a.dat": b""}
        await eventually(lambda: not bucket.unfinished)
        await eventually(lambda: not bucket.files)


@pytest.mark.checks("UP-14")
async def test_cut_off(make_app: MakeApp, bucket: Bucket) -> None:
    """If a form ends too early, or its content does not match, nothing is left."""
    client = make_app(UploadSet("files", ALL), **bucket.config).test_client()
    body = form(file("a.dat", b"x" * LARGE))
    assert (await post(client, body[: PART_SIZE + 2 * MIB])).status_code == 400
    assert (await post(client, body[: 2 * MIB])).status_code == 400
    assert (await post(client, form(file("a.png", b"x" * LARGE)))).status_code == 415
    assert (bucket.files, bucket.unfinished) == ({}, [])


@pytest.mark.checks("UP-14")
@pytest.mark.parametrize("size", [1000, LARGE])
async def test_unreachable_store(
    make_app: MakeApp, bucket: Bucket, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An unreachable store is a 503 for uploads and downloads, and the log has the cause."""
    config: dict[str, Any] = dict(bucket.config)
    config["UPLOADED_FILES_STORE"] = config["UPLOADED_FILES_STORE"] | {
        "endpoint": f"http://127.0.0.1:{free_port()}",
        "retry_config": {"max_retries": 0},
    }
    client = make_app(**config).test_client()
    response = await post(client, form(file("a.dat", b"x" * size)))
    assert response.status_code == 503
    assert "The file storage is not available" in await response.get_data(as_text=True)
    assert (await client.get("/a.dat")).status_code == 503
    records = [record for record in caplog.records if "object store failed" in record.getMessage()]
    assert len(records) >= 2
    assert {record.levelname for record in records} == {"WARNING"}
    assert not any("\n" in record.getMessage() for record in records)
    assert all("it does not answer. Start it" in record.getMessage() for record in records)


@pytest.mark.checks("UP-14")
async def test_missing_bucket(
    make_app: MakeApp, bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    config = bucket.config | {"UPLOADED_FILES_DEST": f"s3://{bucket.name}-other/pre"}
    client = make_app(**config).test_client()
    assert (await post(client, form(file("a.dat", b"x")))).status_code == 503
    assert "the bucket does not exist. Create it" in caplog.text
    caplog.clear()
    # At the same time: none of them takes an unfinished check for a bucket that exists.
    responses = await asyncio.gather(*(client.get("/a.dat") for _ in range(3)))
    assert [response.status_code for response in responses] == [503] * 3
    assert caplog.text.count("the bucket does not exist. Create it") == 3


@pytest.mark.checks("UP-14")
async def test_missing_file(
    make_app: MakeApp,
    bucket: Bucket,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A missing file is a 404. The bucket is checked for the first one only, for a minute."""
    names: list[str] = []
    get_async = obstore.get_async

    async def counting(store: Any, name: str, **options: Any) -> Any:
        names.append(name)
        return await get_async(store, name, **options)

    monkeypatch.setattr(obstore, "get_async", counting)
    client = make_app(**bucket.config).test_client()
    for name in ("a.dat", "b.dat", "c.dat"):
        assert (await client.get(f"/{name}")).status_code == 404
    assert names == ["a.dat"]
    assert "object store failed" not in caplog.text


@pytest.mark.checks("UP-14")
@pytest.mark.parametrize(
    ("status", "code", "cause"),
    [
        (403, "InvalidAccessKeyId", "it does not know the key. Correct the credentials"),
        (403, "SignatureDoesNotMatch", "the secret of the key is wrong. Correct the cred"),
        (403, "AccessDenied", "the key lacks a permission. Let it read, write and delete"),
        (403, "Other", "it refuses the key, or the key lacks a permission"),
        (400, "EntityTooLarge", "it answers EntityTooLarge"),
        (301, "PermanentRedirect", "the bucket is in another region. Correct the region"),
    ],
)
async def test_refusals(
    make_app: MakeApp,
    bucket: Bucket,
    caplog: pytest.LogCaptureFixture,
    status: int,
    code: str,
    cause: str,
) -> None:
    """The log says why S3 refuses a request. The server answers as S3 does; moto accepts all."""
    body = f"<Error><Code>{code}</Code></Error>".encode()
    head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config: dict[str, Any] = dict(bucket.config)
    config["UPLOADED_FILES_STORE"] = config["UPLOADED_FILES_STORE"] | {
        "endpoint": f"http://127.0.0.1:{port}"
    }
    client = make_app(**config).test_client()
    assert (await post(client, form(file("a.dat", b"x")))).status_code == 503
    assert (await client.get("/a.dat")).status_code == 503
    server.close()
    first, second = (record.getMessage() for record in caplog.records)
    assert cause in first
    # The answer to HEAD has no body, and so no code.
    assert "\n" not in second and ("it refuses the key" in second or status != 403)


@pytest.mark.checks("UP-14")
async def test_store_fails_during_an_upload(make_app: MakeApp, bucket: Bucket) -> None:
    """If the store fails in the middle of an upload, the upload ends at once."""
    body = form(file("a.dat", b"x" * 4 * PART_SIZE))
    async with (
        served(make_app(**bucket.config)) as server,
        connected(server.port, length=len(body)) as (reader, writer),
    ):
        writer.write(body[: 2 * PART_SIZE])
        await writer.drain()
        await eventually(lambda: bool(bucket.unfinished))
        found = bucket.client.list_multipart_uploads(Bucket=bucket.name)["Uploads"][0]
        bucket.client.abort_multipart_upload(
            Bucket=bucket.name, Key=found["Key"], UploadId=found["UploadId"]
        )
        writer.write(body[2 * PART_SIZE :])
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 503")
    await eventually(lambda: not bucket.files)


@pytest.mark.checks("UP-14")
async def test_memory_store(app_class: type[Quart], make_app: MakeApp) -> None:
    """A store in memory works alike, for tests."""
    client = make_app(UPLOADED_FILES_DEST="memory:///").test_client()
    response = await post(client, form(file("a.dat", b"one"), file("a.dat", b"x" * LARGE)))
    assert [name for name, *_ in await response.get_json()] == ["a.dat", "a_1.dat"]
    assert await (await client.get("/a.dat")).get_data() == b"one"
    response = await client.get("/a_1.dat", headers={"Range": "bytes=-5"})
    assert (response.status_code, await response.get_data()) == (206, b"xxxxx")
    assert (await client.get("/b.dat")).status_code == 404
