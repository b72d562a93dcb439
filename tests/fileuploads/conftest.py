"""Applications that keep uploads, in a folder and in stores of objects."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import boto3  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer
from quart import Quart, request

from quartpatterns.fileuploads import (
    ALL,
    UploadSet,
    configure_uploads,
    send_upload,
    stream_multipart,
)

FEW: Mapping[str, Any] = {}
MakeApp = Callable[..., Quart]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files go; it is made by the first of them."""
    return tmp_path / "uploads"


@pytest.fixture
def make_app(app_class: type[Quart], folder: Path) -> MakeApp:
    """Make an application that keeps every file it is sent, and sends it back."""

    def make(
        uploads: UploadSet | None = None, options: Mapping[str, Any] = FEW, **config: Any
    ) -> Quart:
        uploads = uploads or UploadSet("files", ALL)
        app = app_class(__name__)
        app.config.update({"UPLOADED_FILES_DEST": str(folder), "MAX_CONTENT_LENGTH": None} | config)
        configure_uploads(app, uploads)

        @app.post("/")
        async def save() -> Any:
            return [
                [name := await uploads.save(part, **options), name.size, name.sha256]
                async for part in stream_multipart(request)
            ]

        @app.get("/<path:name>")
        async def send(name: str) -> Any:
            return await send_upload(uploads, name)

        return app

    return make


def one_at_a_time(server: ThreadedMotoServer) -> None:
    """S3 looks whether a name is free and takes it in one step; moto does so in two."""
    assert server._server is not None
    app, lock = server._server.app, Lock()

    def locked(environ: Any, start_response: Any) -> Any:
        # What the client sends first is received first, so that a slow one keeps nobody waiting.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with lock:
            return app(environ, start_response)

    server._server.app = locked


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, Any]]:
    """A real HTTP server that speaks S3, as options for boto3."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    one_at_a_time(server)
    host, port = server.get_host_and_port()
    yield {
        "endpoint_url": f"http://{host}:{port}",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "region_name": "us-east-1",
    }
    server.stop()


class Bucket:
    """A bucket of its own, looked at from beside the application."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.name = f"test-{secrets.token_hex(6)}"
        self.client = boto3.client("s3", **options)
        self.client.create_bucket(Bucket=self.name)
        self.config: dict[str, Any] = {
            "UPLOADED_FILES_DEST": f"s3://{self.name}/pre",
            "UPLOADED_FILES_STORE": {
                "endpoint": options["endpoint_url"],
                "access_key_id": options["aws_access_key_id"],
                "secret_access_key": options["aws_secret_access_key"],
                "region": options["region_name"],
                "client_options": {"allow_http": True},
            },
        }

    @property
    def files(self) -> dict[str, bytes]:
        """What is in it."""
        found = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {one["Key"]: self._read(one["Key"]) for one in found}

    def _read(self, name: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=name)["Body"].read()
        return data

    @property
    def unfinished(self) -> list[str]:
        """Uploads in parts that nobody has completed or aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [one["Key"] for one in found]


@pytest.fixture
def bucket(s3: dict[str, Any]) -> Bucket:
    return Bucket(s3)


@pytest.fixture
def spooled() -> Callable[[bytes, str], Any]:
    """Make a file as Quart's own form parser makes it."""
    from quart.datastructures import FileStorage

    return lambda content, name: FileStorage(io.BytesIO(content), filename=name)
