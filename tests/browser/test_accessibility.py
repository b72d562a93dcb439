"""axe finds nothing serious and nothing moderate on the pages of the gallery."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser

from quartpatterns import catalog
from tests.browser.conftest import SIZES, Visit, open_window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

PATTERN_PAGES = ("", "/code", "/cases")
PAGES = (
    "/",
    "/?q=nothing+at+all",
    "/gallery/differences",
    "/gallery/differences?kind=security",
    "/gallery/faithful?exchange=23",
    "/gallery/streaming/code/event_stream.py",
)
# The colours of the two schemes are on each page; the layout of the phone is in one of them.
SCHEMES = {"light": SIZES["desk"], "dark": SIZES["phone"]}


async def violations(visit: Visit, path: str) -> list[str]:
    """Return what axe finds on *path*, with all sections open, but for minor findings."""
    page = await visit.open(path)
    await page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    results = (await Axe().run(page)).response
    return [
        f"{path}: {found['id']}: {node['html'][:200]}"
        for found in results["violations"]
        if found["impact"] != "minor"
        for node in found["nodes"][:3]
    ]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_one_page(browser: Browser, gallery_url: str, scheme: str) -> None:
    options = {"color_scheme": scheme, "viewport": SCHEMES[scheme]}
    async with open_window(browser, gallery_url, **options) as visit:
        assert await violations(visit, "/gallery/flashing") == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", PAGES)
async def test_page(browser: Browser, gallery_url: str, scheme: str, path: str) -> None:
    options = {"color_scheme": scheme, "viewport": SCHEMES[scheme]}
    async with open_window(browser, gallery_url, **options) as visit:
        assert await violations(visit, path) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("name", [pattern.name for pattern in catalog.PATTERNS])
async def test_pattern(browser: Browser, gallery_url: str, scheme: str, name: str) -> None:
    options = {"color_scheme": scheme, "viewport": SCHEMES[scheme]}
    async with open_window(browser, gallery_url, **options) as visit:
        for path in PATTERN_PAGES:
            assert await violations(visit, f"/gallery/{name}{path}") == []
