"""A page with an event feed loses its server twice, and shows each event once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect

import quartpatterns.streaming.redis_hub  # noqa: F401 - imports block
from quartpatterns._shared.threads import to_thread
from quartpatterns.compare.processes import Process, accepts, free_port, in_thread
from quartpatterns.streaming import Broadcaster
from tests.browser.conftest import Visit
from tests.serving import TIMEOUT, eventually

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

VIEWPORTS = {"desk": (1280, 900), "phone": (390, 844)}


@asynccontextmanager
async def server(port: int, redis_url: str, folder: Path) -> AsyncIterator[Process]:
    """Serve the port of the pattern."""
    env = {
        **os.environ,
        "QUARTPATTERNS_TARGET": "quartpatterns.streaming.example.port:create_app",
        "QUARTPATTERNS_TARGET_CONFIG": repr({"REDIS_URL": redis_url}),
    }
    command = [sys.executable, "-m", "hypercorn", "--bind", f"127.0.0.1:{port}"]
    command += ["asgi:quartpatterns.compare.target:app"]
    starting = await to_thread(lambda: Process(command, log=folder / "log", env=env))
    async with in_thread(starting) as process:
        await to_thread(lambda: process.wait_until(lambda: accepts(port)))
        yield process


class Publisher:
    """Publishes numbers, one after the other."""

    def __init__(self, redis_url: str) -> None:
        self._broadcaster = Broadcaster(redis_url=redis_url, name="streaming-example")
        self.published = 0
        self._stopping = False
        self._task = asyncio.create_task(self._publish())

    async def _publish(self) -> None:
        while not self._stopping:
            await self._broadcaster.publish("feed", f"event {self.published + 1}")
            self.published += 1
            await asyncio.sleep(0.04)

    async def more(self, count: int) -> None:
        """Wait until *count* more events are published."""
        goal = self.published + count
        await eventually(lambda: self.published >= goal)

    async def close(self) -> None:
        self._stopping = True
        await self._task
        await self._broadcaster.close()


async def texts(page: Page) -> list[str]:
    return await page.locator("#events li").all_inner_texts()


async def newest(page: Page, publisher: Publisher) -> None:
    """Wait until the page shows an event that is published from now on."""
    number = publisher.published + 1
    item = page.locator("#events li", has_text=f"event {number}").first
    await expect(item).to_be_attached(timeout=TIMEOUT * 1000)


@pytest.mark.slow
@pytest.mark.parametrize("viewport", VIEWPORTS)
async def test_lost_twice(browser: Browser, redis_url: str, tmp_path: Path, viewport: str) -> None:
    """The server stops, and later dies; the page shows what was published meanwhile, once."""
    port = free_port()
    width, height = VIEWPORTS[viewport]
    page = await browser.new_page(viewport={"width": width, "height": height})
    errors: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        # It has no connection for some time, and it asks for an icon, which there is none.
        if message.type == "error" and "Failed to load resource" not in message.text:
            errors.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    state = page.locator("#state")
    async with server(port, redis_url, tmp_path):
        await page.goto(f"http://127.0.0.1:{port}/feed")
        await expect(state).to_have_text("Connected")
        publisher = Publisher(redis_url)
        await newest(page, publisher)
    await expect(state).to_contain_text("lost")
    await publisher.more(50)  # two seconds
    async with server(port, redis_url, tmp_path) as process:
        await newest(page, publisher)
        await expect(state).to_have_text("Connected")
        os.kill(process.pid, signal.SIGKILL)
        await expect(state).to_contain_text("lost")
    await publisher.more(50)
    async with server(port, redis_url, tmp_path):
        await newest(page, publisher)
        await publisher.close()
        expected = [f"event {number + 1}" for number in range(publisher.published)]
        await expect(page.locator("#events li")).to_have_count(len(expected))
        assert await texts(page) == expected
        overflow = await page.evaluate("document.documentElement.scrollWidth > innerWidth")
        assert not overflow
    await page.close()
    assert errors == []


async def test_feed_by_keyboard(visit: Visit) -> None:
    """A message is published with the keyboard alone, in light and dark, and is text, not HTML."""
    for scheme in ("light", "dark"):
        await visit.page.emulate_media(color_scheme=scheme)
        page = await visit.open("/streaming/feed")
        await expect(page.locator("#state")).to_have_text("Connected")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")
        await page.keyboard.type(f"<b>{scheme}</b>")
        await page.keyboard.press("Enter")
        await expect(page.locator("#events li")).to_have_text([f"<b>{scheme}</b>"])
        await expect(page.get_by_label("Message", exact=True)).to_be_focused()
        colors = await page.evaluate(
            "(([a, b]) => [a.color, b.backgroundColor])([getComputedStyle(document.body),"
            " getComputedStyle(document.documentElement)])"
        )
        assert colors[0] != colors[1]
