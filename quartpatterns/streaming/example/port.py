"""The port: streaming contents with Quart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from typing import Any

from markupsafe import escape
from quart import (
    Response,
    abort,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
    websocket,
)

from quartpatterns.streaming import (
    Broadcaster,
    EventStream,
    Subscription,
    coalesce,
    last_event_id,
    stream_template,
    stream_with_context,
    until_shutdown,
)
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.viewdecorators import same_origin_required

MOST_ROWS = 10_000_000

Row = tuple[str, str, str]
Streamed = Any  # Quart takes asynchronous generators from views; its types leave them out.


def checked(text: object) -> str | None:
    """Return the message that a client has sent without blanks around it, or None if it is none."""
    text = text.strip() if isinstance(text, str) else ""
    return text if 1 <= len(text) <= 200 else None


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """The application, with ``TIMELINE_PAUSE`` in seconds among its settings.

    With ``REDIS_URL``, its feed reaches the clients of all processes.
    """
    app = FaithfulQuart(__name__)
    app.config.from_mapping(SECRET_KEY="dev", TIMELINE_PAUSE=0.1)
    app.config.from_mapping(config or {})
    broadcaster = Broadcaster(app, redis_url=app.config.get("REDIS_URL"), name="streaming-example")

    def wanted_rows() -> int:
        rows = request.args.get("rows", "1000")
        if not rows.isascii() or not rows.isdecimal() or len(rows) > 8 or int(rows) > MOST_ROWS:
            abort(400, f"rows is a whole number from 0 to {MOST_ROWS}")
        return int(rows)

    def iter_all_rows(count: int) -> Iterator[Row]:
        for number in range(count):
            yield str(number), f"item {number}", f"{number * 7 % 10_000 / 100:.2f}"

    @app.get("/large.csv")
    async def large_csv() -> Streamed:
        rows = wanted_rows()

        # The original's own generator: read in a thread, and its rows sent many at a time.
        def generate() -> Generator[str]:
            for row in iter_all_rows(rows):
                yield f"{','.join(row)}\n"

        chunks = coalesce(generate(), size=65_536)
        return stream_with_context(chunks), {"Content-Type": "text/csv"}

    @app.get("/my-large-page.html")
    async def my_large_page() -> Streamed:
        rows = iter_all_rows(wanted_rows())
        # A table has seven pieces in a row: more of them together than the five of the original.
        return await stream_template("the_template.html", buffering=500, rows=rows)

    @app.get("/timeline")
    async def timeline() -> Streamed:
        async def events() -> AsyncGenerator[str]:
            for hour in range(8, 18):
                await asyncio.sleep(app.config["TIMELINE_PAUSE"])
                yield f"{hour}:00"

        return await stream_template("timeline.html", buffering=1, events=events())

    @app.get("/stream")
    async def stream() -> Streamed:
        @stream_with_context
        async def generate() -> AsyncGenerator[str]:
            name = escape(request.args["name"])
            yield "<p>Hello "
            yield name
            yield "!</p>"

        return generate()

    @app.get("/broken")
    async def broken() -> Streamed:
        @stream_with_context
        async def generate() -> AsyncGenerator[str]:
            for number in range(int(request.args["chunks"])):
                yield f"chunk {number}\n"
            raise LookupError("the next chunk does not exist")

        return generate()

    @app.get("/visits")
    async def visits() -> Streamed:
        g.user = request.args.get("user", "nobody")
        session["visits"] = session.get("visits", 0) + 1

        async def generate() -> AsyncGenerator[str]:
            yield f"<p>Hello {escape(g.user)}, "
            yield f"this is visit {session['visits']}.</p>"

        return stream_with_context(generate())

    # What follows is not on Flask's page: messages that everybody gets who is there.

    @app.get("/")
    async def index() -> str:
        return await render_template("index.html", most_rows=MOST_ROWS)

    @app.get("/feed")
    async def feed() -> str:
        return await render_template("feed.html")

    @app.post("/feed")
    @same_origin_required
    async def publish() -> Any:
        text = checked((await request.form).get("text", ""))
        if text is None:
            abort(400, "text has 1 to 200 characters")
        await broadcaster.publish("feed", text)
        return redirect(url_for("feed"), 303)

    @app.get("/feed/events")
    async def feed_events() -> Response:
        # A browser that has given up names its last event in the URL.
        after = last_event_id() or request.args.get("after")
        return EventStream(broadcaster.subscribe("feed", after=after, lost="lost"), retry=1000)

    @app.websocket("/feed/live")
    @same_origin_required  # Pages of other sites may open websockets too.
    async def feed_live() -> None:
        async def send(messages: Subscription) -> None:
            async for message in until_shutdown(messages):
                await websocket.send(message.data)
            await websocket.close(1001)

        async with broadcaster.subscribe("feed") as messages, asyncio.TaskGroup() as group:
            sending = group.create_task(send(messages))
            while (text := checked(await websocket.receive())) is not None:
                await broadcaster.publish("feed", text)
            sending.cancel()
            await websocket.close(1008, "text has 1 to 200 characters")

    return app
