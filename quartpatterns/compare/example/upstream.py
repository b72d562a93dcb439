"""A server that answers late: another service that the compared applications ask."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import parse_qs

BODY = b"late"
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", str(len(BODY)).encode())],
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer after ``?seconds=``; without a framework, so that it is never the slowest part."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    query = parse_qs(scope["query_string"].decode())
    if (seconds := float(query["seconds"][0])) > 0:
        await asyncio.sleep(seconds)
    await send(_START)
    await send({"type": "http.response.body", "body": BODY})
