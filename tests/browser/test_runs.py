"""Comparisons and measurements in a browser: with and without JavaScript, and by keyboard alone."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import SIZES, Visit, open_window
from tests.serving import TIMEOUT

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
]
WAIT = TIMEOUT * 1000  # in milliseconds


async def press_until_focused(page: Page, name: str) -> None:
    """Press Tab until the button or link *name* has the focus."""
    target = page.locator("main").get_by_text(name, exact=True).first
    for _ in range(100):
        await page.keyboard.press("Tab")
        if await target.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"{name} cannot be reached with the Tab key")


async def violations(page: Page) -> list[str]:
    """Return what axe finds on the page, but for minor findings."""
    await page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    return [
        f"{page.url}: {found['id']}: {node['html'][:200]}"
        for found in (await Axe().run(page)).response["violations"]
        if found["impact"] != "minor"
        for node in found["nodes"][:3]
    ]


async def fits(page: Page) -> bool:
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    return bool(await page.evaluate(wide))


@pytest.mark.slow
@pytest.mark.parametrize("scripts", [True, False], ids=["javascript", "no-javascript"])
async def test_run(browser: Browser, gallery_url: str, scripts: bool) -> None:
    """By keyboard: start a comparison, see its progress and its result, and find it again."""
    window = open_window(browser, gallery_url, java_script_enabled=scripts, viewport=SIZES["desk"])
    async with window as visit:
        page = await visit.open("/gallery/sqlite3")
        await press_until_focused(page, "Run parity")
        await page.keyboard.press("Enter")
        await page.wait_for_url(re.compile(r"/gallery/runs/\d+$"))
        run = page.url
        await expect(page.locator("progress")).to_be_visible()
        if scripts:
            # The events of the server move it.
            await expect(page.locator("progress[value]")).to_be_visible(timeout=WAIT)
        await expect(page.locator("main .tag.good").first).to_have_text("passed", timeout=WAIT)
        assert page.url == run
        await expect(page.locator("main")).to_contain_text("equal or as declared")
        await page.get_by_role("link", name="Results on this machine").press("Enter")
        await expect(
            page.locator(f'a[href="{run.removeprefix(gallery_url)}"]').first
        ).to_be_visible()
        await page.get_by_role("link", name="Queue").press("Enter")
        await expect(page.locator("main")).to_contain_text("Parity of sqlite3")


@pytest.mark.slow
async def test_cancel(browser: Browser, gallery_url: str) -> None:
    """On the queue page runs start, wait and end while one looks at them; the focus stays."""
    async with (
        open_window(browser, gallery_url, viewport=SIZES["phone"]) as looking,
        open_window(browser, gallery_url) as other,
    ):
        page = await looking.open("/gallery/queue")
        for _ in range(2):
            await other.open("/gallery/sqlalchemy")
            await other.page.get_by_role("button", name="Measure").click()
        panels = page.locator("section.run")
        await expect(panels).to_have_count(2, timeout=WAIT)
        assert await fits(page)
        for left in (1, 0):
            await panels.last.get_by_role("button", name="Cancel").click()
            await page.wait_for_url(re.compile(r"/gallery/runs/\d+$"))
            await expect(page.locator("main .tag").first).to_have_text("cancelled", timeout=WAIT)
            await page.goto(f"{gallery_url}/gallery/queue")
            await expect(panels).to_have_count(left, timeout=WAIT)


async def test_form_beside(visit: Visit) -> None:
    """An original without a page: one form sends the same text to both applications."""
    page = await visit.open("/gallery/requestchecksum/beside")
    await page.get_by_label("A text").fill("the same")
    answers = []
    for name in ("Flask", "Quart"):
        await page.get_by_role("button", name=f"Send to {name}").click()
        answer = page.frame_locator(f"iframe[name={name.lower()}]").locator("body")
        await expect(answer).to_have_text(re.compile("^Hash was: [0-9a-f]{40}$"), timeout=WAIT)
        answers.append(await answer.text_content())
    assert answers[0] == answers[1]
    assert await fits(page)


PAGES = (
    *("/gallery/queue", "/gallery/favicon/runs"),
    *("/gallery/flashing/beside", "/gallery/requestchecksum/beside"),
)
SCHEMES = {"light": SIZES["desk"], "dark": SIZES["phone"]}


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_accessibility(browser: Browser, gallery_url: str, scheme: str) -> None:
    """axe finds nothing on the pages of runs, while they run and when they have ended."""
    options = {"color_scheme": scheme, "viewport": SCHEMES[scheme]}
    async with open_window(browser, gallery_url, **options) as visit:
        for kind in ("Run parity", "Measure", "Measure"):
            page = await visit.open("/gallery/favicon")
            await page.get_by_role("button", name=kind).click()
            await page.wait_for_url(re.compile(r"/gallery/runs/\d+$"))
            assert await violations(page) == []
            assert await fits(page)
            await expect(page.locator("main .tag.good").first).to_be_visible(timeout=WAIT)
            assert await violations(page) == []
            assert await fits(page)
        for path in PAGES:
            await visit.open(path)
            assert await violations(page) == []
            assert await fits(page)


async def test_size(visit: Visit) -> None:
    """A page with its styles and scripts has less than 100 kB, and the screen fits it."""
    page = await visit.open("/gallery/queue")
    total = await page.evaluate(
        "[...performance.getEntriesByType('resource'),"
        " ...performance.getEntriesByType('navigation')]"
        ".reduce((sum, each) => sum + each.decodedBodySize, 0)"
    )
    assert 0 < total < 100_000
    assert await fits(page)
