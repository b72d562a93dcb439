"""Jobs that a worker runs, and their results."""

from __future__ import annotations

from quart import Blueprint, abort, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
# {% if i18n %}
from quartpatterns.urlprocessors.messages import gettext as _
# {% endif %}

from yourapplication.background import count_words, tasks

blueprint = Blueprint("jobs", __name__, url_prefix="@{pages}/jobs")
MAX_LENGTH = 10_000


@blueprint.get("/")
async def index() -> str:
    """Render the form."""
    return await render_template("jobs.html", max_length=MAX_LENGTH)


@blueprint.post("/")
async def start() -> ResponseReturnValue:
    """Enqueue a job, and redirect to the page of its result."""
    text = (await request.form).get("text", "")
    if not 1 <= len(text) <= MAX_LENGTH:
        abort(400, @{p("The text must have 1 to %(max)s characters.", max="MAX_LENGTH")})
    job = await count_words.delay(text)
    return redirect(url_for("jobs.show", id=job.id), 303)


@blueprint.get("/<id>")
async def show(id: str) -> str:
    """Render the result, or a page that reloads until there is one."""
    return await render_template("job.html", result=await tasks.result(id))
