"""The database in every kind of context, and the end of its connections."""

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
from tests.mongodb.shop import Item, connection, make_app, mongo, names
from tests.serving import TIMEOUT


async def test_contexts(app: Quart) -> None:
    """A request, a websocket, a background task and a stream use the same database."""

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
        async with asyncio.timeout(60):
            while "background" not in await names(app):  # noqa: ASYNC110  of the server
                await asyncio.sleep(0.01)
        response = await client.get("/stream")
        text = await response.get_data(as_text=True)
        assert text.split() == ["background", "request", "stream", "websocket"]


async def test_synchronous_view(app: Quart) -> None:
    """A synchronous view gets an error that says to write `async def`."""

    @app.get("/")
    def view() -> str:
        with pytest.raises(RuntimeError, match="write the function with `async def`"):
            assert mongo.db
        Item(name="a document needs no database")
        return "done"

    assert await (await app.test_client().get("/")).get_data() == b"done"


def test_loops(app_class: type[Quart], mongodb_url: str) -> None:
    """One application on several event loops, one after another and at the same time."""
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
    gc.collect()


async def test_shutdown(app_class: type[Quart], mongodb_url: str) -> None:
    """An application that has shut down has no task and no connection left."""
    before = asyncio.all_tasks()
    app = make_app(app_class, mongodb_url, MONGODB_SETTINGS={"appname": "shutdown"})

    def connections() -> int:
        with MongoClient[dict[str, object]](mongodb_url) as client:
            found = client.admin.aggregate(
                [{"$currentOp": {"idleConnections": True}}, {"$match": {"appName": "shutdown"}}]
            )
            return len(list(found))

    async with app.test_app(), app.app_context():
        await asyncio.gather(*(mongo.db["x"].find_one() for _ in range(10)))
        assert await run_sync(connections)() > 0
    assert asyncio.all_tasks() == before
    # The server notices it a moment later.
    async with asyncio.timeout(TIMEOUT):
        while await run_sync(connections)():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_cancelled_close(app_class: type[Quart], mongodb_url: str) -> None:
    """If closing is cancelled, the client is closed nevertheless, and a new one can be used."""
    before = asyncio.all_tasks()
    app = make_app(app_class, mongodb_url)
    async with app.app_context():
        await Item(name="x").insert()
    closing = asyncio.create_task(connection(app).close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert asyncio.all_tasks() == before
    assert await names(app) == ["x"]
    await connection(app).close()


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
    asyncio.get_running_loop().slow_callback_duration = 100  # development mode logs slow steps
    async with app.app_context():
        await Item(name="x").insert()
        print(await Item.find(Item.name == "x").count())

asyncio.run(main())
"""


# PyMongo leaves a socket open if it is cancelled while it connects.
SOCKETS = "ignore:unclosed <socket:ResourceWarning"


def test_script(mongodb_url: str) -> None:
    """A script that closes nothing ends without a warning."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-W", SOCKETS, "-c", SCRIPT, mongodb_url],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


async def test_register_in_a_context(app_class: type[Quart], mongodb_url: str) -> None:
    """A class that is registered in a context can be used at once."""
    mongo = MongoDB(app := app_class(__name__))
    app.config["MONGODB_URL"] = mongodb_url
    async with app.app_context():

        @mongo.register
        class Late(Document):
            name: str = "x"

        assert f"{Late.name}" == "name"
