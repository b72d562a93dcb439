"""The application that ``test_load.py`` serves in its own process, and what it counts."""

from __future__ import annotations

import asyncio
import gc
import resource
from collections.abc import AsyncIterator
from typing import Any

import psutil
from quart import Quart, Response, request

from quartpatterns.subclassing import FaithfulQuart

CLASSES = {"Quart": Quart, "FaithfulQuart": FaithfulQuart}
LIMIT = 1_000_000  # of /form, in bytes


def create_app(class_name: str) -> Quart:
    """Return an application of one of the classes."""
    app = CLASSES[class_name](__name__)
    app.config["MAX_CONTENT_LENGTH"] = None
    counts = {"received": 0, "started": 0, "ended": 0}

    @app.post("/slow")
    async def slow() -> str:
        """Start to read when the client has had the time to send everything."""
        await asyncio.sleep(2)
        length = 0
        async for data in request.body:
            length += len(data)
        return str(length)

    @app.post("/form")
    async def form() -> str:
        request.max_content_length = LIMIT
        return str(list(await request.files))

    @app.get("/stream")
    async def stream() -> Response:
        async def generate() -> AsyncIterator[bytes]:
            counts["started"] += 1
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(1)
            finally:
                counts["ended"] += 1

        response = app.response_class(generate())
        response.timeout = None
        return response

    @app.get("/counts")
    async def get_counts() -> dict[str, int]:
        gc.collect()
        return {
            **counts,
            "tasks": len(asyncio.all_tasks()),
            "resident": psutil.Process().memory_info().rss,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        }

    asgi_app = app.asgi_app

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        async def counting_receive() -> Any:
            message = await receive()
            counts["received"] += len(message.get("body", b""))
            return message

        await asgi_app(scope, counting_receive if scope["type"] == "http" else receive, send)

    app.asgi_app = counting  # type: ignore[method-assign]
    return app
