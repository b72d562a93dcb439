"""The gallery in a browser: on a desktop and a phone, with and without JavaScript."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from quartpatterns import catalog
from tests.browser.conftest import SIZES, Visit, open_window

NAMES = [pattern.name for pattern in catalog.PATTERNS]
pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def fits(visit: Visit) -> bool:
    """Return whether the page is not wider than the screen, with all sections open."""
    await visit.page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    return bool(await visit.page.evaluate(wide))


async def test_index(visit: Visit) -> None:
    page = await visit.open("/")
    assert await page.locator(".card").count() == 26
    assert await fits(visit)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["", "/code", "/cases"])
@pytest.mark.parametrize("name", NAMES)
async def test_pattern_page(visit: Visit, name: str, path: str) -> None:
    """A page is short before its sections are opened, and fits the screen after."""
    page = await visit.open(f"/gallery/{name}{path}")
    height = await page.evaluate("document.documentElement.scrollHeight")
    assert height < (16_000 if path == "/code" else 9_000)
    assert await fits(visit)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_port(visit: Visit, name: str) -> None:
    """The first page of each port has a title and fits the screen. A page leads back."""
    page = await visit.open(f"/{name}/")
    assert await page.title()
    assert await fits(visit)
    if await page.evaluate("document.contentType") == "text/html":
        await page.locator("quartpatterns-gallery a").first.click()
        await page.wait_for_url(f"**/gallery/{name}")


async def search(page: Page, words: str) -> None:
    await page.get_by_label("Search").fill(words)
    await page.keyboard.press("Enter")


@pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no-javascript"])
async def test_whole_visit(browser: Browser, gallery_url: str, scripts: bool) -> None:
    """From the index to a pattern, its code, its cases, its port and back, and to the others."""
    window = open_window(browser, gallery_url, java_script_enabled=scripts, viewport=SIZES["desk"])
    async with window as visit:
        page = await visit.open("/")
        await search(page, "uploads progress")
        await expect(page.locator(".card")).to_have_count(1)
        await page.wait_for_url("**q=uploads+progress**")
        await page.locator(".card").get_by_role("link", name="Uploading files").first.click()
        await expect(page.locator("h1")).to_have_text("Uploading files")
        await expect(page.get_by_role("button", name="Copy")).to_have_count(int(scripts))
        section = page.locator("#differences-from-flask")
        await expect(section.locator("p, ul, table").first).to_be_hidden()
        await section.locator("summary").click()
        await expect(section.locator("p, ul, table").first).to_be_visible()
        contents = page.get_by_role("navigation", name="Uploading files")
        await contents.get_by_role("link", name="Original and port").click()
        await expect(page.locator(".hunk.changed").first).to_be_visible()
        await contents.get_by_role("link", name="Cases and differences").click()
        await expect(page.locator(".answers .flask").first).to_be_visible()
        await contents.get_by_role("link", name="Try the port").click()
        await page.wait_for_url("**/fileuploads/")
        await page.get_by_role("link", name="‹ Uploading files").click()
        await page.wait_for_url("**/gallery/fileuploads")
        await page.get_by_role("link", name="Differences", exact=True).click()
        await expect(page.locator("details.difference").first).to_be_visible()
        everything = await page.locator("details.difference").count()
        await page.get_by_label("Kind").select_option("security")
        await search(page, "upload")
        await expect(page.locator("details.difference")).not_to_have_count(everything)
        await expect(page.locator("#found")).to_contain_text(" of ")
        assert 0 < await page.locator("details.difference").count() < everything
        await page.get_by_role("link", name="FaithfulQuart", exact=True).click()
        await page.wait_for_load_state()  # The script of the page listens then.
        await page.get_by_label("Exchange").select_option("Range: bytes=-2")
        if not scripts:
            await page.get_by_role("button", name="Ask all three").click()
        await expect(page.locator("h2").first).to_have_text("Range: bytes=-2")
        await expect(page.locator(".result")).to_have_text(["206 lo", "500", "206 lo"])


async def test_search_while_typing(visit: Visit) -> None:
    """With JavaScript the cards follow the words; the URL has them, and the page stays."""
    page = await visit.open("/")
    await page.evaluate("window.stays = true")
    await page.get_by_label("Search").press_sequentially("celery")
    await expect(page.locator(".card")).to_have_count(1)
    await expect(page.get_by_role("status")).to_contain_text("1 pattern of 26")
    assert page.url.endswith("?q=celery")
    assert await page.evaluate("window.stays")
    await page.reload()
    await expect(page.locator(".card")).to_have_count(1)


async def focused(page: Page) -> str:
    """Return the text or the label of the element that has the focus."""
    return str(
        await page.evaluate(
            """() => {
              let element = document.activeElement;
              if (element.shadowRoot) element = element.shadowRoot.activeElement;
              return (element.labels?.[0] ?? element).innerText.trim();
            }"""
        )
    )


async def tab_to(page: Page, text: str) -> None:
    """Press Tab until the element with *text* has the focus."""
    seen = []
    for _ in range(120):
        await page.keyboard.press("Tab")
        seen.append(await focused(page))
        if seen[-1].startswith(text):
            return
    raise AssertionError(f"{text!r} is not reached: {seen}")


async def test_keyboard(visit: Visit) -> None:
    """The whole visit with the keyboard alone."""
    page, keyboard = await visit.open("/"), visit.page.keyboard
    await tab_to(page, "Skip to the content")
    await keyboard.press("Enter")
    await tab_to(page, "The patterns")
    await keyboard.press("Enter")
    await tab_to(page, "Search")
    await keyboard.type("flashing")
    await keyboard.press("Enter")
    await expect(page.locator(".card")).to_have_count(1)
    await tab_to(page, "Message flashing")
    await keyboard.press("Enter")
    await page.wait_for_url("**/gallery/flashing")
    await tab_to(page, "Limits")  # in the contents, on the phone in a strip
    await keyboard.press("Enter")
    await expect(page.locator("#limits li, #limits p").first).to_be_visible()
    await page.keyboard.press("Home")
    await tab_to(page, "Checks")
    await keyboard.press("Enter")
    await expect(page.locator("#checks table")).to_be_visible()
    await page.go_back()
    await page.reload()
    await tab_to(page, "Try the port")
    await keyboard.press("Enter")
    await page.wait_for_url("**/flashing/")
    await tab_to(page, "‹ Message flashing")
    await keyboard.press("Enter")
    await page.wait_for_url("**/gallery/flashing")


@pytest.mark.slow
async def test_focus_is_visible(visit: Visit) -> None:
    """The element with the focus is not below the header or outside of the screen."""
    await visit.page.emulate_media(reduced_motion="reduce")  # it scrolls at once
    page = await visit.open("/gallery/flashing")
    for _ in range(30):
        await page.keyboard.press("Tab")
        hidden = await page.evaluate(
            """() => {
              const box = document.activeElement.getBoundingClientRect();
              const x = box.left + Math.min(box.width / 2, 20), y = box.top + box.height / 2;
              const top = document.elementFromPoint(x, y);
              const active = document.activeElement;
              return top && (active.contains(top) || top.contains(active)) ? "" : active.outerHTML;
            }"""
        )
        assert hidden == ""


async def test_dark_mode(visit: Visit) -> None:
    """The dark mode follows the system."""
    page = await visit.open("/")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(colour)
    await page.emulate_media(color_scheme="dark")
    assert await page.evaluate(colour) != light
