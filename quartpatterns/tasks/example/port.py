"""Tasks run by a worker: an addition, a wait, and an archive of a user's data."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field
from quart import render_template
from quart_schema import (
    DataSource,
    Info,
    QuartSchema,
    document_response,
    hide,
    validate_request,
    validate_response,
)

from quartpatterns.ajax import swagger_ui
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


def whole(value: Any) -> int:
    """Return the number that ``request.form.get(name, type=int)`` returns of a form field."""
    return int(value[0] if isinstance(value, list) else value)


Number = Annotated[int, BeforeValidator(whole)]


class Operands(BaseModel):
    a: Number
    b: Number


class Duration(BaseModel):
    seconds: Annotated[int, Field(ge=0, le=10), BeforeValidator(whole)] = 1


class UserId(BaseModel):
    user_id: Number


class Queued(BaseModel):
    result_id: str


class Result(BaseModel):
    ready: bool
    successful: bool
    value: Any


class Unavailable(BaseModel):
    error: str


def create_app(config: Mapping[str, Any] | None = None) -> FaithfulQuart:
    app = FaithfulQuart(__name__)
    app.config.from_mapping(REDIS_URL="redis://localhost:6379/0")
    app.config.from_prefixed_env()
    app.config.from_mapping(config or {})
    tasks.init_app(app)
    info = Info("Background tasks", "1")
    QuartSchema(app, info=info, swagger_ui_path=None, redoc_ui_path=None, scalar_ui_path=None)
    swagger_ui(app)

    async def is_allowed() -> bool:
        return True  # Everybody may try this demonstration. An application asks for an admin.

    jobs = tasks.blueprint(access=is_allowed, name="jobs", url_prefix="/jobs")
    app.register_blueprint(jobs)
    for endpoint, view in app.view_functions.items():
        if endpoint.startswith("jobs."):
            hide(getattr(view, "__func__", view))

    @app.get("/")
    @hide
    async def index() -> str:
        return await render_template("tasks/index.html", users=USERS)

    # quart-schema answers a value that is not a number with 400. The original queues None.
    @app.post("/add")
    @validate_request(Operands, source=DataSource.FORM)
    @validate_response(Queued)
    @document_response(Unavailable, 503)
    async def start_add(data: Operands) -> Queued:
        job = await add_together.delay(data.a, data.b)
        return Queued(result_id=job.id)

    @app.post("/wait")
    @validate_request(Duration, source=DataSource.FORM)
    @validate_response(Queued)
    @document_response(Unavailable, 503)
    async def start_wait(data: Duration) -> Queued:
        job = await wait.delay(data.seconds)
        return Queued(result_id=job.id)

    @app.post("/archive")
    @validate_request(UserId, source=DataSource.FORM)
    @validate_response(Queued)
    @document_response(Unavailable, 503)
    async def start_archive(data: UserId) -> Queued:
        job = await generate_user_archive.delay(data.user_id)
        return Queued(result_id=job.id)

    @app.get("/result/<id>")
    @validate_response(Result)
    @document_response(Unavailable, 503)
    async def task_result(id: str) -> Result:
        result = await tasks.result(id)
        return Result(ready=result.ready, successful=result.successful, value=result.value)

    @app.errorhandler(TasksUnavailableError)
    async def tasks_unavailable(error: TasksUnavailableError) -> tuple[dict[str, object], int]:
        return {"error": error.description}, 503

    return app
