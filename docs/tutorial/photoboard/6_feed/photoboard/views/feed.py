"""The live feed: server-sent events, each a piece of HTML."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from quart import Blueprint, abort, render_template, request
from quartpatterns.streaming import stream_with_context

from photoboard.feed import events, last_id

feed = Blueprint("feed", __name__, url_prefix="/<lang_code>")


@feed.get("/feed")
async def stream() -> Any:
    """Send each event that follows the last one that the browser has received."""
    after = request.headers.get("Last-Event-ID") or await last_id()
    if not re.fullmatch(r"\d{1,15}-\d{1,15}", after):
        abort(400, "Last-Event-ID is not an id of this feed.")

    @stream_with_context
    async def generate() -> AsyncIterator[str]:
        nonlocal after
        yield f"retry: 2000\nid: {after}\n\n"
        while True:
            for after, event in await events(after):
                html = await render_template("_event.html", event=event)
                yield f"id: {after}\ndata: {' '.join(html.split())}\n\n"
            yield ": still connected\n\n"

    return generate(), {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
