"""The built pages: on phones and desks, in light and dark, with keyboard and screen reader."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page

from docs.extension.repository import ROOT
from tests.browser.conftest import browser as browser

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]
in_browser = pytest.mark.asyncio(loop_scope="session")

SITE = ROOT / "docs" / "_build" / "html"
# The colours of the two schemes are on each page; the layout of the phone is in one of them.
WINDOWS = {"light": (1280, 900), "dark": (390, 844)}
AXE_PAGES = [
    *("index", "installation", "quickstart", "configuration", "command_line", "troubleshooting"),
    *("patterns/index", "patterns/sqlite3", "patterns/subclassing", "reference/index"),
    *("reference/sqlalchemy", "examples/sqlite3", "differences", "search", "genindex"),
]
OLD_PAGES = """
    architecture benchmark cases changes contributing differences events index nginx sections
    security servers testing together tasks/index tasks/canvas tutorial/index tutorial/1_pages
    patterns/tasks patterns/sqlite3
"""


@pytest.fixture(scope="module")
def site() -> Path:
    """The pages, as ``make docs`` builds them; only what has changed is built again."""
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--quiet", "docs", str(SITE)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return SITE


@pytest.fixture(scope="module")
def url(site: Path) -> Iterator[str]:
    """A server of the pages."""
    handler = partial(_QuietHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest_asyncio.fixture(params=WINDOWS, loop_scope="session")
async def page(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Page]:
    """A window of a desk in light, and of a phone in dark colours."""
    width, height = WINDOWS[request.param]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=request.param
    )
    yield await context.new_page()
    await context.close()


def page_names(site: Path) -> list[str]:
    return [str(one.relative_to(site)) for one in site.rglob("*.html")]


@in_browser
@pytest.mark.parametrize("name", AXE_PAGES)
async def test_accessibility(url: str, page: Page, name: str) -> None:
    """axe finds nothing that is more than minor, and nothing comes from another host."""
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    await page.goto(f"{url}/{name}.html")
    results = (await Axe().run(page)).response
    found = [
        f"{one['id']}: {node['html'][:200]}"
        for one in results["violations"]
        if one["impact"] != "minor"
        for node in one["nodes"][:3]
    ]
    assert found == []
    assert [one for one in requests if not one.startswith((url, "data:"))] == []


@in_browser
async def test_width(url: str, site: Path, browser: Browser) -> None:
    """No page is wider than a phone."""
    page = await browser.new_page(viewport={"width": 390, "height": 844})
    wide: list[str] = []
    names = [name for name in page_names(site) if not name.startswith("_")]
    assert len(names) > 100
    for name in names:
        await page.goto(f"{url}/{name}", wait_until="domcontentloaded")
        if await page.evaluate("document.documentElement.scrollWidth") > 390:
            wide.append(name)
    await page.close()
    assert wide == []


@in_browser
async def test_search(url: str, page: Page) -> None:
    """The search finds a setting, without a server of its own."""
    await page.goto(f"{url}/search.html?q=SQLITE_BUSY_TIMEOUT")
    link = page.locator("#search-results a[href*='configuration.html']").first
    await link.wait_for()
    assert "SQLITE_BUSY_TIMEOUT" in (await link.get_attribute("href") or "")


def test_old_pages(site: Path) -> None:
    """The addresses of earlier versions of the documentation still exist."""
    assert [one for one in OLD_PAGES.split() if not (site / f"{one}.html").is_file()] == []


def test_reachable(site: Path) -> None:
    """Each page in the table of contents can be reached from the front page."""
    front = (site / "index.html").read_text()
    files = [file for file in (ROOT / "docs").rglob("*.md") if "_build" not in file.parts]
    names = [file.relative_to(ROOT / "docs").with_suffix("").as_posix() for file in files]
    no_pages = ["coming_from_flask/examples", "moving/toolshed", "tutorial/photoboard"]
    others = ("examples/", "files/", "index", *no_pages)
    pages = [name for name in names if not name.startswith(others)]
    assert len(pages) > 60
    assert [name for name in pages if f'href="{name}.html"' not in front] == []
