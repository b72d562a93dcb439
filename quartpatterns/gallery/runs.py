"""The pages about runs: starting and following a comparison or a measurement, its results, the
results over time, and the queue."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import AsyncGenerator
from typing import Any, cast

from quart import Blueprint, Quart, abort, current_app, redirect, render_template, request, url_for
from quart.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from quartpatterns import catalog
from quartpatterns._shared.origins import from_another_site
from quartpatterns._shared.threads import to_thread
from quartpatterns.gallery.lookup import find_pattern
from quartpatterns.gallery.results import (
    KINDS,
    Kind,
    Run,
    add_run,
    change_state,
    history,
    now,
    read_run,
    unfinished_runs,
)
from quartpatterns.gallery.run_chart import parity_chart, ratio_chart
from quartpatterns.gallery.run_tasks import (
    ALL_RUNS,
    QUEUE,
    cancel_run,
    has_results,
    init_runs,
    job_id,
    missing_service,
    publish,
    run_topic,
    start_next,
    tasks,
)
from quartpatterns.gallery.settings import gallery_settings
from quartpatterns.streaming import (
    Broadcaster,
    EventStream,
    ServerSentEvent,
    Subscription,
    last_event_id,
)
from quartpatterns.tasks import JobInfo, JobState, NoSuchJobError, QueueStats, TasksUnavailableError
from quartpatterns.tasks.settings import Settings
from quartpatterns.tasks.supervisor import silent_queues

__all__ = ["init_app"]

log = logging.getLogger(__name__)

CHECK_INTERVAL = 5.0
"""Seconds after which a stream of events looks at the run itself: its worker may have died."""
REFRESH = 2
"""Seconds between two loads of a page without JavaScript."""
JOB_STATES: tuple[JobState, ...] = ("running", "queued", "scheduled", "failed")
MOST_JOBS = 20
WORKER = "quartpatterns worker quartpatterns.gallery.worker"
TITLES: dict[Kind, str] = {"parity": "Parity", "bench": "Measurement"}
CHARTS = {"parity": parity_chart, "bench": ratio_chart}

views = Blueprint("runs", __name__)


def init_app(app: Quart) -> None:
    """Add the pages to the gallery *app*, whose settings have been read."""
    app.register_blueprint(views)
    init_runs(app)
    if missing_service(app.config) is None:
        tasks.init_app(app)


@views.app_context_processor
def template_functions() -> dict[str, Any]:
    """Return what the templates use to show runs."""
    return {
        "latest_runs": latest_runs,
        "missing_service": lambda: missing_service(current_app.config),
        "run_refusal": lambda: gallery_settings(current_app).run_from.refusal(),
        "run_titles": TITLES,
    }


async def latest_runs(pattern: str) -> dict[str, Run]:
    """Return the newest run of each kind that has ended; nothing if the database fails."""
    found: dict[str, Run] = {}
    if has_results(current_app.config):
        try:
            for kind in KINDS:
                for run in await history(pattern, kind, limit=1):
                    found[kind] = run
        except SQLAlchemyError:
            log.warning("The results of %s can't be read", pattern, exc_info=True)
    return found


async def _refused(reason: str, status: int = 403) -> ResponseReturnValue:
    return await render_template("gallery/runs/refused.html", reason=reason, status=status), status


async def _check_change() -> ResponseReturnValue | None:
    """Return the answer to a client that may not start or cancel runs."""
    if from_another_site(request.headers, request.host):
        return await _refused("The form was sent by a page of another site.")
    if reason := gallery_settings(current_app).run_from.refusal():
        return await _refused(reason)
    if reason := missing_service(current_app.config):
        return await _refused(reason, 503)
    return None


async def _run(id: int) -> Run:
    run = await read_run(id) if has_results(current_app.config) else None
    if run is None:
        abort(404, description=f"There is no run {id}. Only the newest results are kept.")
    return run


@views.post("/gallery/<name>/runs")
async def start(name: str) -> ResponseReturnValue:
    """Start a comparison or a measurement of a pattern."""
    pattern = find_pattern(name)
    if (refusal := await _check_change()) is not None:
        return refusal
    kind = (await request.form).get("kind", "")
    if kind not in KINDS:
        abort(400, description="kind must be parity or bench")
    limit = gallery_settings(current_app).run_queue
    run = await add_run(cast("Kind", kind), pattern.name, limit=limit)
    if run is None:
        page = await render_template("gallery/runs/full.html", limit=limit)
        return page, 429, {"Retry-After": "60"}
    try:
        await start_next()
    except TasksUnavailableError:
        message = "Redis cannot be reached."
        await change_state(run.id, "queued", "error", ended=now(), message=message)
        return await _refused(f"{message} Try again later.", 503)
    await publish(run.id, "state", {"id": run.id, "state": "queued"})
    return redirect(url_for(".run", id=run.id), 303)


@views.post("/gallery/runs/<int:id>/cancel")
async def cancel(id: int) -> ResponseReturnValue:
    """Cancel a run that waits or runs."""
    if (refusal := await _check_change()) is not None:
        return refusal
    run = await _run(id)
    try:
        await cancel_run(run)
    except TasksUnavailableError:
        return await _refused("Redis cannot be reached. Try again later.", 503)
    return redirect(url_for(".run", id=id), 303)


@views.get("/gallery/runs/<int:id>")
async def run(id: int) -> ResponseReturnValue:
    """Show how far a run is, or its result."""
    found = await _run(id)
    notes = [] if found.finished else await _check_worker()
    found = await _run(id)
    return await _live_page(
        "gallery/runs/run.html",
        run=found,
        pattern=catalog.get(found.pattern),
        progress=await _progress(found),
        notes=notes,
    )


@views.get("/gallery/<name>/runs")
async def of_pattern(name: str) -> ResponseReturnValue:
    """Show the results of a pattern over time."""
    pattern, runs = find_pattern(name), dict[Kind, list[Run]]()
    if has_results(current_app.config):
        runs = {kind: await history(name, kind, limit=100) for kind in KINDS}
    charts = {kind: CHARTS[kind](found) for kind, found in runs.items()}
    return await render_template(
        "gallery/runs/pattern.html", pattern=pattern, runs=runs, charts=charts
    )


@views.get("/gallery/queue")
async def queue() -> ResponseReturnValue:
    """Show what runs, waits and has ended, and the jobs of the tasks."""
    if reason := missing_service(current_app.config):
        return await render_template("gallery/runs/queue.html", missing=reason)
    notes = await _check_worker()
    waiting = await unfinished_runs()
    stats, jobs = await _jobs()
    settings: Settings = current_app.extensions["tasks"].settings
    return await _live_page(
        "gallery/runs/queue.html",
        missing=None,
        notes=notes,
        waiting=waiting,
        progress={each.id: await _progress(each) for each in waiting},
        ended=await history(limit=10),
        limit=gallery_settings(current_app).run_queue,
        stats=stats,
        jobs=jobs,
        labels=settings.queue_labels(),
    )


async def _jobs() -> tuple[list[QueueStats], dict[str, list[JobInfo]]]:
    """Return the numbers of each queue, and the first jobs of each state, of all queues."""
    inspector = tasks.inspect
    jobs: dict[str, list[JobInfo]] = {state: [] for state in JOB_STATES}
    try:
        stats = await inspector.stats()
        for state, queue in itertools.product(JOB_STATES, stats):
            found = await inspector.jobs(state, queue=queue.queue, limit=MOST_JOBS)
            jobs[state] += found.jobs
    except TasksUnavailableError:
        return [], {}  # A note says it.
    return stats, jobs


async def _live_page(template: str, **values: Any) -> ResponseReturnValue:
    page = await render_template(template, refresh=REFRESH, **values)
    return page, {"Cache-Control": "no-store"}


async def _check_worker() -> list[str]:
    """Give the oldest run to the worker, in case this was lost; return what prevents runs."""
    if reason := missing_service(current_app.config):
        return [reason]
    try:
        await start_next()
        settings: Settings = current_app.extensions["tasks"].settings
        if await to_thread(silent_queues, settings, [QUEUE]):
            return [f"No worker runs, so nothing starts. Start one with: {WORKER}"]
    except TasksUnavailableError:
        return ["Redis cannot be reached, so nothing starts."]
    return []


async def _progress(run: Run) -> dict[str, Any]:
    """Return what is known about how far *run* is."""
    progress = {"id": run.id, "state": run.state, "done": 0, "total": 0, "line": ""}
    if run.state in ("running", "stopping") and missing_service(current_app.config) is None:
        try:
            job = await tasks.inspect.job(job_id(run))
        except (NoSuchJobError, TasksUnavailableError):
            pass
        else:
            progress |= job.progress or {}
    return progress


@views.get("/gallery/runs/<int:id>/events")
async def events(id: int) -> ResponseReturnValue:
    """Send what happens to a run, until it ends."""
    await _run(id)
    if reason := missing_service(current_app.config):
        abort(404, description=reason)
    return EventStream(_run_events(id))


async def _run_events(id: int) -> AsyncGenerator[ServerSentEvent]:
    broadcaster: Broadcaster = current_app.extensions["broadcaster"]
    async with broadcaster.subscribe(run_topic(id)) as messages:
        while True:
            if (found := await read_run(id)) is None:
                return
            yield ServerSentEvent(await _progress(found), event="progress")
            if found.finished:
                yield ServerSentEvent({"id": id, "state": found.state}, event="end")
                return
            try:
                while (message := await _next(messages)) and message.event == "progress":
                    yield ServerSentEvent(message.data, event="progress")
            except StopAsyncIteration:
                return  # The server stops.
            if message is None:
                await _continue_queue()


async def _continue_queue() -> None:
    """End the oldest run if its worker has lost it: nobody else would, and the others wait."""
    with contextlib.suppress(TasksUnavailableError):
        # A context of its own: the session ends with it, and not with the stream.
        async with current_app.app_context():
            await start_next()


async def _next(messages: Subscription) -> Any:
    """Return the next message, or ``None`` if there is none for some time."""
    try:
        async with asyncio.timeout(CHECK_INTERVAL):
            return await anext(messages)
    except TimeoutError:
        return None


@views.get("/gallery/queue/events")
async def queue_events() -> ResponseReturnValue:
    """Send what happens to all runs."""
    if reason := missing_service(current_app.config):
        abort(404, description=reason)
    broadcaster: Broadcaster = current_app.extensions["broadcaster"]
    return EventStream(broadcaster.subscribe(ALL_RUNS, after=last_event_id()))
