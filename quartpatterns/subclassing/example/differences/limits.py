"""Differences of time limits, size limits, threads, headers and teardown."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import warnings
from typing import Any

from quartpatterns._shared.calling import maybe_await
from quartpatterns.subclassing.example.differences.frameworks import Framework
from quartpatterns.subclassing.example.differences.raw_http import connect, exchange, read_response

__all__: list[str] = []

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
THREADS = 48
START_TIMEOUT = 3.0  # seconds in which all views must have begun
# More than the buffers of the sockets hold.
LARGE = 32 * 1024 * 1024


async def threads(framework: Framework) -> str:
    app = framework.app()
    # Flask and Quart ignore this setting.
    app.config["SYNC_THREADS"] = THREADS
    running = 0
    lock, decided = threading.Lock(), threading.Event()

    @app.route("/")  # type: ignore[untyped-decorator]
    def view() -> str:
        nonlocal running
        with lock:
            running += not decided.is_set()
            if running == THREADS:
                decided.set()
        decided.wait(START_TIMEOUT)
        decided.set()  # Who comes now was not there with the first ones.
        return ""

    async with framework.served(app) as port:
        await asyncio.gather(*(exchange(port, GET) for _ in range(THREADS)))
    return "all at once" if running == THREADS else "no more than the executor has"


async def sent_headers(framework: Framework) -> str:
    app = framework.app()

    @framework.view(app)
    async def view() -> str:
        return f"{framework.names.request.headers.get('Remote-Addr')}"

    return (await framework.call(app)).body.decode()


async def long_stream(framework: Framework) -> str:
    app = framework.app()
    app.config["RESPONSE_TIMEOUT"] = 0.3

    @framework.view(app)
    async def view() -> Any:
        if framework.is_flask:

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

    async with framework.served(app) as port:
        response = await exchange(port, GET)
    return f"{response.status}, {len(response.body)} of 4 chunks"


async def chunked_limit(framework: Framework) -> str:
    app = framework.app()
    app.config["MAX_CONTENT_LENGTH"] = 100_000

    @framework.view(app, methods=["POST"])
    async def view() -> str:
        return str(list(await maybe_await(framework.names.request.files)))

    head = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    parts = [head, *[b"x" * 20_000] * 10, b"\r\n--b--\r\n"]
    async with framework.served(app) as port, connect(port) as (reader, writer):
        writer.write(CHUNKED + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n")
        response = asyncio.create_task(read_response(reader))
        for part in [*parts, b""]:
            if not response.done():
                writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            # Quart's limit applies to data that waits to be read.
            await asyncio.sleep(0.01)
        return str((await response).status)


async def default_limit(framework: Framework) -> str:
    return str(framework.app().config["MAX_CONTENT_LENGTH"])


async def slow_reader(framework: Framework) -> str:
    app = framework.app()
    app.config["MAX_CONTENT_LENGTH"] = None
    stopped = threading.Event()

    @framework.view(app, methods=["POST"])
    async def view() -> str:
        # The view reads nothing.
        if framework.is_flask:
            stopped.wait(60)
        else:
            await asyncio.to_thread(stopped.wait, 60)
        return ""

    async with framework.served(app) as port, connect(port) as (_, writer):
        declared = b"Content-Length: %d\r\n\r\n" % LARGE
        writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n" + declared + bytes(LARGE))
        before, unsent = -1, writer.transport.get_write_buffer_size()
        while unsent not in (0, before):
            await asyncio.sleep(1)
            before, unsent = unsent, writer.transport.get_write_buffer_size()
        stopped.set()
        writer.transport.abort()
    return "waits" if unsent else "takes all"


async def teardown_order(framework: Framework) -> str:
    app = framework.app()
    order: list[str] = []
    app.teardown_appcontext(lambda error: order.append("first"))
    app.teardown_appcontext(lambda error: order.append("second"))

    @framework.view(app)
    async def view() -> str:
        return ""

    await framework.call(app)
    return ", ".join(order)


async def flash_forgotten(framework: Framework) -> str:
    app = framework.app()
    app.secret_key = "for this test only"

    @framework.view(app)
    async def view() -> str:
        framework.names.flash("hello")
        return str(framework.names.get_flashed_messages())

    with warnings.catch_warnings():
        # Quart warns about the coroutine that was not awaited.
        warnings.simplefilter("ignore")
        response = await framework.call(app)
        gc.collect()
    return response.body.decode()


async def unsupported_attributes(framework: Framework) -> str:
    app = framework.app()
    missing = [name for name in ("ensure_sync", "wsgi_app") if not hasattr(app, name)]

    async def attributes() -> list[str]:
        request = framework.names.request
        found = []
        for name in ("environ", "stream"):
            try:
                await maybe_await(getattr(request, name))
            except (AttributeError, NotImplementedError):
                found.append(f"request.{name}")
        return found

    missing += await framework.within(app, attributes)
    return "no " + ", ".join(missing) if missing else "all there"
