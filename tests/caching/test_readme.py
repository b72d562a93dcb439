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

TEMPLATE, PARTS = {TEMPLATE!r}, {PARTS!r}
"""
AFTER = """
app.jinja_loader = None
templates = {
    "news.html": "{{ item }} " + TEMPLATE,
    "page.html": PARTS,
    "_messages.html": "Hello {{ request.args['name'] }}",
    "_token.html": "token of {{ request.args['name'] }}",
}
app.jinja_env.loader = DictLoader(templates)
app.jinja_env.globals.update(slow_part=slow_part, user_language="en")


@app.get("/page")
@cache.cached()
async def page():
    calls.append("page")
    return await render_template("page.html")


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
    for name in ("ada", "grace"):
        answer = await client.get(f"/page?name={name}")
        shown = await answer.get_data(as_text=True)
        assert shown.startswith(f"Hello {name}\\n<form") and f"token of {name} ..." in shown
        assert answer.headers["Cache-Control"] == "private"
    assert calls.count("page") == 1


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
