"""An application for ``test_servers.py``, which runs behind each server."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from quart import abort, request, websocket

from quartpatterns.streaming import stream_with_context
from quartpatterns.subclassing import FaithfulQuart, FaithfulResponse, cancel_on_disconnect

app = FaithfulQuart(__name__)
app.config["STREAM_SEND_TIMEOUT"] = 0.5
app.config["RESPONSE_TIMEOUT"] = 0.5
events: Counter[str] = Counter()
BLOCK = b"x" * 65536


@app.get("/events")
async def counted() -> dict[str, int]:
    return dict(events)


@app.get("/uncancelled")
async def uncancelled() -> str:
    events["uncancelled began"] += 1
    try:
        await asyncio.sleep(0.3)
        events["uncancelled ended"] += 1
    except asyncio.CancelledError:
        events["uncancelled cancelled"] += 1
        raise
    return "done"


@app.get("/cancelled")
@cancel_on_disconnect
async def cancelled() -> str:
    events["cancelled began"] += 1
    try:
        await asyncio.sleep(60)
    finally:
        events["cancelled left"] += 1
    return "done"


@app.get("/feed")
async def feed() -> Any:
    @stream_with_context
    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"data: tick\n\n"
                await asyncio.sleep(0.01)
        finally:
            events["feed closed"] += 1

    return endless(), {"Content-Type": "text/event-stream"}


@app.get("/silent")
async def silent() -> Any:
    @stream_with_context
    async def waiting() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.sleep(60)
        finally:
            events["silent closed"] += 1

    return waiting(), {"Content-Type": "text/plain"}


@app.get("/flood")
async def flood() -> Any:
    @stream_with_context
    async def blocks() -> AsyncIterator[bytes]:
        try:
            while True:
                yield BLOCK
        finally:
            events["flood closed"] += 1

    return blocks(), {"Content-Type": "application/octet-stream"}


@app.get("/large")
async def large() -> bytes:
    return BLOCK * 16 * 64


@app.post("/upload")
async def upload() -> dict[str, Any]:
    request.max_content_length = 100 << 20
    digest, size = hashlib.sha256(), 0
    async for chunk in request.body:
        digest.update(chunk)
        size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


@app.post("/limited")
async def limited() -> str:
    request.max_content_length = 1000
    return str(len(await request.get_data()))


@app.post("/unread")
async def unread() -> str:
    return "not read"


@app.route("/empty/<int:status>", methods=["GET", "HEAD"])
async def empty(status: int) -> Any:
    return FaithfulResponse("", status, {"X-CamelCase": "Value"})


@app.route("/text")
async def text() -> str:
    return "text"


@app.get("/scope")
async def scope() -> dict[str, Any]:
    return {"root_path": request.root_path, "path": request.path, "url": request.url}


@app.websocket("/echo")
async def echo() -> None:
    while True:
        message = await websocket.receive()
        if message == "error":
            raise RuntimeError("the view fails")
        if message == "close":
            await websocket.close(4001, "enough")
            return
        await websocket.send(message)


@app.websocket("/refused")
async def refused() -> None:
    abort(403)


@app.websocket("/watched")
async def watched() -> None:
    await websocket.accept()
    try:
        await asyncio.sleep(60)
    finally:
        events["websocket left"] += 1
