"""The examples in README.md work as they stand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import quartpatterns.fileuploads

README = Path(quartpatterns.fileuploads.__file__).with_name("README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)

TRIAL = """
import asyncio
from tests.fileuploads.multipart_bodies import file, form, post


async def main():
    client = app.test_client()
    png = bytes.fromhex("89504e470d0a1a0a") + bytes(50)
    response = await post(client, form(file("a.png", png, field="photo")), "/photos")
    saved = await response.get_json()
    assert saved["size"] == 58
    assert await (await client.get(f"/photos/{saved['name']}")).get_data() == png
    assert (await post(client, form(), "/photos")).status_code == 400
    upload = "/uploads/0123456789abcdef"
    assert (await post(client, form(file("b.png", png)), upload)).status_code == 204
    assert b'"done"' in await (await client.get(f"{upload}/events")).get_data()


asyncio.run(main())
print("done")
"""


def test_blocks(tmp_path: Path) -> None:
    use, objects, progress = BLOCKS
    use = use.replace("/var/lib/photos", str(tmp_path))
    script = use + progress + TRIAL
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
    compile(objects, "README.md", "exec")
