"""Rows about time, size, threads and headers: 18 to 20, 24 to 27, 38 and 42."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from typing import Any

from quartpatterns.subclassing.example.rows.side import Side, either
from quartpatterns.subclassing.example.rows.wire import connected, exchange, read_answer

__all__: list[str] = []

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
THREADS = 48
PATIENCE = 3.0  # seconds in which all views must have begun
# More than the sockets between two programs of one machine hold.
LARGE = 32 * 1024 * 1024


async def threads(side: Side) -> str:
    app = side.app()
    # The option of this row; the other two know no such key.
    app.config["SYNC_THREADS"] = THREADS
    here = 0
    lock, decided = threading.Lock(), threading.Event()

    @app.route("/")  # type: ignore[untyped-decorator]
    def view() -> str:
        nonlocal here
        with lock:
            here += not decided.is_set()
            if here == THREADS:
                decided.set()
        decided.wait(PATIENCE)
        decided.set()  # Who comes now was not there with the first ones.
        return ""

    async with side.served(app) as port:
        await asyncio.gather(*(exchange(port, GET) for _ in range(THREADS)))
    return "all at once" if here == THREADS else "no more than the executor has"


async def sent_headers(side: Side) -> str:
    app = side.app()

    @side.view(app)
    async def view() -> str:
        return f"{side.names.request.headers.get('Remote-Addr')}"

    return (await side.call(app)).body.decode()


async def long_stream(side: Side) -> str:
    app = side.app()
    app.config["RESPONSE_TIMEOUT"] = 0.3

    @side.view(app)
    async def view() -> Any:
        if side.is_flask:

            def generate() -> Any:
                for _ in range(4):
                    yield b"x"
                    time.sleep(0.15)

        else:

            async def generate() -> Any:
                for _ in range(4):
                    yield b"x"
                    await asyncio.sleep(0.15)

        return generate()

    async with side.served(app) as port:
        answer = await exchange(port, GET)
    return f"{answer.status}, {len(answer.body)} of 4 chunks"


async def chunked_limit(side: Side) -> str:
    app = side.app()
    app.config["MAX_CONTENT_LENGTH"] = 100_000

    @side.view(app, methods=["POST"])
    async def view() -> str:
        return str(list(await either(side.names.request.files)))

    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    parts = [head, *[b"x" * 20_000] * 10, b"\r\n--b--\r\n"]
    async with side.served(app) as port, connected(port) as (reader, writer):
        writer.write(CHUNKED + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")
        answer = asyncio.create_task(read_answer(reader))
        for part in [*parts, b""]:
            if not answer.done():
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            # Time to read it: Quart's limit is on what waits to be read.
            await asyncio.sleep(0.01)
        return str((await answer).status)


async def default_limit(side: Side) -> str:
    return str(side.app().config["MAX_CONTENT_LENGTH"])


async def slow_reader(side: Side) -> str:
    app = side.app()
    app.config["MAX_CONTENT_LENGTH"] = None
    arrived = threading.Event()

    @side.view(app, methods=["POST"])
    async def view() -> str:
        # The view reads nothing until the client is through, or has waited.
        if side.is_flask:
            arrived.wait(5)
        else:
            await asyncio.to_thread(arrived.wait, 5)
        return ""

    async with side.served(app) as port, connected(port) as (_, writer):
        declared = b"Content-Length: %d\r\n\r\n" % LARGE
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + declared + bytes(LARGE))
        try:
            async with asyncio.timeout(1):
                await writer.drain()
            told = "takes all"
        except TimeoutError:
            told = "waits"
        arrived.set()
        writer.transport.abort()
    return told


async def teardown_order(side: Side) -> str:
    app = side.app()
    order: list[str] = []
    app.teardown_appcontext(lambda error: order.append("first"))
    app.teardown_appcontext(lambda error: order.append("second"))

    @side.view(app)
    async def view() -> str:
        return ""

    await side.call(app)
    return ", ".join(order)


async def flash_forgotten(side: Side) -> str:
    app = side.app()
    app.secret_key = "for this row only"

    @side.view(app)
    async def view() -> str:
        side.names.flash("hello")
        return str(side.names.get_flashed_messages())

    with warnings.catch_warnings():
        # That the message is lost is Quart's warning.
        warnings.simplefilter("ignore")
        answer = await side.call(app)
        gc.collect()
    return answer.body.decode()


async def signposts(side: Side) -> str:
    app = side.app()
    missing = [name for name in ("ensure_sync", "wsgi_app") if not hasattr(app, name)]

    async def attributes() -> list[str]:
        request = side.names.request
        found = []
        for name in ("environ", "stream"):
            try:
                await either(getattr(request, name))
            except (AttributeError, NotImplementedError):
                found.append(f"request.{name}")
        return found

    missing += await side.within(app, attributes)
    return "no " + ", ".join(missing) if missing else "all there"
