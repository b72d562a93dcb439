"""What README.md tells people to paste works as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import quartpatterns.sqlalchemy

README = Path(quartpatterns.sqlalchemy.__file__).with_name("README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

TRIAL = """
import asyncio
import pytest
from quart import Response, current_app, stream_with_context
from quart_schema import QuartSchema, validate_request, validate_response
from sqlalchemy import Column, Integer, func, insert, text
from sqlalchemy.orm import registry

from quartpatterns.sqlalchemy.testing import rolled_back

app.config["SECRET_KEY"] = "secret"
QuartSchema(app)


class Person:
    pass


READING
NEWEST
EXPORT
RETRYING
FIXTURE
SCHEMA


async def main():
    async with app.app_context():
        await db.create_all()
    client = app.test_client()
    for name in ("admin", "guest"):
        assert (await client.post(f"/users/{name}")).status_code == 201
    assert await (await client.get("/users/1")).get_json() == {"name": "admin"}
    assert (await client.get("/users/3")).status_code == 404
    page = {"names": ["admin", "guest"], "next": None}
    assert await (await client.get("/users")).get_json() == page
    assert await (await client.get("/count")).get_json() == {"users": 2}
    page = await (await client.get("/newest?per_page=1")).get_json()
    assert page["names"] == ["guest"]
    page = await (await client.get(f"/newest?per_page=1&cursor={page['next']}")).get_json()
    assert page == {"names": ["admin"], "next": None}
    rows = await (await client.get("/users.csv")).get_data(as_text=True)
    assert rows == "id,name\\r\\n1,admin\\r\\n2,guest\\r\\n"
    async with rolled_back(app):
        assert (await client.post("/rename/admin/root")).status_code == 200
        assert (await client.post("/people", json={"name": "new"})).status_code == 201
        assert (await client.post("/people", json={"name": "n" * 51})).status_code == 400
        assert await (await client.get("/count")).get_json() == {"users": 3}
    async with app.app_context():
        BESIDE
        assert (first.name, second.name) == ("admin", "guest")
        people = db.Table("users", Column("id", Integer, primary_key=True), Column("name", String))
        await db.create_all()
        CORE
        assert row == (1, "admin")


asyncio.run(main())
print("done")
"""
BINDS = """
db.init_app(app)


async def main():
    async with app.app_context():
        await db.create_all()
        db.session.add_all([User(name="admin"), Visit()])
        await db.session.commit()


asyncio.run(main())
print("done")
"""


def indented(block: str) -> str:
    return block.replace("\n", "\n        ").strip()


def run(program: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert (folder / "instance/app.db").exists()


def test_blocks(tmp_path: Path) -> None:
    use, core, beside, reading, _, newest, export, _, retrying, fixture, schema, _ = BLOCKS
    core = core[core.index("registry()") :]
    trial = TRIAL.replace("BESIDE", indented(beside)).replace("CORE", indented(core))
    trial = trial.replace("Person, users)", "Person, people)").replace("(users)", "(people)")
    trial = trial.replace("READING", reading).replace("NEWEST", newest).replace("EXPORT", export)
    trial = trial.replace("RETRYING", retrying)
    trial = trial.replace("FIXTURE", fixture).replace("SCHEMA", schema)
    run(use + trial, tmp_path)


SERVED = """
import asyncio


async def main():
    client = app.test_client()
    async with app.test_app():
        assert (await client.get("/users/1")).status_code == 404
        assert (await client.post("/users/admin")).status_code == 201
        assert await (await client.get("/users/1")).get_json() == {"name": "admin"}


asyncio.run(main())
print("done")
"""


def test_first_example(tmp_path: Path) -> None:
    """The first example, served as it is typed, makes its own tables."""
    run(BLOCKS[0] + SERVED, tmp_path)


def test_binds(tmp_path: Path) -> None:
    """The block about binds, put between the configuration and its use."""
    before, use, after = BLOCKS[0].partition("db.init_app(app)\n")
    assert use and after
    run(f"import asyncio\n{before}{BLOCKS[7]}{BINDS}", tmp_path)
    assert (tmp_path / "instance/statistics.db").exists()
