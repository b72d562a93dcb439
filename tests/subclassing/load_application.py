"""What ``test_load.py`` serves in a process of its own: it counts, and says what it has counted."""

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
LIMIT = 1_000_000  # bytes that /form may be sent


def create_app(class_name: str) -> Quart:
    """An application whose class is called *class_name*."""
    app = CLASSES[class_name](__name__)
    app.config["MAX_CONTENT_LENGTH"] = None
    counts = {"received": 0, "begun": 0, "ended": 0}

    @app.post("/slow")
    async def slow() -> str:
        """Begin to read when a client on this machine could have sent all."""
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
            counts["begun"] += 1
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0.05)
            finally:
                counts["ended"] += 1

        response = app.response_class(generate())
        response.timeout = None
        return response

    @app.get("/counts")
    async def counted() -> dict[str, int]:
        gc.collect()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        tasks = len(asyncio.all_tasks())
        return {
            **counts,
            "tasks": tasks,
            "resident": psutil.Process().memory_info().rss,
            "peak": peak,
        }

    inside = app.asgi_app

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        async def counted_receive() -> Any:
            message = await receive()
            counts["received"] += len(message.get("body", b""))
            return message

        await inside(scope, counted_receive if scope["type"] == "http" else receive, send)

    app.asgi_app = counting  # type: ignore[method-assign]
    return app
