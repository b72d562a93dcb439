"""The requests that the original on Celery and the port on arq must answer alike."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from quartpatterns.compare import Arrangement, Case, Difference, Step
from quartpatterns.compare.case import BodyForm
from quartpatterns.compare.error_page import error_page
from quartpatterns.compare.openapi_cases import openapi_cases
from quartpatterns.compare.processes import Process, in_thread
from quartpatterns.compare.services import valkey

__all__ = ["CASES", "EXTRAS", "arrange"]

ID = {"id": r'"result_id": ?"([^"]+)"'}
READY = r'"ready": ?true'


def queued(path: str, **form: str) -> Step:
    """Return a step that sends a form, and stores the id of its result as ``{id}``."""
    return Step(path, method="POST", form=form, compare="json", capture=ID)


def refused(path: str, body: bytes = b"") -> Step:
    """Return a step that sends an invalid form."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Step(path, method="POST", body=body, headers=headers)


RESULT = Step("/result/{id}", compare="json", until=READY)
# The original answers 500 when the task has failed, and never says that it is ready.
FAILURE = Step("/result/{id}", compare="json", until=rf"{READY}|Internal Server Error")
HTML, JSON = "text/html; charset=utf-8", "application/json"
UUID = re.compile(r'\{"result_id":"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"\}\n')
EXCEPTION = "the page returns the exception, which is not JSON; the port returns its text"
NUMBERS = "quart-schema validates the form; the original queues a task that then fails"


def failure(error: str) -> tuple[Difference, ...]:
    """Return the differences in the result of a task that failed with *error*."""
    value = {"ready": True, "successful": False, "value": error}
    return (
        Difference("status", 500, 200, EXCEPTION, 1, kind="input"),
        Difference("header:content-type", HTML, JSON, EXCEPTION, 1, kind="input"),
        Difference("body", error_page(500), value, EXCEPTION, 1, kind="input"),
    )


CASES = (
    Case("the page", Step("/", compare="html")),
    Case("23 + 42", queued("/add", a="23", b="42"), RESULT, checks=("CE-2", "CE-4", "CE-5")),
    Case("negative numbers", queued("/add", a="-23", b="0"), RESULT, checks=("CE-5",)),
    Case("large numbers", queued("/add", a="9" * 400, b="1"), RESULT, checks=("CE-5",)),
    Case("blanks and underscores", queued("/add", a=" 1_0 ", b="+2"), RESULT, checks=("CE-5",)),
    Case(
        "a number twice",
        Step(
            "/add",
            method="POST",
            form={"a": ["1", "x"], "b": ["2", "3"]},
            compare="json",
            capture=ID,
        ),
        RESULT,
        checks=("CE-5",),
    ),
    Case(
        "a value that is not a number",
        refused("/add", b"a=x&b=42"),
        checks=("CE-5",),
        differs=(
            Difference("status", 200, 400, NUMBERS, kind="input"),
            Difference("header:content-type", JSON, HTML, NUMBERS, kind="input"),
            Difference("body", UUID, error_page(400), NUMBERS, kind="input"),
        ),
    ),
    Case(
        "an unknown id",
        Step("/result/00000000-0000-0000-0000-000000000000", compare="json"),
        Step("/result/%3Cb%3E", compare="json"),
        checks=("CE-6",),
    ),
    Case(
        "pending, then ready",
        queued("/wait", seconds="5"),
        Step("/result/{id}", compare="json"),
        RESULT,
        checks=("CE-6",),
    ),
    Case("no time to wait", queued("/wait", seconds="0"), RESULT, checks=("CE-5",)),
    Case("one second to wait", queued("/wait"), RESULT, checks=("CE-5",)),
    Case(
        "an invalid time to wait",
        refused("/wait", b"seconds=x"),
        refused("/wait", b"seconds=-1"),
        refused("/wait", b"seconds=11"),
        refused("/wait", b"seconds=1.5"),
        refused("/wait", b"seconds="),
        checks=("CE-5",),
    ),
    Case("an id instead of an object", queued("/archive", user_id="2"), RESULT, checks=("CE-7",)),
    Case(
        "a task that fails",
        queued("/archive", user_id="3"),
        FAILURE,
        checks=("CE-6", "CE-7"),
        differs=failure("KeyError: 3"),
    ),
    Case(
        "other methods",
        Step("/add"),
        Step("/add", method="OPTIONS"),
        Step("/wait"),
        Step("/archive"),
        Step("/result/1", method="POST"),
        checks=("CE-5",),
    ),
    Case(
        "pages that load scripts of other hosts", Step("/redocs"), Step("/scalar"), checks=("CE-8",)
    ),
)

NO_JOBS: dict[str, object] = {"jobs": [], "next_offset": None}


def extra(name: str, path: str, body: object, status: int = 200, content_type: str = HTML) -> Case:
    """Return a case of a page that only the port has."""
    expected = {"status": status, "header:content-type": content_type, "body": body}
    form: BodyForm = "json" if content_type == JSON else "html"
    return Case(name, Step(path, compare=form, expected=expected), checks=("CE-8",))


# What the port adds to the page: the documentation of its API, and the page of the jobs.
EXTRAS = (
    *openapi_cases(Path(__file__).parent, checks=("CE-8",)),
    extra("an unknown job", "/jobs/job.json?id=none", error_page(404), 404),
    extra("states of jobs", "/jobs/jobs.json?state=revoked", NO_JOBS, content_type=JSON),
)

CELERY = """
from quartpatterns.tasks.example.original import create_app

flask_app = create_app({config!r})
celery_app = flask_app.extensions["celery"]
"""


@contextlib.asynccontextmanager
async def arrange(folder: Path) -> AsyncIterator[Arrangement]:
    """Start Valkey, a worker of Celery for the original, and one of arq for the port."""
    async with in_thread(_servers(folder)) as arrangement:
        yield arrangement


@contextlib.contextmanager
def _servers(folder: Path) -> Iterator[Arrangement]:
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(valkey(folder))
        # Not in Redis: Celery's client of Redis unsubscribes where the garbage collector runs, and
        # can then wait for a lock that its own thread holds (celery/celery issue 10477).
        results = f"db+sqlite:///{folder / 'results.sqlite'}"
        celery = {"broker_url": url, "result_backend": results, "task_ignore_result": True}
        arrangement = Arrangement(original={"CELERY": celery}, port={"REDIS_URL": url})
        (folder / "make_celery.py").write_text(CELERY.format(config=arrangement.original))
        workers = [
            stack.enter_context(_celery_worker(folder)),
            stack.enter_context(_arq_worker(folder, url)),
        ]
        for worker in workers:
            # Both print a line with this word when they look for their first job.
            worker.wait_until(lambda worker=worker: " ready" in worker.output(), timeout=60)  # type: ignore[misc]
        yield arrangement


def _celery_worker(folder: Path) -> Process:
    command = [sys.executable, "-m", "celery", "-A", "make_celery", "worker", "--loglevel", "INFO"]
    command += ["--pool", "threads", "--concurrency", "4"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return Process(command, log=folder / "celery.log", cwd=folder)


def _arq_worker(folder: Path, url: str) -> Process:
    app = "quartpatterns.tasks.example.port:create_app()"
    return Process(
        [sys.executable, "-m", "quartpatterns", "worker", app],
        log=folder / "arq.log",
        env={**os.environ, "QUART_REDIS_URL": url},
    )
