"""Applications with a feed that other requests write into; the port has websockets, too."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from typing import Any

import flask
import quart


def create_flask(config: dict[str, Any] | None = None) -> flask.Flask:
    app = flask.Flask(__name__)
    app.config.from_mapping(config or {})
    listeners: list[queue.Queue[str]] = []

    @app.get("/feed")
    def feed() -> flask.Response:
        messages: queue.Queue[str] = queue.Queue()
        listeners.append(messages)

        def body() -> Iterator[str]:
            yield "ready\n"
            while (text := messages.get()) != "end":
                yield f"said: {text}\n"
            yield "over"

        return flask.Response(body(), mimetype="text/plain")

    @app.post("/say")
    def say() -> tuple[str, int]:
        for messages in listeners:
            messages.put(flask.request.form["text"])
        return f"{len(listeners)} heard {flask.request.form['text']}", 202

    @app.get("/half")
    def half() -> flask.Response:
        def body() -> Iterator[bytes]:
            yield b"one "
            yield "grün".encode()[:3]
            yield "grün".encode()[3:]
            yield b" three"

        return flask.Response(body(), mimetype="text/plain")

    return app


def create_quart(config: dict[str, Any] | None = None) -> quart.Quart:
    app = quart.Quart(__name__)
    app.config.from_mapping(config or {})
    listeners: list[asyncio.Queue[str]] = []

    @app.get("/feed")
    async def feed() -> quart.Response:
        messages: asyncio.Queue[str] = asyncio.Queue()
        listeners.append(messages)

        async def body() -> AsyncIterator[str]:
            if not app.config.get("LATE"):
                yield "rea"
                yield "dy\n"
            while (text := await messages.get()) != "end":
                yield f"said: {text}\n"
            yield "over"

        response = quart.Response(body(), mimetype="text/plain")
        response.timeout = None
        return response

    @app.post("/say")
    async def say() -> tuple[str, int]:
        form = await quart.request.form
        if not app.config.get("DEAF"):
            for messages in listeners:
                messages.put_nowait(form["text"])
        return f"{len(listeners)} heard {form['text']}", 202

    @app.get("/half")
    async def half() -> quart.Response:
        async def body() -> AsyncIterator[str]:
            yield "one grün three"

        return quart.Response(body(), mimetype="text/plain")

    @app.websocket("/echo")
    async def echo() -> None:
        quart.websocket.headers.get("X-Name")
        while True:
            data = await quart.websocket.receive()
            if data == "bye":
                return
            if data == "fail":
                raise RuntimeError("on purpose")
            if data == "leave":
                await quart.websocket.close(4000, "left")
            answer = data if isinstance(data, bytes) else f"{app.config.get('ECHO', '')}{data}"
            await quart.websocket.send(answer)

    @app.websocket("/numbers")
    async def numbers() -> None:
        for number in range(app.config.get("NUMBERS", 5)):
            await quart.websocket.send(f"number {number}")
        await asyncio.Event().wait()

    @app.websocket("/chat")
    async def chat() -> None:
        headers = {"X-Chat": "1", "Set-Cookie": "visited=1; Path=/"}
        await quart.websocket.accept(headers, subprotocol="chat")
        await quart.websocket.send(",".join(quart.websocket.requested_subprotocols))
        await quart.websocket.send(str(dict(quart.websocket.cookies)))

    @app.websocket("/private")
    async def private() -> tuple[str, int]:
        return "who are you?", 401

    return app
