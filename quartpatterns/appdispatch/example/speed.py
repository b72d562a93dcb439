"""Requests per second of Flask in threads, of Flask in greenlets, and of Quart, with PostgreSQL.

.. code-block:: sh

    python -m quartpatterns.appdispatch.example.speed

Each application runs in one process of Hypercorn, with a connection pool for all clients. In each
round they are measured in turn, each with a new server:

* *waiting*: ``SELECT pg_sleep(0.2)``, with 200 connections.
* *reading*: ten objects, with 32 connections.

The table has the medians of the rounds.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import click
import flask
from quart import Quart
from sqlalchemy import create_engine, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, scoped_session, sessionmaker

from quartpatterns.appdispatch import GreenletWSGIMiddleware, WSGIMiddleware
from quartpatterns.compare import services
from quartpatterns.compare.resources import ProcessTree
from quartpatterns.compare.servers import serve
from quartpatterns.compare.wrk import run_wrk
from quartpatterns.sqlalchemy import SQLAlchemy, async_drivers
from quartpatterns.subclassing import FaithfulQuart

__all__ = ["create_app", "main", "measure"]

MODULE = "quartpatterns.appdispatch.example.speed"
SLEEP = text("SELECT pg_sleep(0.2)")
POOL = {"pool_size": 200}
WARM_UP = 3  # seconds, in which the connections to the database are made
VARIANTS: dict[str, dict[str, Any]] = {
    "Flask in 32 threads": {"threads": 32},
    "Flask in 200 threads": {"threads": 200},
    "Flask in greenlets, psycopg": {"greenlets": "psycopg"},
    "Flask in greenlets, asyncpg": {"greenlets": "asyncpg"},
    "Quart, psycopg": {"quart": "psycopg"},
    "Quart, asyncpg": {"quart": "asyncpg"},
}
LOADS = {"waiting": ("/waiting", 200), "reading": ("/reading", 32)}


class Base(DeclarativeBase):
    """The base class of the models."""


class Note(Base):
    """A row that is read."""

    __tablename__ = "note"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]


NOTES = select(Note).order_by(Note.id).limit(10)


def create_app(config: dict[str, Any]) -> Quart:
    """Return an application of :data:`VARIANTS`, with the ``url`` of a database."""
    return _quart_app(config) if "quart" in config else _flask_app(config)


def _flask_app(config: dict[str, Any]) -> Quart:
    engine = create_engine(_url(config, "psycopg"), **POOL)
    session = scoped_session(sessionmaker(engine))
    flask_app = flask.Flask(__name__)

    @flask_app.get("/waiting")
    def waiting() -> str:
        session.execute(SLEEP)
        return "done"

    @flask_app.get("/reading")
    def reading() -> Any:
        return [{"id": note.id, "title": note.title} for note in session.scalars(NOTES)]

    @flask_app.teardown_appcontext
    def remove(error: BaseException | None) -> None:
        session.remove()

    app = Quart(__name__)
    if "threads" in config:
        app.asgi_app = WSGIMiddleware(flask_app, threads=config["threads"])  # type: ignore[method-assign]
        return app
    middleware = GreenletWSGIMiddleware(flask_app)
    lifespan: Any = app.asgi_app

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        await (lifespan if scope["type"] == "lifespan" else middleware)(scope, receive, send)

    app.asgi_app = asgi_app  # type: ignore[method-assign]

    @app.while_serving
    async def databases() -> AsyncGenerator[None, None]:
        async with async_drivers(engine, session, drivers={"postgresql": config["greenlets"]}):
            yield

    return app


def _quart_app(config: dict[str, Any]) -> Quart:
    app = FaithfulQuart(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = _url(config, config["quart"])
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = POOL
    db = SQLAlchemy(app)

    @app.get("/waiting")
    async def waiting() -> str:
        await db.session.execute(SLEEP)
        return "done"

    @app.get("/reading")
    async def reading() -> Any:
        return [{"id": note.id, "title": note.title} for note in await db.session.scalars(NOTES)]

    return app


def _url(config: dict[str, Any], driver: str) -> str:
    url: str = config["url"]
    return url.replace("postgresql://", f"postgresql+{driver}://")


def _fill(url: str) -> None:
    engine = create_engine(_url({"url": url}, "psycopg"))
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.execute(insert(Note), [{"title": f"note {number}"} for number in range(100)])
    engine.dispose()


def measure(config: dict[str, Any], seconds: int) -> dict[str, tuple[float, float]]:
    """Return requests per second, and milliseconds of CPU time for each request, of each load.

    Arguments:
        config: What :func:`create_app` takes.
        seconds: The duration of a load.
    """
    found: dict[str, tuple[float, float]] = {}
    with (
        serve(f"{MODULE}:create_app", "hypercorn", config=config) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        for load, (path, connections) in LOADS.items():
            request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
            for duration in (WARM_UP, seconds):
                cpu = ProcessTree.of(server.pid).cpu_seconds
                result = run_wrk(
                    server.url,
                    request,
                    seconds=duration,
                    connections=connections,
                    folder=Path(folder),
                )
                cpu = ProcessTree.of(server.pid).cpu_seconds - cpu
            if errors := result.errors(200):
                raise click.ClickException(f"{errors} requests failed: {server.log.read_text()}")
            found[load] = result.rate, 1000 * cpu / result.requests
    return found


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Rounds.")
@click.option("--seconds", default=3, show_default=True, help="Seconds of each load.")
def main(rounds: int, seconds: int) -> None:
    """Measure Flask in threads, Flask in greenlets, and Quart, with PostgreSQL."""
    found: dict[str, list[dict[str, tuple[float, float]]]] = {name: [] for name in VARIANTS}
    with services.postgres(max_connections=450) as url:
        _fill(url)
        for number in range(rounds):
            names = list(VARIANTS) if number % 2 == 0 else list(VARIANTS)[::-1]
            for name in names:
                click.echo(f"round {number + 1} of {rounds}: {name}", err=True)
                found[name].append(measure({"url": url} | VARIANTS[name], seconds))
    click.echo("| | " + " | ".join(f"requests/s, {load} | CPU" for load in LOADS) + " |")
    click.echo("| --- |" + " --- | --- |" * len(LOADS))
    for name, rounds_of_one in found.items():
        cells = ""
        for load in LOADS:
            rates, times = zip(*(each[load] for each in rounds_of_one), strict=True)
            cells += f" {statistics.median(rates):.0f} | {statistics.median(times):.1f} ms |"
        click.echo(f"| {name} |{cells}")


if __name__ == "__main__":
    main()
