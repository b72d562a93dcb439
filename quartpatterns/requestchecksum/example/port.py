"""The port: request content checksums with Quart."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from quart import Response, jsonify, render_template, request
from quart.typing import ResponseReturnValue

from quartpatterns.requestchecksum import generate_checksum, verify_digest
from quartpatterns.subclassing import FaithfulQuart


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Return the application, which stores the lengths of the last ten documents."""
    app = FaithfulQuart(__name__)
    app.config.from_mapping(config or {})
    documents: deque[int] = deque(maxlen=10)

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html")

    @app.post("/special-api")
    async def special_api() -> str:
        checksum = generate_checksum(request)
        # Accessing this parses the body.
        await request.files
        return f"Hash was: {await checksum.hexdigest()}"

    @app.get("/documents")
    async def list_documents() -> Response:
        return jsonify([*documents])

    @app.post("/documents")
    async def add_document() -> ResponseReturnValue:
        await verify_digest(request)
        data = await request.body
        documents.append(len(data))
        return f"{len(data)} bytes stored", 201

    return app
