from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from quart import Quart

from quartpatterns.compare import services
from quartpatterns.compare.processes import free_port, in_thread
from quartpatterns.tasks import run_worker
from quartpatterns.tasks.example.port import create_app, tasks


async def queued(app: Quart) -> list[int]:
    """Return how many jobs are queued in each queue of *app*, which has one."""
    async with app.app_context():
        return [one.queued for one in await tasks.inspect.stats()]


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

    operands = {"a": "1", "b": "2"}
    requests = {"/add": operands, "/wait": {}, "/archive": {"user_id": "1"}, "/result/1": None}
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


@pytest.mark.checks("CE-5")
@pytest.mark.parametrize("seconds", ["", "x", "-5", "11", "nan", "1.0", "1e9", "9" * 5000])
async def test_invalid_seconds(redis_url: str, seconds: str) -> None:
    """An invalid number of seconds is refused, and nothing is queued."""
    app = create_app({"REDIS_URL": redis_url})
    response = await app.test_client().post("/wait", form={"seconds": seconds})
    assert response.status_code == 400
    assert await queued(app) == [0]


@pytest.mark.checks("CE-5")
@pytest.mark.parametrize("form", ["", "a=1", "b=1", "a=x&b=1", "a=1.0&b=2", "a=&b=2", "a=%FF&b=2"])
async def test_invalid_numbers(redis_url: str, form: str) -> None:
    """A task that needs two numbers is not queued without them."""
    app = create_app({"REDIS_URL": redis_url})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await app.test_client().post("/add", data=form, headers=headers)
    assert response.status_code == 400
    assert await queued(app) == [0]


@pytest.mark.checks("CE-8")
async def test_document() -> None:
    """quart-schema documents the forms, the answers and the errors, and not the other pages."""
    client = create_app().test_client()
    document = await (await client.get("/openapi.json")).get_json()
    methods = {path: set(found) for path, found in document["paths"].items()}
    assert methods == {
        "/add": {"post"},
        "/wait": {"post"},
        "/archive": {"post"},
        "/result/{id}": {"get"},
    }
    add = document["paths"]["/add"]["post"]
    (content,) = add["requestBody"]["content"].items()
    assert content[0] == "application/x-www-form-urlencoded"
    assert content[1]["schema"]["required"] == ["a", "b"]
    assert {"200", "503"} <= set(add["responses"])
    wait = document["paths"]["/wait"]["post"]["requestBody"]["content"]
    assert wait[content[0]]["schema"]["properties"]["seconds"]["maximum"] == 10
    assert "swagger-ui" in await (await client.get("/docs")).get_data(as_text=True)
