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
from quart import current_app
from sqlalchemy import Column, Integer, insert, text
from sqlalchemy.orm import registry


class Person:
    pass


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
    async with app.app_context():
        BESIDE
        assert (first.name, second.name) == ("admin", "guest")
        people = db.Table("users", Column("id", Integer, primary_key=True), Column("name", String))
        await db.create_all()
        CORE
        assert row == (1, "admin")


ERRORS
asyncio.run(main())
print("done")
"""


def indented(block: str) -> str:
    return block.replace("\n", "\n        ").strip()


def test_blocks(tmp_path: Path) -> None:
    use, core, beside, errors = BLOCKS
    trial = TRIAL.replace("BESIDE", indented(beside)).replace("ERRORS", errors)
    core = core[core.index("registry()") :]
    trial = trial.replace("CORE", indented(core.replace("users", "people", 1)))
    trial = trial.replace("insert(users)", "insert(people)")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", use + trial],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
    assert (tmp_path / "instance/app.db").exists()
