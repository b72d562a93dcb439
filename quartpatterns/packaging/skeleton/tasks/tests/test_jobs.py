"""Background tasks."""

from __future__ import annotations

from typing import Any

import pytest
from quart.typing import TestClientProtocol as Client
# {% if forms %}
from quartpatterns.pytest_plugin import CSRFPost
# {% endif %}
from quartpatterns.tasks.testing import EagerQueue

from yourapplication import create_app
from yourapplication.background import count_words

PATH = "@{english}/jobs/"


async def test_call() -> None:
    """A task can be called like any other function."""
    assert await count_words("one two") == 2


# {% if forms %}
async def test_job(app_client: Client, csrf_post: CSRFPost, eager_tasks: EagerQueue) -> None:
    """A job counts the words of a text, and the result is shown. No worker is needed."""
    response = await csrf_post(app_client, PATH, page=PATH, form={"text": "one two three"})
# {% else %}
async def test_job(app_client: Client, eager_tasks: EagerQueue) -> None:
    """A job counts the words of a text, and the result is shown. No worker is needed."""
    response = await app_client.post(PATH, form={"text": "one two three"})
# {% endif %}
    assert [job.args for job in eager_tasks.jobs] == [["one two three"]]
    page = await app_client.get(response.headers["Location"])
    assert "3 words." in await page.get_data(as_text=True)


@pytest.mark.usefixtures("task_worker")
async def test_worker(app_client: Client) -> None:
    """A worker runs a job, over a real Redis or Valkey."""
    async with app_client.app.app_context():
        job = await count_words.delay("one two")
        assert await job.wait(timeout=10) == 2


async def test_without_redis(config: dict[str, Any]) -> None:
    """Without Redis the response is an error page with the status 503."""
    app = create_app({**config, "REDIS_URL": "redis://127.0.0.1:1/0"})
    async with app.test_app():
        response = await app.test_client().get(f"{PATH}unknown")
    assert response.status_code == 503
