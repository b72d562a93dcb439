from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from quartpatterns.compare import services
from quartpatterns.compare.processes import free_port, in_thread
from quartpatterns.tasks import run_worker
from quartpatterns.tasks.example.port import create_app


async def test_mounted(redis_url: str) -> None:
    """The page's URLs contain the prefix that the application is mounted at."""
    app = create_app({"REDIS_URL": redis_url})
    client = app.test_client()
    page = await client.get("/tasks/", root_path="/tasks")
    text = await page.get_data(as_text=True)
    assert page.status_code == 200
    for path in ("add", "wait", "archive", "result/ID", "static/tasks.js", "static/style.css"):
        assert f'"/tasks/{path}"' in text


@pytest.mark.checks("CE-5", "CE-6")
async def test_without_redis(tmp_path: Path) -> None:
    """Without Redis each route answers 503 with a remedy; when Redis is back they work again."""
    port = free_port()
    app = create_app({"REDIS_URL": f"redis://127.0.0.1:{port}/0"})
    client = app.test_client()

    async def send(path: str, form: dict[str, str] | None = None) -> tuple[int, dict[str, object]]:
        response = await (client.get(path) if form is None else client.post(path, form=form))
        return response.status_code, await response.get_json()

    requests = {"/add": {}, "/wait": {}, "/archive": {"user_id": "1"}, "/result/1": None}
    for path, form in requests.items():
        status, data = await send(path, form)
        assert status == 503
        assert "Start Redis or Valkey, or set REDIS_URL" in str(data["error"])
    assert (await client.get("/")).status_code == 200
    async with in_thread(services.valkey(tmp_path, port=port)):
        status, data = await send("/add", {"a": "23", "b": "42"})
        assert status == 200
        async with asyncio.timeout(60):
            await run_worker(app, burst=True)
        expected = {"ready": True, "successful": True, "value": 65}
        assert await send(f"/result/{data['result_id']}") == (200, expected)


@pytest.mark.checks("CE-3")
async def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come from environment variables with Quart's prefix, and from the caller."""
    monkeypatch.setenv("QUART_REDIS_URL", "redis://elsewhere:1/0")
    monkeypatch.setenv("QUART_TASKS_TIMEOUT", "7")
    assert create_app().config["REDIS_URL"] == "redis://elsewhere:1/0"
    assert create_app({"REDIS_URL": "redis://here:1/0"}).config["REDIS_URL"] == "redis://here:1/0"
    assert create_app().config["TASKS_TIMEOUT"] == 7


@pytest.mark.parametrize("seconds", ["", "x", "-5", "nan", "1e9", "9" * 5000])
async def test_invalid_seconds(redis_url: str, seconds: str) -> None:
    """An invalid number of seconds is replaced by the default or by the nearest valid number."""
    app = create_app({"REDIS_URL": redis_url})
    response = await app.test_client().post("/wait", form={"seconds": seconds})
    assert response.status_code == 200
