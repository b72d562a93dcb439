"""Applications that store uploads, in a folder and in object stores."""

from __future__ import annotations

import contextlib
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

NO_OPTIONS: Mapping[str, Any] = {}
MakeApp = Callable[..., Quart]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The destination, which the first upload creates."""
    return tmp_path / "uploads"


@pytest.fixture
def make_app(app_class: type[Quart], folder: Path) -> MakeApp:
    """Create an application that saves every file and sends it back."""

    def make(
        uploads: UploadSet | None = None, options: Mapping[str, Any] = NO_OPTIONS, **config: Any
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


def serialize_requests(server: ThreadedMotoServer) -> None:
    """Make requests atomic: S3 checks and creates a name in one step, moto in two."""
    assert server._server is not None
    app, lock = server._server.app, Lock()

    def locked(environ: Any, start_response: Any) -> Any:
        # Receive the body before the lock, so that a slow client does not block the others.
        length = int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(length))
        with lock:
            return app(environ, start_response)

    server._server.app = locked


@pytest.fixture(scope="session")
def s3() -> Iterator[dict[str, Any]]:
    """Run an HTTP server with the API of S3; return options for boto3."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    serialize_requests(server)
    host, port = server.get_host_and_port()
    yield {
        "endpoint_url": f"http://{host}:{port}",
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "region_name": "us-east-1",
    }
    server.stop()


class Bucket:
    """A new bucket, and a client of its own to look into it."""

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
        """The objects in the bucket by their keys."""
        found = {}
        for one in self.client.list_objects_v2(Bucket=self.name).get("Contents", []):
            # The store of the application may delete it in another thread at the same time.
            with contextlib.suppress(self.client.exceptions.NoSuchKey):
                found[one["Key"]] = self._read(one["Key"])
        return found

    def _read(self, name: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=name)["Body"].read()
        return data

    @property
    def unfinished(self) -> list[str]:
        """The keys of multipart uploads that are neither completed nor aborted."""
        found = self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [one["Key"] for one in found]


@pytest.fixture
def bucket(s3: dict[str, Any]) -> Bucket:
    return Bucket(s3)


@pytest.fixture
def spooled() -> Callable[[bytes, str], Any]:
    """Create a file like Quart's form parser."""
    from quart.datastructures import FileStorage

    return lambda content, name: FileStorage(io.BytesIO(content), filename=name)
