"""What Flask code does if only ``async`` and ``await`` are added, measured.

The first block of the root README is an application for this package. Without ``async`` and
``await`` it is the Flask application, and with Quart's names it is the port that only adds them.
``python -m tests.only_await`` sends the same requests to all three, and writes the table.
"""

from __future__ import annotations

import asyncio
import sys
import time
import types
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from quartpatterns.compare.transports import DELIVERY, client
from tests.reading.page import blocks
from tests.serving import TIMEOUT

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- only await -->\n", "<!-- end of only await -->"
NAMES = "from quartpatterns.subclassing.names import Flask,"


def _flask(source: str) -> str:
    for found, replacement in {
        "import asyncio": "import time",
        "asyncio.sleep": "time.sleep",
        "async def": "def",
        "await ": "",
        NAMES: "from flask import Flask,",
    }.items():
        source = source.replace(found, replacement)
    return source


def _quart(source: str) -> str:
    return source.replace(NAMES, "from quart import Quart as Flask,")


APPLICATIONS: dict[str, Callable[[str], str]] = {
    "Flask": _flask,
    "Quart, only `await` added": _quart,
    "this package": str,
}


def application(column: str) -> Any:
    """Return the application of a *column* of the table."""
    (source,) = (block.text for block in blocks(README) if block.text.startswith("# shop.py\n"))
    source = APPLICATIONS[column](source)
    module = types.ModuleType("shop")
    module.__file__ = str(README)
    exec(compile(source, column, "exec"), vars(module))
    return module.app


def flask_app() -> Any:
    """Return the application for a server of Flask."""
    return application("Flask")


def quart_app() -> Any:
    """Return the port that only adds ``await``, for a server of Quart."""
    return application("Quart, only `await` added")


def package_app() -> Any:
    """Return the port with this package, for a server of Quart."""
    return application("this package")


async def answers(target: Any, *, patience: float = TIMEOUT) -> dict[str, str]:
    """Return what *target* answers.

    Arguments:
        target: An application, or the URL of its server.
        patience: The seconds to wait for a payment that is not recorded yet.
    """
    async with client(target) as http:
        link = await _answer(http, "/reset", Host="evil.example")
        stream = await _answer(http, "/hello")
        leaving = asyncio.create_task(http.post("/pay"))
        await _payments(http, "charged", TIMEOUT)
        leaving.cancel()
        await asyncio.wait([leaving])  # Without a server, the view has ended then.
        payments = await _payments(http, "recorded", patience)
    return {
        "`GET /reset` with `Host: evil.example`": link,
        "`GET /hello`": stream,
        "`POST /pay`, whose client leaves; then `GET /payments`": payments,
    }


async def _answer(http: httpx.AsyncClient, path: str, **headers: str) -> str:
    body = b""
    async with http.stream("GET", path, headers=headers) as response:
        try:
            async for chunk in response.aiter_raw():
                body += chunk
        except httpx.RemoteProtocolError:
            complete = False
        else:
            delivery = response.extensions.get(DELIVERY)
            complete = delivery is None or delivery.complete
    if response.is_error:
        return f"{response.status_code} {HTTPStatus(response.status_code).phrase}"
    text = f"{response.status_code}: `{body.decode()}`"
    return text if complete else f"{text}, cut off"


async def _payments(http: httpx.AsyncClient, word: str, patience: float) -> str:
    """Return the payments as soon as they contain *word*, or after *patience* seconds."""
    deadline = time.monotonic() + patience
    while word not in (text := (await http.get("/payments")).text):
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(0.01)
    return f"`{text.strip()}`"


async def table() -> str:
    """Return the table."""
    columns = {
        column: await answers(application(column), patience=0 if "only" in column else TIMEOUT)
        for column in APPLICATIONS
    }
    lines = [f"| request | {' | '.join(columns)} |", "| --- |" + " --- |" * len(columns)]
    for request in next(iter(columns.values())):
        cells = " | ".join(column[request] for column in columns.values())
        lines.append(f"| {request} | {cells} |")
    return "\n".join(lines) + "\n"


def write(text: str, table: str) -> str:
    """Return the *text* of the README with *table*."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table + END + rest.partition(END)[2]


if __name__ == "__main__":
    README.write_text(write(README.read_text(), asyncio.run(table())))
    sys.stdout.write(README.read_text().partition(BEGIN)[2].partition(END)[0])
