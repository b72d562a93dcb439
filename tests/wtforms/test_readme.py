"""The examples in README.md work as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import quartpatterns.wtforms

README = Path(quartpatterns.wtforms.__file__).with_name("README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

SCRIPT = """
import asyncio
import re


async def main():
    client = app.test_client()
    page = await (await client.get("/register")).get_data(as_text=True)
    fields = {"username": "adalove", "password": "engine", "confirm": "engine"}
    assert (await client.post("/register", form=fields)).status_code == 400
    token = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', page)[1]
    response = await client.post("/register", form={"csrf_token": token, **fields})
    assert await response.get_data() == b"Thanks for registering"
    response = await client.post("/register", form={"csrf_token": token, **fields})
    assert "This name is taken." in await response.get_data(as_text=True)
    token = (await (await client.get("/csrf-token")).get_json())["csrf_token"]
    response = await client.post("/register", headers={"X-CSRFToken": token})
    assert response.status_code == 200


asyncio.run(main())
print("done")
"""


def test_examples() -> None:
    """The application of the README registers a user, and refuses a missing token."""
    script = "\n".join([*BLOCKS, SCRIPT])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
