"""The examples of docs/events.md work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "events.md").read_text()
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)

CLOCK_PROGRAM = """

async def main():
    client = app.test_client()
    assert await (await client.get("/clock")).get_data() == b"<p>The time is ..."
    async with client.request("/clock", headers={"Accept": "text/event-stream"}) as stream:
        await stream.send_complete()
        await stream.receive()
        assert b"event: tick" in await stream.receive()
        await stream.disconnect()


asyncio.run(main())
print("done")
"""


def run(folder: Path, program: str, **variables: str) -> str:
    (folder / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_page(tmp_path: Path, redis_url: str) -> None:
    """The examples of the page run."""
    clock, publish = BLOCK.findall(PAGE)
    assert run(tmp_path, clock + CLOCK_PROGRAM) == "done\n"
    assert run(tmp_path, publish, REDIS_URL=redis_url) == ""


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`(test_\w+)`", PAGE))))
def test_comparison(name: str) -> None:
    """Each test that the comparison names is there."""
    texts = [file.read_text() for file in Path(__file__).parent.glob("test_*.py")]
    assert any(re.search(rf"def {name}\(", text) for text in texts)
