"""The examples of README.md work."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import quartpatterns.sqlite3

README = Path(quartpatterns.sqlite3.__file__).with_name("README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

PROGRAM = """
import asyncio


async def main():
    client = app.test_client()
    async with app.app_context():
        await db.init_db()
        CONNECTION
    assert (await client.post("/users/grace")).status_code == 201
    assert await (await client.get("/users/grace")).get_json() == {"id": 2, "name": "grace"}
    assert (await client.get("/users/nobody")).status_code == 404
    response = await client.get("/users.csv")
    assert await response.get_data() == b"id,name\\r\\n1,ada\\r\\n2,grace\\r\\n"


asyncio.run(main())
print("done")
"""


def test_blocks(tmp_path: Path) -> None:
    use, connection, stream = BLOCKS
    program = PROGRAM.replace("CONNECTION", connection.replace("\n", "\n        ").strip())
    (tmp_path / "schema.sql").write_text("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
    (tmp_path / "program.py").write_text(f"{use}\n{stream}\n{program}")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "done\n", done.stderr


def test_settings() -> None:
    """README.md describes every setting."""
    for key in quartpatterns.sqlite3.SETTINGS:
        assert f"| `{key}` |" in README


def test_names() -> None:
    """README.md mentions every public name."""
    for name in set(quartpatterns.sqlite3.__all__) - {"SETTINGS", "Transaction"}:
        assert f"`{name}" in README or f".{name}" in README, name
