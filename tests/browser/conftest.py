"""A real browser on the gallery, as `quartpatterns serve` runs it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from quartpatterns.compare.processes import Process, accepts, free_port
from tests.conftest import unavailable

# Chromium as root needs no sandbox; the rest keeps it from calling home.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def gallery_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gallery with its Valkey and its worker, for the whole run."""
    folder = tmp_path_factory.mktemp("gallery")
    port = free_port()
    command = [sys.executable, "-m", "quartpatterns", "serve", "--bind", f"127.0.0.1:{port}"]
    ours = {"REDIS_URL", "MONGODB_URL", "DATABASE_URL"}
    env = {key: value for key, value in os.environ.items() if key not in ours}
    with Process([*command, "--data", str(folder)], log=folder / "log", env=env) as process:
        process.wait_until(lambda: accepts(port), timeout=60)
        yield f"http://127.0.0.1:{port}"


@dataclass
class Visit:
    """A page, and what went wrong on it."""

    page: Page
    url: str
    problems: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Page:
        await self.page.goto(f"{self.url}{path}")
        return self.page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for the whole run."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        unavailable("no chromium on the PATH: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(params=["desk", "phone"], loop_scope="session")
async def visit(
    request: pytest.FixtureRequest, browser: Browser, gallery_url: str
) -> AsyncIterator[Visit]:
    """A fresh window of two sizes; an error in its console and a call to another host fail."""
    width, height = {"desk": (1280, 900), "phone": (390, 844)}[request.param]
    page = await browser.new_page(viewport={"width": width, "height": height})
    made = Visit(page, gallery_url)

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            made.problems.append(message.text)

    def look(asked: Request) -> None:
        if not asked.url.startswith((gallery_url, "data:", "blob:")):
            made.foreign.append(asked.url)

    page.on("console", note)
    page.on("pageerror", lambda error: made.problems.append(str(error)))
    page.on("request", look)
    yield made
    await page.close()
    assert not made.problems
    assert not made.foreign
