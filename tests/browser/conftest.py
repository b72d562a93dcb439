"""A real browser that visits the gallery of `quartpatterns serve`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from quartpatterns.compare.processes import Process, accepts, free_port
from tests.conftest import unavailable

# Chromium cannot run as root in a sandbox. The other options prevent requests to its vendor.
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
ARGUMENTS += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]

SIZES = {"desk": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="session")
def gallery_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The gallery with its services. All tests share it."""
    with running_gallery(tmp_path_factory.mktemp("gallery")) as url:
        yield url


@contextlib.contextmanager
def running_gallery(folder: Path) -> Iterator[str]:
    """Run ``quartpatterns serve`` with its data in *folder*, and yield its URL."""
    port = free_port()
    command = [sys.executable, "-m", "quartpatterns", "serve", "--bind", f"127.0.0.1:{port}"]
    removed = {"REDIS_URL", "MONGODB_URL", "DATABASE_URL"}
    env = {key: value for key, value in os.environ.items() if key not in removed}
    with Process([*command, "--data", str(folder)], log=folder / "log", env=env) as process:
        process.wait_until(lambda: accepts(port), timeout=100)
        yield f"http://127.0.0.1:{port}"


@dataclass
class Visit:
    """A page, its console errors, and its requests to other hosts."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    foreign_urls: list[str] = field(default_factory=list)

    async def open(self, path: str) -> Page:
        await self.page.goto(f"{self.url}{path}")
        return self.page


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """Chromium. All tests share it."""
    async with running_browser() as browser:
        yield browser


@contextlib.asynccontextmanager
async def running_browser() -> AsyncIterator[Browser]:
    """Run Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        unavailable("no chromium on the PATH: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


@contextlib.asynccontextmanager
async def open_window(browser: Browser, url: str, **options: Any) -> AsyncIterator[Visit]:
    """Open a window. Console errors and requests to other hosts fail the test.

    Arguments:
        browser: The browser.
        url: The URL of the gallery.
        options: Those of :meth:`playwright.async_api.Browser.new_context`.
    """
    context = await browser.new_context(**options)
    page = await context.new_page()
    visit = Visit(page, url)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            visit.errors.append(message.text)

    def on_request(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            visit.foreign_urls.append(request.url)

    page.on("console", on_console)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.on("request", on_request)
    yield visit
    await context.close()
    assert not visit.errors
    assert not visit.foreign_urls


@pytest_asyncio.fixture(params=SIZES, loop_scope="session")
async def visit(
    request: pytest.FixtureRequest, browser: Browser, gallery_url: str
) -> AsyncIterator[Visit]:
    """A new window in two sizes."""
    async with open_window(browser, gallery_url, viewport=SIZES[request.param]) as visit:
        yield visit
