"""Work that is handed to a worker, and its result."""

from __future__ import annotations

from quart import Blueprint, abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue

from yourapplication.tasks import count_words, tasks

jobs = Blueprint("jobs", __name__, url_prefix="/jobs")
LONGEST = 10_000  # characters of a text


@jobs.get("/")
async def index() -> str:
    """The form."""
    return await render_template("jobs.html", longest=LONGEST)


@jobs.post("/")
async def start() -> ResponseReturnValue:
    """Hand a text to the worker, and go where its result will be."""
    text = (await request.form).get("text", "")
    if not 1 <= len(text) <= LONGEST:
        abort(400, f"Give a text of 1 to {LONGEST} characters.")
    job = await count_words.delay(text)
    return redirect(url_for("jobs.show", id=job.id), 303)


@jobs.get("/<id>")
async def show(id: str) -> str:
    """The result, or a page that looks again in a second."""
    return await render_template("job.html", result=await tasks.result(id))
