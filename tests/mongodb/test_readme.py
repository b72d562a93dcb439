"""The examples in README.md run as they are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from urllib.parse import urlsplit

import quartpatterns.mongodb

README = Path(quartpatterns.mongodb.__file__).with_name("README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

TRIAL = """
import asyncio
import io

from quart.datastructures import FileStorage


async def main():
    async with app.test_app():
        client = app.test_client()
        sent = {"title": "Rogue One", "year": 2016, "imdb": {"imdb_id": "tt3748528"}}
        answer = await client.post("/movies", json=sent)
        assert answer.status_code == 201
        id = (await answer.get_json())["id"]
        assert await (await client.get(f"/movies/{id}")).get_json() == {"title": "Rogue One"}
        page = await (await client.get("/movies/since/2016")).get_json()
        assert page == {"titles": ["Rogue One"], "next": None}
        assert (await client.get("/movies/x")).status_code == 404
        lines = await (await client.get("/movies.csv")).get_data(as_text=True)
        assert lines == "title,year\\r\\nRogue One,2016\\r\\n"
        assert (await client.post("/movies", json=sent)).status_code == 409
        assert (await client.post("/movies", json={})).status_code == 422
        COLLECTION
        other = pymongo_app.test_client()
        answer = await (await other.get(f"/users/{result.inserted_id}")).get_json()
        assert answer["_id"] == {"$oid": str(result.inserted_id)}
        file = FileStorage(io.BytesIO(b"data"), "x")
        assert (await other.post("/files/a.txt", files={"file": file})).status_code == 201
        assert await (await other.get("/files/a.txt")).get_data() == b"data"
        async with app.app_context():
            assert user["name"] == "admin"
            assert (await find_user({"name": "admin"})) == user
            assert await find_user({"name": {"$ne": None}}) is None
            assert await find_movies({"title": {"$ne": None}}) == []
            (movie,) = await find_movies({"title": "Rogue One"})
            await rename(movie, "Rogue Two")
            assert await mongo.db["log"].count_documents({"movie": movie.id}) == 1
        async with client.request("/changes") as connection:
            await connection.send_complete()
            await asyncio.sleep(1)
            async with app.app_context():
                await movie.delete()
            assert await asyncio.wait_for(connection.receive(), 60) == b"data: delete\\n\\n"
            await connection.disconnect()


asyncio.run(main())
print("done")
"""


def test_examples(replica_set: str) -> None:
    """The examples work together, on a replica set."""
    use, collection, pymongo, *rest, export = BLOCKS
    url = urlsplit(replica_set)._replace(path="/readme").geturl()
    assert "mongodb://localhost/myapp" in use
    use, pymongo = (one.replace("mongodb://localhost/myapp", url) for one in (use, pymongo))
    clean = f"from pymongo import MongoClient\nMongoClient({url!r}).drop_database('readme')\n"
    trial = TRIAL.replace("        COLLECTION\n", indent(collection, "        "))
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "".join((clean, use, pymongo, *rest, export, trial)),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
