"""Parts of the tests of sqlite3 and sqlalchemy that are the same for both."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from html.parser import HTMLParser
from typing import Any

import pytest
import quart

from quartpatterns import streaming, subclassing

Stream = Callable[[Callable[[], AsyncIterator[bytes]]], Callable[[], AsyncIterator[bytes]]]

streams = pytest.mark.parametrize(
    "stream_with_context",
    [
        pytest.param(quart.stream_with_context, id="quart"),
        pytest.param(streaming.stream_with_context, id="streaming"),
        pytest.param(subclassing.stream_with_context, id="subclassing"),
    ],
)
"""Every ``stream_with_context`` that a user may have."""

SCRIPTS = {
    "a script": """
asyncio.run(query())
left()
""",
    "two event loops": """
asyncio.run(query())
asyncio.run(query())
left()
""",
    "requests without lifespan": """
async def main():
    client = app.test_client()
    await asyncio.gather(*(client.get("/") for _ in range(20)))

asyncio.run(main())
left()
""",
    "contexts without teardown": """
async def main():
    async with app.test_client() as client:
        for _ in range(5):
            await client.get("/")
    await app.app_context().push()
    await select()

asyncio.run(main())
left()
""",
    "an error in a context": """
async def main():
    async with app.app_context():
        await select()
        raise LookupError

try:
    asyncio.run(main())
except LookupError:
    left()
""",
}
"""Scripts after which only the main thread is left.

Each follows an ``app`` with a view at ``/``, ``select()``, which executes a statement in the
current context, and ``query()``, which does so in a context of its own.
"""

CANCELLED_TASK = """
async def main():
    tasks.append(asyncio.create_task(forever()))
    await asyncio.sleep(0.1)

async def forever():
    while True:
        await query()

tasks = []
asyncio.run(main())
left()
"""
"""A script that leaves a task behind, which ``asyncio.run`` cancels."""

OPEN_LOOPS = [
    pytest.param(
        """
loop = asyncio.new_event_loop()
loop.run_until_complete(query())
""",
        id="an event loop that is not closed",
    ),
    pytest.param(
        """
loop = asyncio.new_event_loop()
loop.run_until_complete(app.app_context().push())
loop.run_until_complete(query())
loop.close()
""",
        id="an event loop closed without shutdown",
    ),
    pytest.param("threading.Thread(target=asyncio.run, args=[query()]).start()", id="a thread"),
]
"""Scripts that do not shut down their event loop, as ``asyncio.run`` does."""

INVALID_USERS: list[Any] = [
    pytest.param({"json": {"email": "x@y"}}, 400, id="no name"),
    pytest.param({"json": {"name": "x"}}, 400, id="no email"),
    pytest.param({"json": []}, 400, id="a list"),
    pytest.param(
        {"data": b"null", "headers": {"Content-Type": "application/json"}}, 400, id="null"
    ),
    pytest.param({"json": {"name": 1, "email": "x@y"}}, 400, id="a number"),
    pytest.param({"json": {"name": "n" * 51, "email": "x@y"}}, 400, id="too long"),
    pytest.param({"json": {"name": "a\0b", "email": "x@y"}}, 400, id="NUL"),
    pytest.param({"json": {"name": "\ud800", "email": "x@y"}}, 400, id="a surrogate"),
    pytest.param(
        {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, id="truncated JSON"
    ),
    pytest.param({"data": b"name=x", "headers": {"Content-Type": "text/plain"}}, 415, id="text"),
    pytest.param({}, 415, id="no body"),
    pytest.param({"json": {"name": "admin", "email": "x@y"}}, 409, id="a taken name"),
]
"""Arguments of a request that tries to create a user, and the expected status."""


async def send_get(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send a GET request, and do not wait for its response."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def send_message(port: int) -> asyncio.StreamWriter:
    """Open a websocket at ``/``, and send the message ``x``."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    # RFC 6455: a final text frame of one byte, masked with zeros.
    writer.write(b"\x81\x81" + bytes(4) + b"x")
    return writer


class Links(HTMLParser):
    """The links of a page, the targets of its forms, and the link to the current page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.current: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.found += [values[key] or "" for key in ("href", "action") if key in values]
        if "aria-current" in values:
            self.current.append(values["href"] or "")


def python(script: str) -> str:
    """Run *script* in a new interpreter, and return its output."""
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    ).stdout.strip()


def import_error(module: str, missing: str) -> str:
    """Return the error text of an import of *module* without the package *missing*."""
    return python(
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"try:\n import {module}\nexcept ImportError as error:\n print(error)"
    )


def imported_packages(script: str) -> set[str]:
    """Return the top-level packages that are imported after *script* has run."""
    modules = python(f"import sys\n{script}\nprint(*sys.modules)").split()
    return {name.partition(".")[0] for name in modules}
