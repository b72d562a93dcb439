"""Each port works in a browser."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import pytest
from playwright.async_api import FilePayload, expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_ajax(visit: Visit) -> None:
    """jQuery and fetch send numbers to the server, which adds them."""
    page = await visit.open("/ajax/")
    for calculate in ("#calculate", "#calculate-fetch"):
        await page.reload()
        await page.fill("[name=a]", "23")
        await page.fill("[name=b]", "42")
        await page.click(calculate)
        await expect(page.locator("#result")).to_have_text("65")


async def test_appfactories(visit: Visit) -> None:
    """A new entry is shown."""
    page = await visit.open("/appfactories/")
    text = f"entry {secrets.token_hex(4)}"
    await page.fill("[name=text]", text)
    await page.click("text=Write")
    await expect(page.get_by_text(text)).to_be_visible()


async def test_deferredcallbacks(visit: Visit) -> None:
    """The language is stored in a cookie; an order is stored after the response."""
    page = await visit.open("/deferredcallbacks/")
    cookies = {cookie["name"] for cookie in await page.context.cookies()}
    assert "user_lang" in cookies
    name = f"order {secrets.token_hex(4)}"
    await page.fill("[name=name]", name)
    await page.click("button")
    await expect(page.locator("body")).to_contain_text("accepted")
    await page.goto(f"{visit.url}/deferredcallbacks/orders")
    async with asyncio.timeout(60):
        while name not in await page.locator("body").inner_text():
            await page.reload()


async def test_flashing(visit: Visit) -> None:
    """A message is shown once."""
    page = await visit.open("/flashing/login")
    await page.fill("[name=username]", "admin")
    await page.fill("[name=password]", "secret")
    await page.click("[type=submit]")
    message = page.get_by_text("You were successfully logged in")
    await expect(message).to_have_count(1)
    await page.reload()
    await expect(message).to_have_count(0)


async def test_lazyloading(visit: Visit) -> None:
    page = await visit.open("/lazyloading/")
    await page.click("text=one with a name")
    await expect(page.locator("body")).to_contain_text("Ada")


async def test_methodoverrides(visit: Visit) -> None:
    """A POST is handled as the method in its header."""
    page = await visit.open("/methodoverrides/")
    await page.select_option("select", "PATCH")
    await page.click("button")
    await expect(page.locator("#seen")).to_contain_text('"method":"PATCH"')


async def test_packages(visit: Visit) -> None:
    page = await visit.open("/packages/")
    await expect(page.locator("h1")).to_have_text("Hello World!")
    await page.click("text=Grace")
    await expect(page.locator("body")).to_contain_text("Grace")


async def test_singlepageapplications(visit: Visit) -> None:
    """A route of the client works after a reload."""
    page = await visit.open("/singlepageapplications/")
    await page.click("text=Profile")
    await page.wait_for_url("**/singlepageapplications/settings/profile")
    shown = await page.locator("#view").inner_text()
    await page.reload()
    await expect(page.locator("#view")).to_have_text(shown)


async def test_sqlalchemy(visit: Visit) -> None:
    """A new user is listed, and links lead from page to page."""
    page = await visit.open("/sqlalchemy/")
    name = f"user {secrets.token_hex(4)}"
    await page.fill("[name=name]", name)
    await page.fill("[name=email]", f"{name.replace(' ', '')}@example.com")
    await page.click("button")
    assert (await page.request.get(f"{visit.url}/sqlalchemy/users/by-name/{name}")).ok
    for number in range(3):
        person = {"name": f"{name} {number}", "email": f"{name.replace(' ', '')}{number}@localhost"}
        assert (await page.request.post(f"{visit.url}/sqlalchemy/users", data=person)).ok
    await page.goto(f"{visit.url}/sqlalchemy/?per_page=2")
    pages = page.get_by_role("navigation", name="Pages")
    current = pages.locator("[aria-current=page]")
    await expect(current).to_have_text("1")
    await pages.get_by_role("link", name="Next").click()
    await expect(current).to_have_text("2")
    await pages.get_by_role("link", name="Previous").click()
    await expect(current).to_have_text("1")
    await expect(page.locator("tbody tr")).to_have_count(2)


async def test_streaming(visit: Visit) -> None:
    page = await visit.open("/streaming/")
    await page.fill("[name=name]", "<b>Ada</b>")
    await page.click("text=Greet")
    await expect(page.locator("body")).to_contain_text("Hello <b>Ada</b>!")


async def test_tasks(visit: Visit) -> None:
    """A job is queued, a worker runs it, and its result is shown."""
    page = await visit.open("/tasks/")
    await page.get_by_role("button", name="Add").click()
    await expect(page.locator("body")).to_contain_text("65", timeout=15_000)


async def test_tasks_page(visit: Visit) -> None:
    """The page shows a job that runs, and queues a failed one again by the keyboard."""
    page = await visit.open("/tasks/")
    await page.fill("[name=seconds]", "10")
    await page.get_by_role("button", name="Wait").click()
    await page.select_option("[name=user_id]", "3")
    await page.get_by_role("button", name="Archive").click()
    await expect(page.locator("body")).to_contain_text("KeyError", timeout=15_000)
    await visit.open("/tasks/jobs/")
    await expect(page.locator("#live-state")).to_have_text("live")
    await expect(page.locator("progress").first).to_be_visible()
    await visit.open("/tasks/jobs/?state=failed")
    await page.locator("summary").first.click()
    await expect(page.locator("pre").first).to_contain_text("Traceback (most recent call last)")
    wide = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
    assert await page.evaluate(wide)
    await page.get_by_role("button", name="Retry").first.focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**message=retried*")
    await expect(page.locator(".message")).to_have_text("Queued again.")


async def test_templateinheritance(visit: Visit) -> None:
    page = await visit.open("/templateinheritance/")
    assert await page.title() == "Index - My Webpage"
    await expect(page.locator("#footer")).to_be_visible()


async def test_urlprocessors(visit: Visit) -> None:
    """Links contain the current language."""
    page = await visit.open("/urlprocessors/")
    await page.locator("a[href*='/de/']").first.click()
    await page.wait_for_url("**/de/**")
    assert await page.locator("a[href*='/de/about']").count() >= 1


async def test_appdispatch(visit: Visit) -> None:
    """Another application responds below its prefix, even without the trailing slash."""
    page = await visit.open("/appdispatch/backend")
    assert page.url.endswith("/appdispatch/backend/")
    await visit.open("/appdispatch/")
    await page.click("text=The application of alice >> nth=0")
    await expect(page.locator("body")).to_contain_text("alice")


async def test_errorpages(visit: Visit) -> None:
    """An error has a page of the application; the browser reports its status."""
    page = await visit.open("/errorpages/")
    await page.click("text=gone >> nth=0")
    await expect(page.locator("h1")).to_be_visible()
    assert all("410" in error for error in visit.errors)
    visit.errors.clear()


async def test_favicon(visit: Visit) -> None:
    """The browser can display the icon."""
    page = await visit.open("/favicon/")
    assert await page.evaluate("document.querySelector('img').naturalWidth") > 0


async def test_requestchecksum(visit: Visit) -> None:
    """A document with the correct digest is stored, one with a wrong digest is rejected."""
    page = await visit.open("/requestchecksum/")
    send, said = page.locator("#document button"), page.locator("#said")
    await send.click()
    await expect(said).to_contain_text("20")
    await page.check("[name=spoil]")
    await send.click()
    await expect(said).to_have_text("400, not kept")
    assert all("400" in error for error in visit.errors)
    visit.errors.clear()


async def test_subclassing(visit: Visit) -> None:
    page = await visit.open("/subclassing/")
    await expect(page.locator("h1")).to_be_visible()


async def test_viewdecorators(visit: Visit) -> None:
    """After the login the browser returns to the protected page."""
    page = await visit.open("/viewdecorators/")
    await page.click("text=A page behind a login")
    await page.fill("[name=username]", "ada")
    await page.fill("[name=password]", "engine")
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url("**/viewdecorators/secret_page")
    await expect(page.locator("body")).to_contain_text("ada")


async def test_packaging(visit: Visit) -> None:
    """Templates, style, picture and data are found in the installed package."""
    page = await visit.open("/packaging/")
    await expect(page.locator("blockquote")).to_contain_text("contains its data files")
    assert await page.evaluate("document.querySelector('img').naturalWidth") > 0
    await page.get_by_role("link", name="version").click()
    await expect(page.locator("body")).to_contain_text('"name":"quartpatterns"')


async def test_wtforms(visit: Visit) -> None:
    """A form works with the keyboard; an asynchronous validator rejects a name in use."""
    page = await visit.open("/wtforms/register")
    name = f"user{secrets.token_hex(4)}"

    async def register(username: str, email: str) -> None:
        await page.focus("#username")
        for value in (username, email, "engine", "engine"):
            await page.keyboard.press("ControlOrMeta+A")
            await page.keyboard.type(value)
            await page.keyboard.press("Tab")
        if not await page.is_checked("#accept_tos"):
            await page.keyboard.press("Space")
        await page.keyboard.press("Enter")

    await register("x", f"{name}@example.com")
    summary = page.get_by_role("alert")
    await expect(summary).to_contain_text("Username")
    # The first Tab focuses the link to the invalid field.
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    field = page.get_by_label("Username")
    await expect(field).to_be_focused()
    await expect(field).to_have_attribute("aria-invalid", "true")
    await expect(field).to_have_accessible_description(
        "Field must be between 4 and 25 characters long."
    )
    await register(name, f"{name}@example.com")
    await expect(page.get_by_text("Thanks for registering")).to_be_visible()

    await page.goto(f"{visit.url}/wtforms/register")
    await page.get_by_label("Username").fill(name)
    await page.keyboard.press("Tab")
    await expect(page.locator("#free")).to_have_text("Username: This name is taken.")
    await register(name, f"{name}@example.com")
    await expect(page.locator("#username-errors")).to_have_text("This name is taken.")
    await expect(page.locator("#email-errors")).to_contain_text("Somebody has registered")
    await expect(page.get_by_label("New Password")).to_have_value("")


async def test_mongodb(visit: Visit) -> None:
    """A new movie is listed by its year, and found by its actor."""
    page = await visit.open("/mongodb/")
    title = f"Movie {secrets.token_hex(4)}"
    await page.fill("[name=title]", title)
    await page.fill("[name=year]", "2016")
    await page.fill("[name=actors] >> nth=0", title[::-1])
    await page.get_by_role("button", name="Add").click()
    await page.wait_for_url("**/mongodb/")
    found = await page.request.get(f"{visit.url}/mongodb/movies/starring/{title[::-1]}")
    assert (await found.json())["movie"]["title"] == title
    since = await page.request.get(f"{visit.url}/mongodb/movies/since/2016")
    assert title in (await since.json())["titles"]


async def test_fileuploads(visit: Visit, tmp_path: Path) -> None:
    """An invalid form has an error message; a large file (UPLOAD_MIB) has a progress bar."""
    page = await visit.open("/fileuploads/")
    await page.click("[type=submit]")
    await expect(page.get_by_role("status")).to_have_text("No selected file")
    text = FilePayload(name="a b.txt", mimeType="text/plain", buffer=b"hello")
    await page.set_input_files("[name=file]", text)
    await page.click("[type=submit]")
    await expect(page.locator("body")).to_have_text("hello")

    size = int(os.environ.get("UPLOAD_MIB", "96")) * 1024 * 1024
    large = tmp_path / "large.bin"
    await asyncio.to_thread(large.write_bytes, b"")
    await asyncio.to_thread(os.truncate, large, size)
    await visit.open("/fileuploads/progress")
    await page.set_input_files("[name=file]", large)
    await page.evaluate("""() => {
        window.seen = [];
        new MutationObserver(() => window.seen.push(document.getElementById("sent").position))
            .observe(document.getElementById("sent"), { attributes: true });
    }""")
    await page.get_by_role("button", name="Upload").click()
    await expect(page.locator("#result")).to_contain_text(f"{size:,} bytes", timeout=60_000)
    await expect(page.locator("#received")).to_have_js_property("position", 1)
    assert any(0 < position < 1 for position in await page.evaluate("window.seen"))
    url = await page.locator("#result a").get_attribute("href")
    head = await page.request.head(f"{visit.url}{url}")
    assert head.headers["content-length"] == str(size)


async def test_caching(visit: Visit) -> None:
    """A cached item stays the same when the page is loaded again, until it is deleted."""
    page = await visit.open("/caching/")
    item = page.locator("#item")
    number = int(await item.inner_text())
    await page.get_by_role("link", name="Load again").click()
    await expect(item).to_have_text(str(number))
    await page.get_by_role("button", name="Delete it").click()
    await expect(item).to_have_text(str(number + 1))
    name = secrets.token_hex(4)
    for rendered in (1, 2):
        await visit.open(f"/caching/fragment/{name}")
        await expect(page.locator("main > p").first).to_contain_text(f"rendered {rendered} times")
        await expect(page.locator("aside p").first).to_contain_text("rendered 1 times")


async def test_deployment(visit: Visit) -> None:
    """The configuration of the host overrides the defaults; the deployment commands are shown."""
    page = await visit.open("/deployment/")
    await expect(page.locator("h1")).to_have_text("Hello from this host")
    await page.get_by_role("link", name="error of unset").click()
    await expect(page.locator("body")).to_contain_text("'YOURAPPLICATION_UNSET' is not set")
    await visit.open("/deployment/")
    await page.get_by_role("link", name="commands of a deployment").click()
    await expect(page.locator("ol.plan")).to_contain_text("--require-hashes")


async def test_sqlite3(visit: Visit) -> None:
    """A new user is shown; an SQL injection is an ordinary name."""
    page = await visit.open("/sqlite3/")
    for name in (f"user {secrets.token_hex(4)}", f"'; DROP TABLE users; -- {secrets.token_hex(4)}"):
        await page.fill("[name=name]", name)
        await page.fill("[name=email]", "ada@localhost")
        await page.click("text=Add")
        await expect(page.get_by_role("link", name=name)).to_be_visible()
    await page.get_by_role("link", name=name).click()
    await expect(page.locator("body")).to_contain_text("ada@localhost")
    await visit.open("/sqlite3/")
    await page.get_by_role("link", name="On", exact=True).click()
    await expect(page.get_by_role("link", name="Back")).to_be_visible()
