"""``quartpatterns tasks``: look at the jobs of an application, and retry, revoke or delete them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, TypeVar, get_args

import click
from quart import Quart, current_app
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quartpatterns.cli.console import OutputConsole
from quartpatterns.cli.groups import SuggestingChoice, SuggestingGroup
from quartpatterns.cli.progress import progress
from quartpatterns.cli.worker import load_with_tasks
from quartpatterns.tasks import (
    Inspector,
    JobInfo,
    JobState,
    NoSuchJobError,
    QueueStats,
    TasksUnavailableError,
)
from quartpatterns.tasks.inspection import job_data, plain
from quartpatterns.tasks.settings import Settings

__all__ = ["command"]

T = TypeVar("T")
STATES = get_args(JobState)
TABLE_WIDTH = 120
"""Columns of a terminal from which a list is a table; below, each job has lines of its own."""

EXIT_CODES = """
\b
Exit code: 0, 1 if Redis cannot be reached or a job cannot be found or changed, 2 for a usage error.
"""

EPILOG = f"""
\b
  quartpatterns tasks stats shop:app                    how many jobs wait, run and have failed
  quartpatterns tasks list shop:app --state failed      the newest failed jobs
  quartpatterns tasks show shop:app ID                  one job with arguments and traceback
  quartpatterns tasks retry shop:app ID                 queue a failed job again
  quartpatterns tasks retry shop:app --all              queue all failed jobs again
  quartpatterns tasks revoke shop:app ID                cancel a job that waits or runs
  quartpatterns tasks purge shop:app --state failed     delete the failed jobs

\b
A job is `queued` until a worker takes it, `scheduled` if it waits for its time or for its next try,
then `running`, and at last `done`, `failed` or `revoked`. Failed jobs are kept until they are
retried or purged, at most TASKS_KEEP_FAILED; the others as long as their results.
{EXIT_CODES}"""


def _examples(*lines: str) -> str:
    """Return the end of a help text with *lines*, and the exit codes."""
    return "\n".join(["\b", *(f"  quartpatterns tasks {line}" for line in lines), EXIT_CODES])


@click.group(cls=SuggestingGroup, epilog=EPILOG)
def command() -> None:
    """Look at the jobs of an application, and retry, revoke or delete them."""


_name = click.argument("name", metavar="MODULE:APP")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_ids = click.argument("ids", metavar="[ID]...", nargs=-1)
_queue = click.option("--queue", help="Only this queue.  [default: all queues]")


@command.command(
    "list",
    short_help="List jobs.",
    epilog=_examples(
        "list shop:app                                    what runs, waits or has failed",
        "list shop:app --state scheduled --queue low      the next ones of one queue",
        "list shop:app --state failed --json              for programs, with tracebacks",
    ),
)
@_name
@click.option(
    "--state",
    type=SuggestingChoice(STATES),
    help="Only jobs in this state. By default those that run, wait or have failed.",
)
@_queue
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="The most jobs of each state and queue.",
)
@click.option(
    "--offset", type=click.IntRange(0), default=0, help="Jobs of each state and queue to leave out."
)
@_json
def list_jobs(
    name: str, state: Any, queue: str | None, limit: int, offset: int, as_json: bool
) -> None:
    """List jobs: the next ones first, or the newest first if they have ended."""
    states: Sequence[JobState] = [state] if state else ["running", "queued", "scheduled", "failed"]

    async def read(inspector: Inspector) -> tuple[list[JobInfo], bool, dict[str, str]]:
        settings: Settings = current_app.extensions["tasks"].settings
        labels = settings.queue_labels()
        jobs: list[JobInfo] = []
        more = False
        for one, key in product(states, [queue] if queue else labels):
            page = await inspector.jobs(one, queue=key, limit=limit, offset=offset)
            jobs += page.jobs
            more = more or page.next_offset is not None
        return jobs, more, labels

    jobs, more, labels = _run(name, read)
    if as_json:
        _print_json([job_data(job) for job in jobs])
    elif jobs:
        _print_jobs(jobs, labels)
    else:
        click.echo("no jobs")
    if more:
        click.echo(f"There may be more: --offset {offset + limit}", err=True)


@command.command(
    "show",
    short_help="Show one job.",
    epilog=_examples("show shop:app 3f0c8c52-5c1c-4f0a-9c3b-0a3f3b0f5a11"),
)
@_name
@click.argument("id")
@_json
def show(name: str, id: str, as_json: bool) -> None:
    """Show one job with its arguments, progress, result, error and traceback."""
    job = _run(name, lambda inspector: inspector.job(id))
    if as_json:
        _print_json(job_data(job))
        return
    table = Table(box=None, show_header=False)
    for key, value in job_data(job).items():
        if value not in (None, "") and key != "traceback":
            table.add_row(Text(key, style="bold"), Text(str(value)))
    _print(table)
    if job.traceback:
        click.echo(f"\n{job.traceback}")


@command.command(
    "retry",
    short_help="Queue failed jobs again.",
    epilog=_examples(
        "retry shop:app ID ID              two jobs",
        "retry shop:app --all              all failed jobs",
        "retry shop:app --all --queue low  all failed jobs of one queue",
    ),
)
@_name
@_ids
@click.option("--all", "everything", is_flag=True, help="All failed jobs.")
@_queue
@_json
def retry(
    name: str, ids: tuple[str, ...], everything: bool, queue: str | None, as_json: bool
) -> None:
    """Queue failed jobs again, with their ids, or start jobs now that wait for their time."""
    if bool(ids) == everything:
        raise click.UsageError("Name the jobs, or pass --all.")
    _refuse_queue(ids, queue)

    async def work(inspector: Inspector) -> int:
        if everything:
            return await inspector.retry_failed(queue=queue)
        return await _each(ids, inspector.retry)

    _print_number("queued again", _run(name, work), as_json)


@command.command(
    "revoke", short_help="Cancel jobs.", epilog=_examples("revoke shop:app ID ID    two jobs")
)
@_name
@_ids
@_json
def revoke(name: str, ids: tuple[str, ...], as_json: bool) -> None:
    """Cancel jobs that wait or run."""
    if not ids:
        raise click.UsageError("Name the jobs.")
    number = _run(name, lambda inspector: _each(ids, inspector.revoke))
    _print_number("revoked", number, as_json)


@command.command(
    "purge",
    short_help="Delete jobs.",
    epilog=_examples(
        "purge shop:app ID                               one job",
        "purge shop:app --state failed                   all failed jobs",
        "purge shop:app --state queued --queue low --yes all that wait in one queue",
    ),
)
@_name
@_ids
@click.option(
    "--state",
    type=SuggestingChoice(["failed", "done", "queued", "scheduled"]),
    help="All jobs in this state.",
)
@_queue
@click.option("--yes", is_flag=True, help="Do not ask before jobs are deleted that wait.")
@_json
def purge(
    name: str, ids: tuple[str, ...], state: Any, queue: str | None, yes: bool, as_json: bool
) -> None:
    """Delete jobs that have ended or wait, with their results. Jobs that run stay."""
    if bool(ids) == bool(state):
        raise click.UsageError("Name the jobs, or pass --state.")
    _refuse_queue(ids, queue)
    if state in ("queued", "scheduled") and not yes:
        # The output is the result alone, which can be JSON.
        click.confirm(f"Delete all {state} jobs, which then never run?", abort=True, err=True)

    async def work(inspector: Inspector) -> int:
        if state:
            return await inspector.purge(state, queue=queue)
        return await _each(ids, inspector.forget)

    _print_number("deleted", _run(name, work), as_json)


@command.command(
    "stats",
    short_help="Count the jobs of each queue.",
    epilog=_examples("stats shop:app", "stats shop:app --json"),
)
@_name
@_json
def stats(name: str, as_json: bool) -> None:
    """Show how many jobs each queue has in each state, and how jobs have ended.

    `waiting` is how long the oldest queued job has waited. `ever` counts all jobs so far.
    """
    queues: list[QueueStats] = _run(name, lambda inspector: inspector.stats())
    if as_json:
        _print_json([dataclasses.asdict(queue) for queue in queues])
        return
    table = Table(box=SIMPLE_HEAD)
    table.add_column("queue")
    numbers = ("queued", "scheduled", "running", "failed", "done")
    endings = ("succeeded", "failed", "retried", "revoked")
    for title in (*numbers, "waiting", *(f"ever {each}" for each in endings)):
        table.add_column(title, justify="right")
    for queue in queues:
        row = [str(getattr(queue, each)) for each in numbers]
        ended = [str(queue.ended[each]) for each in endings]
        table.add_row(queue.queue, *row, f"{queue.waiting:.1f} s", *ended)
    _print(table)


def _refuse_queue(ids: Sequence[str], queue: str | None) -> None:
    if ids and queue is not None:
        raise click.UsageError("An id belongs to one job in all queues: leave out --queue.")


def _run(name: str, work: Callable[[Inspector], Awaitable[T]]) -> T:
    """Return what *work* returns for the application."""
    app = load_with_tasks(name)
    try:
        with progress("asking Redis"):
            return asyncio.run(_in_context(app, work))
    except TasksUnavailableError as error:
        raise click.ClickException(f"{error.description} ({error.__cause__})") from error
    except NoSuchJobError as error:
        raise click.ClickException(str(error)) from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error


async def _in_context(app: Quart, work: Callable[[Inspector], Awaitable[T]]) -> T:
    async with app.app_context():
        try:
            return await work(Inspector())
        finally:
            await app.extensions["tasks"].close()


async def _each(ids: Sequence[str], change: Callable[[str], Awaitable[None]]) -> int:
    """Change each job, and report those that cannot be changed at the end."""
    problems: list[str] = []
    for id in ids:
        try:
            await change(id)
        except NoSuchJobError as error:
            problems.append(str(error))
    if problems:
        done = len(ids) - len(problems)
        raise NoSuchJobError("; ".join(problems) + (f" ({done} others done)" if done else ""))
    return len(ids)


def _print_jobs(jobs: Sequence[JobInfo], labels: Mapping[str, str]) -> None:
    """Print *jobs*, with the names in *labels* of their queues if there are several."""
    console = _console()
    if console.width < TABLE_WIDTH:
        for job in jobs:
            cells = _cells(job, labels)
            lines = [
                f"{job.id}  {job.state}  {cells['queue']}",
                f"  {job.task}({cells['arguments']})",
                f"  {cells['time']}, tries: {job.tries}",
                f"  {cells['about']}",
            ]
            for line in filter(None, map(str.rstrip, lines)):
                console.print(Text(line), soft_wrap=True)
        return
    table = Table(box=SIMPLE_HEAD)
    titles = [title for title in _cells(jobs[0], labels) if title != "queue" or len(labels) > 1]
    for title in titles:
        # An id can be copied: it is never cut in two.
        whole = title == "id"
        right = title == "tries"
        table.add_column(
            title, no_wrap=whole, overflow="fold", justify="right" if right else "left"
        )
    for job in jobs:
        cells = _cells(job, labels)
        table.add_row(*(Text(cells[title]) for title in titles))
    console.print(table)


def _cells(job: JobInfo, labels: Mapping[str, str]) -> dict[str, str]:
    """Return what a list shows of *job*, by the titles of the columns."""
    seconds = job.seconds
    when = _local(job.due or job.ended or job.started or job.enqueued)
    about = job.error or ("" if job.progress is None else str(job.progress))
    return {
        "id": job.id,
        "queue": labels[job.queue] if len(labels) > 1 else "",
        "state": job.state,
        "task": job.task,
        "arguments": _short(job.call),
        "tries": str(job.tries),
        "time": f"{when}, {seconds:.1f} s" if seconds is not None else when,
        "about": _short(about),
    }


def _local(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _print_number(what: str, number: int, as_json: bool) -> None:
    if as_json:
        _print_json({what.replace(" ", "_"): number})
    else:
        click.echo(f"{number} {what}")


def _print_json(value: object) -> None:
    click.echo(json.dumps(plain(value), indent=2))


def _print(table: Table) -> None:
    _console().print(table)


def _console() -> Console:
    # A pipe gets whole lines: programs that cut columns have no terminal.
    return OutputConsole(width=None if sys.stdout.isatty() else 200)
