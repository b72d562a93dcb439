"""A small application in Flask and in Quart, for the tests of servers and benchmarks."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import count
from typing import Any

import flask
import quart

SERVED = "QUARTPATTERNS_TARGET" in os.environ
SLOW = 1.2 if SERVED else 0  # seconds that a response takes behind a server
LIMIT = 5  # requests after which a served view fails, or is warm


def original(config: Mapping[str, Any] | None = None) -> flask.Flask:
    """The original; ``/dies`` and ``/fails`` fail under load."""
    app = flask.Flask("bench_apps", static_folder=None)
    app.config.from_mapping(config or {})
    requests = count()

    @app.get("/")
    def hello() -> str:
        return f"hello {app.config.get('NAME', 'world')}"

    @app.get("/environment/<name>")
    def environment(name: str) -> str:
        return os.environ.get(name, "")

    @app.post("/echo")
    def echo() -> flask.Response:
        mark = flask.request.headers.get("X-Mark", "")
        return flask.Response(flask.request.data, headers={"X-Mark": mark})

    @app.get("/rows")
    def rows() -> flask.Response:
        def generate() -> Iterator[str]:
            yield from (f"{number}\n" for number in range(100))

        return flask.Response(generate(), mimetype="text/plain")

    @app.get("/slow")
    def slow() -> str:
        time.sleep(SLOW)
        return "slow"

    @app.get("/different")
    def different() -> str:
        return "original"

    @app.get("/teapot")
    def teapot() -> tuple[str, int]:
        return "short and stout", 418

    @app.get("/raises")
    def raises() -> flask.Response:
        def generate() -> Iterator[str]:
            raise LookupError("nothing")
            yield ""

        return flask.Response(generate(), mimetype="text/plain")

    @app.get("/dies")
    def dies() -> str:
        if SERVED and next(requests) > LIMIT:
            sys.stderr.write("no more requests\n")
            os._exit(1)
        return "alive"

    @app.get("/fails")
    def fails() -> tuple[str, int]:
        return ("", 500) if SERVED and next(requests) > LIMIT else ("fine", 200)

    @app.get("/cold")
    def cold() -> tuple[str, int]:
        return ("", 500) if SERVED and 0 < next(requests) < LIMIT else ("warm", 200)

    return app


def immortal(config: Mapping[str, Any] | None = None) -> flask.Flask:
    """An original that does not exit."""
    app = flask.Flask("immortal", static_folder=None)

    @app.get("/dies")
    def dies() -> str:
        return "alive"

    return app


def port(config: Mapping[str, Any] | None = None) -> quart.Quart:
    """The port; ``/dies`` and ``/fails`` fail under load."""
    app = quart.Quart("bench_apps", static_folder=None)
    app.config.from_mapping(config or {})
    requests = count()
    started: list[str] = []

    @app.before_serving
    async def start() -> None:
        started.append("!")

    @app.get("/")
    async def hello() -> str:
        return f"hello {app.config.get('NAME', 'world')}"

    @app.get("/started")
    async def was_started() -> str:
        return "".join(started)

    @app.get("/environment/<name>")
    async def environment(name: str) -> str:
        return os.environ.get(name, "")

    @app.post("/echo")
    async def echo() -> quart.Response:
        mark = quart.request.headers.get("X-Mark", "")
        return quart.Response(await quart.request.get_data(as_text=False), headers={"X-Mark": mark})

    @app.get("/rows")
    async def rows() -> quart.Response:
        async def generate() -> AsyncIterator[str]:
            for number in range(100):
                yield f"{number}\n"

        return quart.Response(generate(), mimetype="text/plain")

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(SLOW)
        return "slow"

    @app.get("/different")
    async def different() -> str:
        return "port"

    @app.get("/teapot")
    async def teapot() -> tuple[str, int]:
        return "short and stout", 418

    @app.get("/raises")
    async def raises() -> quart.Response:
        quart.abort(500)

    @app.get("/dies")
    async def dies() -> str:
        if SERVED and next(requests) > LIMIT:
            sys.stderr.write("no more requests\n")
            os._exit(1)
        return "alive"

    @app.get("/fails")
    async def fails() -> tuple[str, int]:
        return ("", 500) if SERVED and next(requests) > LIMIT else ("fine", 200)

    @app.get("/cold")
    async def cold() -> tuple[str, int]:
        return ("", 500) if SERVED and 0 < next(requests) < LIMIT else ("warm", 200)

    return app


broken = quart.Quart("broken", static_folder=None)


@broken.before_serving
async def no_start() -> None:
    raise RuntimeError("no broker: set BROKER_URL")
