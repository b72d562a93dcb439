"""The photo board in a real browser: phone and desk, light and dark, by keyboard, offline."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from io import BytesIO

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, FilePayload, Page

from quartpatterns.compare.processes import StartError
from tests.browser.conftest import browser as browser
from tests.conftest import unavailable
from tests.tutorial.load import serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.wire,
    pytest.mark.asyncio(loop_scope="session"),
]
PASSWORD = "countess of lovelace"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The photo board with its services."""
    try:
        with serve(tmp_path_factory.mktemp("board") / "photoboard") as url:
            yield url
    except StartError as error:
        unavailable(str(error))


@pytest_asyncio.fixture(
    loop_scope="session", params=[(360, "light"), (1280, "dark")], ids=["phone", "desk"]
)
async def page(request: pytest.FixtureRequest, browser: Browser, url: str) -> AsyncIterator[Page]:
    """A window. Errors in its console, and requests to other hosts, fail the test."""
    width, scheme = request.param
    context = await browser.new_context(
        base_url=url, viewport={"width": width, "height": 700}, color_scheme=scheme
    )
    page = await context.new_page()
    page.set_default_timeout(30_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type == "error" else None,
    )
    page.on(
        "request",
        lambda one: problems.append(one.url) if not one.url.startswith((url, "data:")) else None,
    )
    yield page
    await context.close()
    assert not problems


async def fits(page: Page) -> None:
    """Assert that nothing is wider than the window."""
    await page.wait_for_load_state()  # A text can be found before the style is there.
    sizes = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert sizes[0] <= sizes[1]


def picture() -> bytes:
    """A file of a picture."""
    file = BytesIO()
    Image.new("RGB", (1200, 900), "teal").save(file, "JPEG")
    return file.getvalue()


async def test_board(page: Page) -> None:
    """A person registers, uploads a photo, and sees it in the feed and in the list."""
    name = f"Ada {os.urandom(3).hex()}"
    await page.goto("/de/register")
    await fits(page)
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Passwort").fill(PASSWORD)
    await page.locator("main").get_by_role("button").click()
    await page.get_by_role("status").get_by_text(name).wait_for()
    await page.goto("/en/albums/new")
    await page.get_by_label("Title").fill(f"Sea of {name}")
    await page.locator("main").get_by_role("button").click()
    await page.get_by_role("heading", name="Add a photo").wait_for()
    await fits(page)
    album = page.url
    feed = await page.context.new_page()
    async with feed.expect_response("**/en/feed"):
        await feed.goto("/en/")
    await page.get_by_label("Title").fill("Waves")
    photo = FilePayload(name="sea.jpg", mimeType="image/jpeg", buffer=picture())
    await page.get_by_label("Photo").set_input_files(photo)
    await page.get_by_role("button", name="Upload").click()
    await page.get_by_role("status").get_by_text("The photo is saved.").wait_for()
    await feed.get_by_text(f"{name} added the photo “Waves”.").wait_for()
    await feed.close()
    await page.goto(album)
    image = page.locator("main img").first
    assert "/thumbnails/" in (await image.get_attribute("src") or "")
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 480
    await page.get_by_role("link", name="Waves").click()
    await page.get_by_label("Comment").fill("<b>Beautiful</b>")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("<b>Beautiful</b>").wait_for()
    await fits(page)


async def test_keyboard(page: Page) -> None:
    """The first stop of the keyboard skips the navigation, and a wrong field says what is wrong."""
    await page.goto("/en/login")
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    assert await skip.evaluate("link => link === document.activeElement && link.offsetLeft >= 0")
    field = page.get_by_label("Name")
    await field.fill("nobody")
    await page.get_by_label("Password").fill("wrong")
    await page.keyboard.press("Enter")
    wrong = page.get_by_label("Password")
    await page.get_by_text("The name or the password is wrong.").wait_for()
    assert await wrong.get_attribute("aria-invalid") == "true"
    described = await wrong.get_attribute("aria-describedby")
    assert await page.locator(f"#{described}").count() == 1


async def test_colours(page: Page, request: pytest.FixtureRequest) -> None:
    """Texts have enough contrast in light and dark (WCAG AA: 4.5)."""
    await page.goto("/en/login")
    ratios = await page.evaluate(
        """() => {
          const channel = (value) => {
            value /= 255;
            return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
          };
          const light = (colour) => {
            const [red, green, blue] = colour.match(/[\\d.]+/g).map(Number).map(channel);
            return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
          };
          const ratio = (one, other) => {
            const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
          };
          const style = (selector) => getComputedStyle(document.querySelector(selector));
          const back = style("body").backgroundColor;
          const button = style("main button");
          return [
            ratio(style("body").color, back),
            ratio(style("header nav a").color, back),
            ratio(button.color, button.backgroundColor),
          ];
        }"""
    )
    assert min(ratios) >= 4.5
