"""The live feed: server-sent events, each a piece of HTML."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from quart import Blueprint, abort, render_template, request
from quartpatterns.streaming import stream_with_context

from photoboard.feed import events

feed = Blueprint("feed", __name__, url_prefix="/<lang_code>")


@feed.get("/feed")
async def stream() -> Any:
    """Send each event that follows the last one that the browser has received."""
    after = request.headers.get("Last-Event-ID")
    if after and not re.fullmatch(r"\d{1,15}-\d{1,15}", after):
        abort(400, "Last-Event-ID is not an id of this feed.")

    @stream_with_context
    async def generate() -> AsyncGenerator[str]:
        async with aclosing(events(after)) as found:
            async for id, event in found:
                yield f"id: {id}\n"
                if event:
                    html = await render_template("_event.html", event=event)
                    yield f"data: {' '.join(html.split())}\n"
                yield "\n"

    return generate(), {
        "Content-Type": "text/event-stream",
        "Cache-Control": "no-cache",
    }
