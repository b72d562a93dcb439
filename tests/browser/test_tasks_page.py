"""The page about jobs in Chromium: live, by keyboard, with long and hostile texts."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from quartpatterns.compare.processes import Process, accepts, free_port

pytestmark = pytest.mark.asyncio(loop_scope="session")

APP = """
import asyncio

from quart import Quart
from quartpatterns.tasks import Tasks, current_job

tasks = Tasks()


@tasks.task(name="photos.resize", queue="low")
async def resize(number: int) -> None:
    for done in range(1000):
        await current_job.update_progress({"done": done, "total": 1000})
        await asyncio.sleep(0.2)


@tasks.task(name="mail.send")
async def send(to: str) -> None:
    raise ValueError(f"no mailbox <img src=x onerror=document.title='hacked'> {to}" + "x" * 500)


def create_app() -> Quart:
    app = Quart(__name__)
    app.config.from_prefixed_env()
    app.config["TASKS_QUEUES"] = ["high", "default", "low"]
    tasks.init_app(app)
    app.register_blueprint(tasks.blueprint(access=lambda: True))

    @app.post("/fill")
    async def fill():
        long = "<script>document.title='hacked'</script> & " + "long " * 400
        await send.delay(long)
        running = await resize.delay(1)
        await tasks.enqueue(resize.s(number) for number in range(3000))
        return {"running": running.id}

    return app
"""


@pytest.fixture(scope="module")
def tasks_url(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An application with the page, and a worker that runs two jobs at a time."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "photos.py").write_text(APP)
    port = free_port()
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parents[2])]),
        "QUART_REDIS_URL": redis_url,
        "QUART_TASKS_QUEUE_NAME": f"test:{secrets.token_hex(6)}",
        "QUART_TASKS_MAX_JOBS": "2",
    }
    name, python = "photos:create_app()", sys.executable
    web = [python, "-m", "hypercorn", name, "--bind", f"127.0.0.1:{port}"]
    worker = [python, "-m", "quartpatterns", "worker", name]
    with (
        Process(web, log=folder / "web.log", env=env) as server,
        Process(worker, log=folder / "worker.log", env=env),
    ):
        server.wait_until(lambda: accepts(port), timeout=60)
        yield f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(params=["desk", "phone"], loop_scope="session")
async def page(
    request: pytest.FixtureRequest, browser: Browser, tasks_url: str
) -> AsyncIterator[Page]:
    width, height = {"desk": (1280, 900), "phone": (390, 844)}[request.param]
    context = await browser.new_context(
        viewport={"width": width, "height": height}, base_url=tasks_url
    )
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    yield page
    await context.close()
    assert not errors


@pytest.mark.slow
async def test_page(page: Page) -> None:
    """All queues at once, without HTML of jobs; live updates keep the focus; by keyboard."""
    running = (await (await page.request.post("/fill")).json())["running"]
    await page.goto("/tasks/")
    heading = page.get_by_role("heading", level=2)
    await expect(heading).to_have_text("Running jobs of all queues")
    # Jobs of a queue that is not the first are on the first page, and their progress is live.
    row = page.locator(".jobs tr", has_text="photos.resize").first
    text = await row.locator("progress").get_attribute("value")
    cancel = row.get_by_role("button", name="Cancel photos.resize")
    await cancel.focus()
    focused = await page.evaluate("document.activeElement.id")
    assert focused.startswith("cancel-")
    await expect(row.locator("progress")).not_to_have_attribute("value", text or "")
    assert await page.evaluate("document.activeElement.id") == focused
    # Enter cancels the job.
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_have_text("Cancelled. A job that runs ends soon.")
    await expect(page.locator(f"#{focused}")).to_have_count(0)
    # If the job leaves the list, the focus goes to the heading of the list.
    await page.goto("/tasks/")
    cancel = page.get_by_role("button", name="Cancel photos.resize").first
    await cancel.focus()
    focused = await page.evaluate("document.activeElement.id")
    other = await page.context.new_page()
    await other.goto("/tasks/")
    await other.locator(f"#{focused}").click()
    await other.close()
    await expect(page.locator(f"#{focused}")).to_have_count(0)
    assert await page.evaluate("document.activeElement.id") == "jobs"
    # 3000 jobs are pages of 50, there and back.
    await page.goto("/tasks/?state=queued&queue=low")
    await expect(page.locator(".jobs tbody tr")).to_have_count(50)
    await page.get_by_role("link", name="More jobs of queue low").click()
    await expect(heading).to_have_text("Queued jobs of queue low, from number 51")
    await page.get_by_role("link", name="First jobs").click()
    await expect(heading).to_have_text("Queued jobs of queue low")
    # Long texts and HTML are text, and fit.
    await page.goto("/tasks/?state=failed")
    await expect(page.locator(".jobs")).to_contain_text("<script>document.title=")
    await expect(page.locator(".jobs")).to_contain_text("<img src=x onerror=")
    assert await page.title() == "Failed jobs"
    await page.locator("summary", has_text="Traceback").first.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".jobs pre").first).to_contain_text("ValueError: no mailbox")
    await _assert_fits(page)
    await page.goto(f"/tasks/job?id={running}")
    await _assert_fits(page)
    await page.goto("/tasks/?state=queued")
    await page.locator("summary", has_text="Delete all queued jobs of all queues").click()
    await page.get_by_role("button", name="Delete them").click()
    await expect(page.locator(".message")).to_have_text("Deleted.")
    await expect(page.get_by_text("No queued jobs.")).to_be_visible()


async def _assert_fits(page: Page) -> None:
    """No sidewards scrolling, and no button whose text is broken into lines."""
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(width) == 0
    # At once, because a live update can remove a button.
    heights = await page.locator("button:visible").evaluate_all(
        "found => found.map(each => [each.textContent, each.getBoundingClientRect().height])"
    )
    assert [text for text, height in heights if height >= 50] == []
