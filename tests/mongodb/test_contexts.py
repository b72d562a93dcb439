"""Wherever there is a context there is the database; and nothing is left of it in the end."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator

import pytest
from pymongo import MongoClient
from quart import Quart, ResponseReturnValue, stream_with_context, websocket
from quart.utils import run_sync

from quartpatterns.mongodb import Document, MongoDB
from tests.mongodb.shop import Item, make_app, mongo, names, registration


async def test_everywhere(app: Quart) -> None:
    """A request, a websocket, a background task and a stream each find the same database."""

    @app.post("/request")
    async def request_() -> str:
        await Item(name="request").insert()
        app.add_background_task(background)
        return ""

    async def background() -> None:
        await Item(name="background").insert()

    @app.websocket("/websocket")
    async def socket() -> None:
        await Item(name="websocket").insert()
        await websocket.send("done")

    @app.get("/stream")
    async def stream() -> ResponseReturnValue:
        @stream_with_context
        async def generate() -> AsyncGenerator[bytes]:
            await Item(name="stream").insert()
            async for item in Item.find_all().sort("name"):
                yield f"{item.name} ".encode()

        return generate(), 200

    async with app.test_app():
        client = app.test_client()
        await client.post("/request")
        async with client.websocket("/websocket") as connection:
            assert await connection.receive() == "done"
        async with asyncio.timeout(10):
            while "background" not in await names(app):  # noqa: ASYNC110  of the server
                await asyncio.sleep(0.01)
        response = await client.get("/stream")
        text = await response.get_data(as_text=True)
        assert text.split() == ["background", "request", "stream", "websocket"]


async def test_synchronous_view(app: Quart) -> None:
    """A view in a thread is told to be asynchronous."""

    @app.get("/")
    def view() -> str:
        with pytest.raises(RuntimeError, match="write the function with `async def`"):
            assert mongo.db
        Item(name="a document alone is no matter")
        return "told"

    assert await (await app.test_client().get("/")).get_data() == b"told"


def test_loops(app_class: type[Quart], mongodb_url: str) -> None:
    """One application on several loops, one after another and side by side."""
    app = make_app(app_class, mongodb_url)

    async def add(name: str) -> None:
        async with app.app_context():
            await Item(name=name).insert()
            await asyncio.sleep(0.05)
            assert await Item.find_one(Item.name == name)

    for number in range(3):
        asyncio.run(add(f"run {number}"))
    threads = [
        threading.Thread(target=asyncio.run, args=[add(f"thread {number}")]) for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(asyncio.run(names(app))) == 7
    # Those of loops that are closed are forgotten when the next one comes.
    assert len(registration(app).clients) == 1
    gc.collect()


async def test_nothing_left(app_class: type[Quart], mongodb_url: str) -> None:
    """A shut down application has no task and no connection."""
    before = asyncio.all_tasks()
    app = make_app(app_class, mongodb_url, MONGODB_SETTINGS={"appname": "left"})

    def connections() -> int:
        with MongoClient[dict[str, object]](mongodb_url) as client:
            found = client.admin.aggregate(
                [{"$currentOp": {"idleConnections": True}}, {"$match": {"appName": "left"}}]
            )
            return len(list(found))

    async with app.test_app(), app.app_context():
        await asyncio.gather(*(mongo.db["x"].find_one() for _ in range(10)))
        assert await run_sync(connections)() > 0
    assert asyncio.all_tasks() == before
    assert await run_sync(connections)() == 0


async def test_shutdown_that_is_cancelled(app_class: type[Quart], mongodb_url: str) -> None:
    """A cancellation does not leave half of a client behind."""
    before = asyncio.all_tasks()
    app = make_app(app_class, mongodb_url)
    async with app.app_context():
        await Item(name="x").insert()
    closing = asyncio.create_task(registration(app).close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert asyncio.all_tasks() == before
    # It may be used again.
    assert await names(app) == ["x"]
    await registration(app).close()


SCRIPT = """
import asyncio, sys
from quart import Quart
from quartpatterns.mongodb import Document, MongoDB

class Item(Document):
    name: str

app = Quart("script")
app.config["MONGODB_URL"] = sys.argv[1]
mongo = MongoDB(app)
mongo.register(Item)

async def main():
    async with app.app_context():
        await Item(name="x").insert()
        print(await Item.find(Item.name == "x").count())

asyncio.run(main())
"""


# What PyMongo leaves to the garbage collector where it is cancelled while it connects.
SOCKETS = "ignore:unclosed <socket:ResourceWarning"


def test_script(mongodb_url: str) -> None:
    """A script that forgets to close leaves no warning, and ends."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-W", SOCKETS, "-c", SCRIPT, mongodb_url],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


async def test_registered_late(app_class: type[Quart], mongodb_url: str) -> None:
    """A class that is registered within a context can be used at once."""
    mongo = MongoDB(app := app_class(__name__))
    app.config["MONGODB_URL"] = mongodb_url
    async with app.app_context():

        @mongo.register
        class Late(Document):
            name: str = "x"

        assert f"{Late.name}" == "name"
