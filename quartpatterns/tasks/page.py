"""A page about the jobs of an application, as a blueprint for the application to mount."""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, cast, get_args

from quart import (
    Blueprint,
    Quart,
    Response,
    abort,
    current_app,
    g,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from quart.blueprints import BlueprintSetupState
from typing_extensions import TypeIs

from quartpatterns._shared.calling import call
from quartpatterns._shared.origins import from_another_site
from quartpatterns.streaming import EventStream, ServerSentEvent
from quartpatterns.tasks.inspection import (
    Inspector,
    JobInfo,
    JobState,
    NoSuchJobError,
    QueueStats,
    job_data,
    plain,
)
from quartpatterns.tasks.queue import queue_of
from quartpatterns.tasks.redis_clients import TasksUnavailableError

__all__ = ["Access", "tasks_blueprint"]

Access = Callable[[], Any | Awaitable[Any]]
"""Returns True if the client may see and change the jobs."""

STATES: tuple[JobState, ...] = get_args(JobState)
LIMIT = 50
COOKIE = "tasks_page_token"
EVENT_INTERVAL = 1.0
"""Seconds between two looks at Redis for the events of one client."""

MESSAGES = {
    "retried": "Queued again.",
    "revoked": "Cancelled. A job that runs ends soon.",
    "deleted": "Deleted.",
    "gone": "Nothing was changed: the job has meanwhile ended, started, or was deleted.",
}


def tasks_blueprint(access: Access | None, name: str, url_prefix: str | None) -> Blueprint:
    """Return the blueprint of :meth:`Tasks.blueprint`."""
    page = Blueprint(
        name,
        __name__,
        url_prefix=url_prefix,
        static_folder="static",
        static_url_path="/static",
        template_folder="templates",
    )

    @page.record
    def check_access(state: BlueprintSetupState) -> None:
        if not callable(access):
            raise RuntimeError(
                "the page of the tasks shows arguments of jobs, and can delete jobs, so it needs"
                " to know who may use it: tasks.blueprint(access=is_admin), a function that"
                " returns True or False for the current request"
            )

    @page.before_request
    async def refuse() -> Any:
        allowed = await call(cast("Access", access))
        if allowed is not True:
            # A check that returns nothing has forgotten to.
            return abort(403) if allowed is None or allowed is False else allowed
        if queue_of(current_app).settings.eager:
            abort(503, "This application runs its jobs itself (TASKS_EAGER): Redis has none.")
        if request.method == "POST":
            await _check_token()
        return None

    @page.after_request
    async def protect(response: Response) -> Response:
        if "tasks_page_new_token" in g:
            response.set_cookie(
                COOKIE,
                g.tasks_page_new_token,
                httponly=True,
                samesite="Strict",
                secure=request.is_secure,
                path=url_for(".index"),
            )
        if request.endpoint != f"{name}.static":
            response.headers["Cache-Control"] = "no-store"
            response.headers.setdefault("X-Frame-Options", "DENY")
        return response

    _add_pages(page)
    _add_changes(page)
    _add_data(page)
    return page


def _add_pages(page: Blueprint) -> None:
    inspector = Inspector()

    @page.get("/")
    async def index() -> Any:
        state, offset = _state(), request.args.get("offset", 0, type=int)
        try:
            stats = await inspector.stats()
            queue = request.args.get("queue") or None
            queue = _labels().get(queue or "", queue)
            offset = max(0, offset) if queue else 0
            # Those with a number of 0 need no look; only the ended ones have no number.
            full = [one.queue for one in stats if getattr(one, state, 1)]
            names = [queue] if queue else [_labels()[key] for key in full]
            pages = {
                name: await inspector.jobs(state, queue=name, limit=LIMIT, offset=offset)
                for name in names
            }
        except ValueError as error:
            abort(404, str(error))
        except TasksUnavailableError as error:
            body = await render_template("tasks_page/unavailable.html", error=error)
            return await make_response(body, 503)
        return await render_template(
            "tasks_page/index.html",
            stats=stats,
            queue=queue,
            state=state,
            states=STATES,
            pages={name: found for name, found in pages.items() if queue or found.jobs},
            offset=offset,
            message=MESSAGES.get(request.args.get("message", "")),
            **_helpers(),
        )

    @page.get("/job")
    async def job() -> Any:
        try:
            found = await inspector.job(request.args.get("id", ""))
        except NoSuchJobError:
            abort(404)
        return await render_template(
            "tasks_page/job.html",
            job=found,
            message=MESSAGES.get(request.args.get("message", "")),
            **_helpers(),
        )


def _add_changes(page: Blueprint) -> None:
    inspector = Inspector()

    async def change(function: Callable[[str], Awaitable[None]], message: str) -> Any:
        form: Any = await cast("Any", request).form
        try:
            await function(form.get("id", ""))
        except NoSuchJobError:
            message = "gone"
        return _back(form, message)

    @page.post("/retry")
    async def retry() -> Any:
        return await change(inspector.retry, "retried")

    @page.post("/revoke")
    async def revoke() -> Any:
        return await change(inspector.revoke, "revoked")

    @page.post("/forget")
    async def forget() -> Any:
        return await change(inspector.forget, "deleted")

    @page.post("/retry-all")
    async def retry_all() -> Any:
        form: Any = await cast("Any", request).form
        try:
            number = await inspector.retry_failed(queue=form.get("queue"))
        except ValueError as error:
            abort(400, str(error))
        return _back(form, "retried" if number else "gone")

    @page.post("/purge")
    async def purge() -> Any:
        form: Any = await cast("Any", request).form
        try:
            number = await inspector.purge(form.get("state"), queue=form.get("queue"))
        except ValueError as error:
            abort(400, str(error))
        return _back(form, "deleted" if number else "gone")


def _add_data(page: Blueprint) -> None:
    inspector = Inspector()

    @page.get("/stats.json")
    async def stats_json() -> Any:
        return jsonify([dataclasses.asdict(queue) for queue in await inspector.stats()])

    @page.get("/jobs.json")
    async def jobs_json() -> Any:
        args = request.args
        limit = min(args.get("limit", LIMIT, type=int), 1000)
        offset = args.get("offset", 0, type=int)
        try:
            found = await inspector.jobs(
                _state(), queue=args.get("queue"), limit=limit, offset=offset
            )
        except ValueError as error:
            abort(400, str(error))
        jobs = [job_data(job) for job in found.jobs]
        return _json({"jobs": jobs, "next_offset": found.next_offset})

    @page.get("/job.json")
    async def job_json() -> Any:
        try:
            return _json(job_data(await inspector.job(request.args.get("id", ""))))
        except NoSuchJobError:
            abort(404)

    @page.get("/events")
    async def events() -> Any:
        """Send the numbers and the running jobs, or one job until it ends, when they change."""
        app = cast("Quart", cast("Any", current_app)._get_current_object())
        return EventStream(_events(Inspector(app), request.args.get("id")))

    @page.get("/metrics")
    async def metrics() -> Any:
        body = _metrics(await inspector.stats())
        return body, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


async def _events(inspector: Inspector, id: str | None) -> AsyncGenerator[ServerSentEvent]:
    last, ended = None, False
    while not ended:
        try:
            name, data, ended = await _status(inspector, id)
        except TasksUnavailableError as error:
            name, data = "unavailable", {"error": error.description}
        text = json.dumps(plain(data))
        if text != last:
            yield ServerSentEvent(text, event=name)
        last = text
        if not ended:
            await asyncio.sleep(EVENT_INTERVAL)


async def _status(inspector: Inspector, id: str | None) -> tuple[str, Any, bool]:
    """Return the name of an event, its data, and whether it is the last."""
    if id is None:
        queues = [dataclasses.asdict(queue) for queue in await inspector.stats()]
        running: list[JobInfo] = []
        for queue in queues:
            del queue["waiting"]  # It always changes.
            if queue["running"]:
                found = await inspector.jobs("running", queue=queue["queue"], limit=LIMIT)
                running += found.jobs
        data = {"queues": queues, "running": [_moving(job) for job in running]}
        return "status", data, False
    try:
        job = await inspector.job(id)
    except NoSuchJobError:
        return "gone", {"id": id}, True
    return "job", _moving(job), job.state in ("failed", "done", "revoked")


def _moving(job: JobInfo) -> dict[str, Any]:
    """Return what changes of a job while it runs."""
    keys = ("id", "state", "task", "progress", "tries", "started", "value", "error")
    return {key: getattr(job, key) for key in keys}


def _metrics(stats: list[QueueStats]) -> str:
    """Return *stats* in the text format of Prometheus."""

    def label(text: str) -> str:
        return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")

    lines = [
        "# HELP quartpatterns_tasks_jobs Jobs in each state.",
        "# TYPE quartpatterns_tasks_jobs gauge",
    ]
    for queue in stats:
        for state in ("queued", "scheduled", "running", "failed"):
            labels = f'queue="{label(queue.queue)}",state="{state}"'
            lines.append(f"quartpatterns_tasks_jobs{{{labels}}} {getattr(queue, state)}")
    lines += [
        "# HELP quartpatterns_tasks_oldest_queued_seconds How long the oldest queued job waits.",
        "# TYPE quartpatterns_tasks_oldest_queued_seconds gauge",
    ]
    for queue in stats:
        name = f'quartpatterns_tasks_oldest_queued_seconds{{queue="{label(queue.queue)}"}}'
        lines.append(f"{name} {queue.waiting:.3f}")
    lines += [
        "# HELP quartpatterns_tasks_ended_total Jobs by how they ended, and retries.",
        "# TYPE quartpatterns_tasks_ended_total counter",
    ]
    for queue in stats:
        for outcome, number in sorted(queue.ended.items()):
            labels = f'queue="{label(queue.queue)}",outcome="{label(outcome)}"'
            lines.append(f"quartpatterns_tasks_ended_total{{{labels}}} {number}")
    return "\n".join([*lines, ""])


async def _check_token() -> None:
    """Refuse a request that another site has made the browser send.

    The token in the form must be the one in the cookie, which other sites can neither read nor,
    as it is ``SameSite=Strict``, let the browser send.
    """
    foreign = from_another_site(request.headers, request.host)
    form: Any = await cast("Any", request).form
    sent, expected = str(form.get("tasks_token", "")), request.cookies.get(COOKIE, "")
    same = hmac.compare_digest(sent.encode(errors="replace"), expected.encode(errors="replace"))
    if foreign or not expected or not same:
        abort(
            400, "The form has expired, or comes from another site: go back, and reload the page."
        )


def _token() -> str:
    """Return the token for forms; the response sets the cookie if the client has none."""
    token = request.cookies.get(COOKIE) or g.get("tasks_page_new_token")
    if not token:
        token = g.tasks_page_new_token = secrets.token_urlsafe(32)
    return token


def _labels() -> dict[str, str]:
    return queue_of(current_app).settings.queue_labels()


def _helpers() -> dict[str, Any]:
    """Return what each page needs: tokens for forms, functions, and names of queues."""
    return {
        "token": _token(),
        "csrf_token_of_app": current_app.jinja_env.globals.get("csrf_token"),
        "fraction": _fraction,
        "short": _short,
        "labels": _labels(),
    }


def _state() -> JobState:
    state = request.args.get("state", "running")
    if state not in STATES:
        abort(404)
    return state


def _back(form: Mapping[str, str], message: str) -> Any:
    """Redirect to the list that the form was in."""
    state = form.get("state")
    arguments: dict[str, Any] = {"state": state if state in STATES else "running"}
    if form.get("queue"):
        arguments["queue"] = form["queue"]
    return redirect(url_for(".index", message=message, **arguments), 303)


def _fraction(progress: object) -> float | None:
    """Return a progress as a number from 0 to 1: of 0.4, or of ``{"done": 4, "total": 10}``."""
    if isinstance(progress, dict):
        parts: dict[Any, Any] = cast("Any", progress)
        done, total = parts.get("done", parts.get("current")), parts.get("total")
        progress = done / total if _is_number(done) and _is_number(total) and total else None
    return min(1.0, max(0.0, progress)) if _is_number(progress) else None


def _is_number(value: object) -> TypeIs[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _short(text: object, length: int = 120) -> str:
    shown = str(text)
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"


def _json(value: object) -> Response:
    # The application's own JSON provider may not know all types that a job can have.
    return Response(json.dumps(plain(value)), mimetype="application/json")
