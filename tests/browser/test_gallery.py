"""The gallery in a browser: on a desktop and a phone, with the keyboard, without the Internet."""

from __future__ import annotations

import pytest

from quartpatterns import catalog
from tests.browser.conftest import Visit

NAMES = [pattern.name for pattern in catalog.PATTERNS]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def fits(visit: Visit) -> bool:
    """Return whether the page is not wider than the screen."""
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    return bool(await visit.page.evaluate(wide))


async def test_index(visit: Visit) -> None:
    page = await visit.open("/")
    assert await page.locator(".card").count() == 26
    assert await fits(visit)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_pattern_page(visit: Visit, name: str) -> None:
    page = await visit.open(f"/gallery/{name}")
    assert await page.locator("#code pre").count() == 2
    assert await fits(visit)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_port(visit: Visit, name: str) -> None:
    """The first page of each port has a title and fits the screen."""
    page = await visit.open(f"/{name}/")
    assert await page.title()
    assert await fits(visit)


async def test_keyboard(visit: Visit) -> None:
    """The first Tab focuses the link to the content; Enter follows a link."""
    page = await visit.open("/")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.className") == "skip"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/gallery/*")


async def test_dark_mode(visit: Visit) -> None:
    """The dark mode follows the system."""
    page = await visit.open("/")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(colour)
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(colour) != light
