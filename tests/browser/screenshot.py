"""``python -m tests.browser.screenshot`` takes the picture of the gallery in the root README."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from tests.browser.conftest import running_browser, running_gallery

FILE = Path(__file__).parents[2] / "docs" / "gallery.png"


async def take(url: str, file: Path) -> None:
    """Save a picture of the first screen of *url* to *file*."""
    async with running_browser() as browser:
        page = await browser.new_page(
            viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
        )
        await page.goto(url, wait_until="networkidle")
        await page.screenshot(path=file)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running_gallery(Path(folder)) as url:
        asyncio.run(take(f"{url}/", FILE))
    sys.stdout.write(f"{FILE}\n")
