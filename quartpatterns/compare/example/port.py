"""Views that wait, and views that grow, written with Quart and the helpers of this package."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import httpx
from quart import Response, render_template_string, request
from quart.typing import ResponseReturnValue
from sqlalchemy import text

from quartpatterns.sqlalchemy import SQLAlchemy
from quartpatterns.sqlite3 import SQLite, query_db, stream_query
from quartpatterns.streaming import Broadcaster, EventStream, csv_response
from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import Tasks

PAGE = (
    "<table>{% for row in rows %}<tr><td>{{ row[0] }}<td>{{ row[1] }}</tr>\n{% endfor %}</table>\n"
)
ROWS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    " SELECT i, 'item ' || i FROM n"
)

db = SQLAlchemy()
tasks = Tasks()


@tasks.task
async def add(a: int, b: int) -> int:
    """A job."""
    return a + b


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    """Create the application, with those parts that *config* has settings for."""
    app = FaithfulQuart("waiting", static_folder=None)
    app.config.from_mapping(config or {})
    if "SQLALCHEMY_DATABASE_URI" in app.config:
        db.init_app(app)
    if "REDIS_URL" in app.config:
        tasks.init_app(app)
    if "DATABASE" in app.config:
        SQLite(app)
    if "FILES" in app.config:
        app.static_folder = app.config["FILES"]
        app.add_url_rule("/files/<path:filename>", "files", app.send_static_file)
    broadcaster = Broadcaster(app)

    @app.while_serving
    async def upstream_client() -> AsyncGenerator[None]:
        # The default of 20. Without a limit, HTTPX compares each idle connection with all others.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
            app.extensions["client"] = client
            yield

    def seconds() -> float:
        return request.args.get("seconds", 0.0, type=float)

    @app.get("/sleep")
    async def sleep() -> ResponseReturnValue:
        if seconds() > 0:
            await asyncio.sleep(seconds())
        return {"waited": seconds()}

    @app.get("/upstream")
    async def upstream() -> ResponseReturnValue:
        client: httpx.AsyncClient = app.extensions["client"]
        response = await client.get(app.config["UPSTREAM"], params={"seconds": seconds()})
        return {"answer": response.text}

    @app.get("/query")
    async def query() -> ResponseReturnValue:
        await db.session.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds()})
        return {"waited": seconds()}

    @app.get("/events")
    async def events() -> Response:
        return EventStream(broadcaster.subscribe("topic"), heartbeat=15)

    @app.post("/jobs")
    async def jobs() -> ResponseReturnValue:
        await add.delay(1, 2)
        return {"queued": True}, 202

    @app.get("/page")
    async def page() -> str:
        rows = await query_db(ROWS, [request.args.get("rows", type=int)])
        return await render_template_string(PAGE, rows=rows)

    @app.get("/export.csv")
    async def export() -> Response:
        rows = stream_query(ROWS, [request.args.get("rows", type=int)])
        return csv_response(rows, header=False, line_end="\n")

    return app
