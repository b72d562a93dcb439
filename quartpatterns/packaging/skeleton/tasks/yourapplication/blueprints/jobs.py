"""Jobs that a worker runs, and their results."""

from __future__ import annotations

from quart import Blueprint, abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from yourapplication.tasks import count_words, tasks

jobs = Blueprint("jobs", __name__, url_prefix="/jobs")
MAX_LENGTH = 10_000


@jobs.get("/")
async def index() -> str:
    """Render the form."""
    return await render_template("jobs.html", max_length=MAX_LENGTH)


@jobs.post("/")
async def start() -> ResponseReturnValue:
    """Enqueue a job, and redirect to the page of its result."""
    text = (await request.form).get("text", "")
    if not 1 <= len(text) <= MAX_LENGTH:
        abort(400, f"The text must have 1 to {MAX_LENGTH} characters.")
    job = await count_words.delay(text)
    return redirect(url_for("jobs.show", id=job.id), 303)


@jobs.get("/<id>")
async def show(id: str) -> str:
    """Render the result, or a page that reloads until there is one."""
    return await render_template("job.html", result=await tasks.result(id))
