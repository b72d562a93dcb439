"""The example in README.md runs as it is written."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import quartpatterns.caching

README = Path(quartpatterns.caching.__file__).with_name("README.md").read_text()
[USE] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
TEMPLATE, PARTS = re.findall(r"```html\+jinja\n(.*?)```", README, re.DOTALL)

BEFORE = f"""
import asyncio
from jinja2 import DictLoader

calls = []

async def calculate_value():
    calls.append("value")
    return "item"

async def fetch_rate(currency):
    calls.append(currency)
    return 1.5

async def query():
    return ["headline"]

def slow_part():
    calls.append("slow")
    return "<slow>"

TEMPLATE = {TEMPLATE!r}
"""
AFTER = """
app.jinja_loader = None
app.jinja_env.loader = DictLoader({"news.html": "{{ item }} " + TEMPLATE})
app.jinja_env.globals.update(slow_part=slow_part, user_language="en")


async def main():
    client = app.test_client()
    for _ in range(2):
        answer = await client.get("/news?page=1")
        assert "item" in await answer.get_data(as_text=True)
        assert [await rate("EUR"), await rate(currency="EUR")] == [1.5, 1.5]
        assert await headlines() == ["headline"]
    assert calls == ["value", "slow", "EUR"]
    assert (await client.post("/news")).status_code == 204
    await client.get("/news?page=1")
    await rate("EUR")
    assert calls == ["value", "slow", "EUR", "EUR"]


asyncio.run(main())
print("done")
"""


def test_blocks() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", BEFORE + USE + AFTER],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
