"""The page about jobs: who may see it, its forms, its data and its events."""

from __future__ import annotations

import asyncio
import json
import math
import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from quart import Quart, redirect

from quartpatterns.tasks import Tasks, current_job
from quartpatterns.wtforms import CSRFProtect
from tests.tasks.conftest import MakeApp
from tests.tasks.test_inspection import in_state, worker_of
from tests.tasks.test_worker import run_jobs


def with_page(make_app: MakeApp, **config: Any) -> tuple[Quart, Tasks]:
    app, tasks = make_app(**config)

    async def is_admin() -> bool:
        return True

    app.register_blueprint(tasks.blueprint(access=is_admin))
    return app, tasks


def fields(html: str, path: str) -> dict[str, str]:
    """Return the hidden fields of the form that is sent to *path*."""
    form = re.search(rf'<form method="post" action="{path}">(.*?)</form>', html, re.DOTALL)
    assert form is not None, html
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))


async def test_no_access_check(make_app: MakeApp) -> None:
    app, tasks = make_app()
    with pytest.raises(RuntimeError, match=r"tasks.blueprint\(access=is_admin\)"):
        app.register_blueprint(tasks.blueprint())


@pytest.mark.parametrize(
    ("answer", "status"), [(True, 200), (False, 403), (None, 403), (redirect("/login"), 302)]
)
async def test_access(make_app: MakeApp, answer: Any, status: int) -> None:
    """Only True opens it, and every address of it is closed otherwise."""
    app, tasks = make_app()
    app.register_blueprint(tasks.blueprint(access=lambda: answer))
    client = app.test_client()
    paths = ["/tasks/", "/tasks/stats.json", "/tasks/jobs.json", "/tasks/metrics"]
    async with app.app_context():
        for path in paths:
            assert (await client.get(path)).status_code == status
        if status != 200:
            for path in ("/tasks/events", "/tasks/job?id=1", "/tasks/job.json?id=1"):
                assert (await client.get(path)).status_code == status
            for path in ("retry", "revoke", "forget", "purge", "retry-all"):
                assert (await client.post(f"/tasks/{path}")).status_code == status


@pytest.mark.parametrize("protect", [False, True])
async def test_retry(make_app: MakeApp, protect: bool) -> None:
    """The list shows a failed job with its traceback, escaped, and its form queues it again."""
    app, tasks = with_page(make_app, SECRET_KEY="k")
    if protect:
        CSRFProtect(app)

    @tasks.task(name="fail")
    async def fail(text: str) -> None:
        raise ValueError(text)

    client = app.test_client()
    async with app.app_context():
        job = await fail.delay("<script>alert(1)</script>")
        await run_jobs(app)
        html = await (await client.get("/tasks/?state=failed")).get_data(as_text=True)
        assert job.id in html and "Traceback (most recent call last)" in html
        assert "<script>alert" not in html and "&lt;script&gt;alert" in html
        form = fields(html, "/tasks/retry")
        assert ("csrf_token" in form) is protect
        refused = [
            ({}, {}),
            (form | {"tasks_token": "x"}, {}),
            (form, {"Origin": "https://evil.example"}),
            (form, {"Sec-Fetch-Site": "cross-site"}),
        ]
        for data, headers in refused:
            response = await client.post("/tasks/retry", form=data, headers=headers)
            assert response.status_code == 400
        other = app.test_client()  # It has no cookie.
        assert (await other.post("/tasks/retry", form=form)).status_code == 400
        assert (await tasks.inspect.job(job.id)).state == "failed"
        response = await client.post("/tasks/retry", form=form)
        assert response.status_code == 303
        assert "message=retried" in response.headers["Location"]
        assert (await tasks.inspect.job(job.id)).state == "queued"
        response = await client.post("/tasks/revoke", form=form)
        assert (await tasks.inspect.job(job.id)).state == "revoked"
        response = await client.post("/tasks/revoke", form=form)
        assert "message=gone" in response.headers["Location"]
        response = await client.post("/tasks/purge", form=form | {"state": "done"})
        assert "message=deleted" in response.headers["Location"]
        assert (await client.get(f"/tasks/job?id={job.id}")).status_code == 404
        response = await client.post("/tasks/purge", form=form | {"state": "running"})
        assert response.status_code == 400


async def test_data(make_app: MakeApp) -> None:
    """JSON, Prometheus' text and the events of one job until it ends."""
    app, tasks = with_page(make_app)
    go_on = asyncio.Event()

    @tasks.task(name="work")
    async def work(number: int) -> set[int]:
        await current_job.update_progress({"done": number, "total": 10})
        await go_on.wait()
        return {number}

    client = app.test_client()
    async with app.app_context(), worker_of(app):
        job = await work.delay(4)
        await in_state(tasks, job.id, "running")
        while (await job.result()).progress is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        html = await (await client.get("/tasks/")).get_data(as_text=True)
        assert '<progress value="0.4" max="1"' in html
        jobs = (await (await client.get("/tasks/jobs.json")).get_json())["jobs"]
        assert [(one["id"], one["args"], one["progress"]) for one in jobs] == [
            (job.id, [4], {"done": 4, "total": 10})
        ]
        async with client.request(f"/tasks/events?id={job.id}") as connection:
            await connection.send_complete()
            text = ""
            async with asyncio.timeout(30):
                while "event: job" not in text or not text.endswith("\n\n"):
                    text += (await connection.receive()).decode()
                go_on.set()
                while "done" not in re.findall(r'"state": "(\w+)"', text):
                    text += (await connection.receive()).decode()
        events = [json.loads(line) for line in re.findall("^data: (.*)$", text, re.MULTILINE)]
        assert [event["state"] for event in events] == ["running", "done"]
        assert events[-1]["value"] == [4]
        response = await client.get(f"/tasks/job.json?id={job.id}")
        assert (await response.get_json())["value"] == [4]
        metrics = await (await client.get("/tasks/metrics")).get_data(as_text=True)
        [stats] = await (await client.get("/tasks/stats.json")).get_json()
        assert f'quartpatterns_tasks_jobs{{queue="{stats["queue"]}",state="running"}} 0' in metrics
        assert 'outcome="succeeded"} 1' in metrics
        for line in metrics.splitlines():
            assert re.fullmatch(r"# (HELP|TYPE) \w+ .+|\w+\{[^{}]+\} [\d.]+", line), line
        for path in ("/tasks/?state=x", "/tasks/?queue=x", "/tasks/job?id=x", "/tasks/job.json"):
            assert (await client.get(path)).status_code == 404
        assert (await client.get("/tasks/jobs.json?limit=-1")).status_code == 400


async def test_values_that_json_lacks(make_app: MakeApp) -> None:
    """Keys that are no text, and numbers that JSON does not have, are text for a reader."""
    app, tasks = with_page(make_app)
    value = {date(2026, 1, 31): math.nan, (1, "a"): [Decimal("1.50")], 2: {frozenset([1])}}

    @tasks.task(name="count")
    async def count(value: Any) -> Any:
        await current_job.update_progress({"a": 1, 2: 3})
        return value

    expected = {"2026-01-31": "nan", "(1, 'a')": ["1.50"], "2": [[1]]}
    client = app.test_client()
    async with app.app_context():
        job = await count.delay(value)
        await run_jobs(app)
        response = await client.get("/tasks/jobs.json?state=done")
        [listed] = (await response.get_json())["jobs"]
        assert listed["args"] == [expected]
        response = await client.get(f"/tasks/job.json?id={job.id}")
        assert (await response.get_json())["value"] == expected
        html = await (await client.get(f"/tasks/job?id={job.id}")).get_data(as_text=True)
        assert "{&#39;a&#39;: 1, 2: 3}" in html
        text = await (await client.get(f"/tasks/events?id={job.id}")).get_data(as_text=True)
        [data] = re.findall("^data: (.*)$", text, re.MULTILINE)
        assert json.loads(data)["value"] == expected


async def test_without_redis(make_app: MakeApp) -> None:
    app, _ = with_page(make_app, REDIS_URL="redis://127.0.0.1:1")
    response = await app.test_client().get("/tasks/")
    assert response.status_code == 503
    assert "can&#39;t be reached" in await response.get_data(as_text=True)


async def test_several_queues(make_app: MakeApp) -> None:
    """Without a queue in the address, the jobs of all; changes of all jobs can be of one queue."""
    app, tasks = with_page(make_app, TASKS_QUEUES=["high", "default", "low"])
    go_on = asyncio.Event()

    @tasks.task(name="fail")
    async def fail() -> None:
        raise ValueError("no")

    @tasks.task(name="work", queue="low")
    async def work() -> None:
        await current_job.update_progress(0.5)
        await go_on.wait()

    client = app.test_client()

    async def text(path: str) -> str:
        response = await client.get(path)
        assert response.status_code == 200
        return await response.get_data(as_text=True)

    async with app.app_context():
        jobs = [await fail.apply_async(queue=queue) for queue in ("default", "low")]
        await run_jobs(app)
        found = await text("/tasks/?state=failed")
        assert all(job.id in found for job in jobs)
        assert "Failed jobs of all queues" in found
        assert jobs[0].id not in await text("/tasks/?state=failed&queue=low")
        assert "No failed jobs." in await text("/tasks/?state=failed&queue=high")
        # The name of a queue in Redis works too, as it is in stats.json.
        [_, _, low] = await tasks.inspect.stats()
        assert jobs[1].id in await text(f"/tasks/?state=failed&queue={low.queue}")
        form = fields(await text("/tasks/?state=failed&queue=low"), "/tasks/retry-all")
        assert form["queue"] == "low"
        await client.post("/tasks/retry-all", form=form)
        assert (await tasks.inspect.job(jobs[0].id)).state == "failed"
        assert (await tasks.inspect.job(jobs[1].id)).state == "queued"
        for path in ("retry-all", "purge"):
            response = await client.post(f"/tasks/{path}", form=form | {"queue": "x"})
            assert response.status_code == 400
        await client.post("/tasks/purge", form=form | {"queue": "default"})
        assert [one.failed for one in await tasks.inspect.stats()] == [0, 0, 0]
        async with worker_of(app):
            job = await work.delay()
            await in_state(tasks, job.id, "running")
            assert job.id in await text("/tasks/")
            async with client.request("/tasks/events") as connection:
                await connection.send_complete()
                received = ""
                async with asyncio.timeout(30):
                    while not received.endswith("}\n\n"):
                        received += (await connection.receive()).decode()
                await connection.disconnect()
            assert job.id in received
            go_on.set()
            await job.wait(timeout=30)


async def test_eager(make_app: MakeApp) -> None:
    """There are no jobs to show if the application runs them itself: 503, and not 500."""
    app, _ = with_page(make_app, TASKS_EAGER=True, TESTING=True)
    for path in ("/tasks/", "/tasks/stats.json", "/tasks/events", "/tasks/metrics"):
        response = await app.test_client().get(path)
        assert response.status_code == 503
        assert "TASKS_EAGER" in await response.get_data(as_text=True)
