"""Tasks run by a worker: an addition, a wait, and an archive of a user's data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from quart import abort, render_template, request

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import Tasks, TasksUnavailableError, current_job

USERS = {1: "ada", 2: "grace"}

tasks = Tasks()


@tasks.task
def add_together(a: int, b: int) -> int:
    return a + b


@tasks.task(timeout=30)
async def wait(seconds: int) -> str:
    for second in range(seconds):
        await current_job.update_progress({"done": second, "total": seconds})
        await asyncio.sleep(1)
    return f"waited {seconds} s"


@tasks.task
async def generate_user_archive(user_id: int) -> str:
    return f"{USERS[user_id]}.zip"


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    app.config.from_mapping(REDIS_URL="redis://localhost:6379/0")
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    tasks.init_app(app)

    async def is_allowed() -> bool:
        return True  # Everybody may try this demonstration. An application asks for an admin.

    app.register_blueprint(tasks.blueprint(access=is_allowed, name="jobs", url_prefix="/jobs"))

    @app.get("/")
    async def index() -> str:
        return await render_template("tasks/index.html", users=USERS)

    @app.post("/add")
    async def start_add() -> dict[str, object]:
        form = await request.form
        a = form.get("a", type=int)
        b = form.get("b", type=int)
        # A value that is not a number is queued as None. The task fails, and its result says so.
        job = await add_together.delay(a, b)  # type: ignore[arg-type]
        return {"result_id": job.id}

    @app.post("/wait")
    async def start_wait() -> dict[str, object]:
        form = await request.form
        seconds = form.get("seconds", type=int, default=1)
        job = await wait.delay(max(0, min(seconds, 10)))
        return {"result_id": job.id}

    @app.post("/archive")
    async def start_archive() -> dict[str, object]:
        form = await request.form
        user_id = form.get("user_id", type=int)
        if user_id not in USERS:
            abort(404)
        job = await generate_user_archive.delay(user_id)
        return {"result_id": job.id}

    @app.get("/result/<id>")
    async def task_result(id: str) -> dict[str, object]:
        result = await tasks.result(id)
        return {
            "ready": result.ready,
            "successful": result.successful,
            "value": result.value,
        }

    @app.errorhandler(TasksUnavailableError)
    async def tasks_unavailable(error: TasksUnavailableError) -> tuple[dict[str, object], int]:
        return {"error": error.description}, 503

    return app
