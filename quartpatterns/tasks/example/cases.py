"""The requests that the original on Celery and the port on arq must answer alike."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from quartpatterns.compare import Arrangement, Case, Difference, Step
from quartpatterns.compare.processes import Process, in_thread
from quartpatterns.compare.services import valkey

__all__ = ["CASES", "arrange"]

ID = {"id": r'"result_id": ?"([^"]+)"'}
READY = r'"ready": ?true'


def queued(path: str, **form: str) -> Step:
    """Return a step that sends a form, and stores the id of its result as ``{id}``."""
    return Step(path, method="POST", form=form, compare="json", capture=ID)


RESULT = Step("/result/{id}", compare="json", until=READY)
# The original answers 500 when the task has failed, and never says that it is ready.
FAILURE = Step("/result/{id}", compare="json", until=rf"{READY}|Internal Server Error")


def failure(error: str) -> tuple[Difference, ...]:
    """Return the differences in the result of a task that failed with *error*."""
    reason = "the page returns the exception, which is not JSON; the port returns its text"
    value = {"ready": True, "successful": False, "value": error}
    return (
        Difference("status", 500, 200, reason, step=1),
        Difference("header:content-type", re.compile("text/html.*"), "application/json", reason, 1),
        Difference("header:content-length", re.compile(r"\d+"), re.compile(r"\d+"), reason, 1),
        Difference("body", re.compile(".*Internal Server Error.*", re.DOTALL), value, reason, 1),
    )


OPERANDS = "TypeError: unsupported operand type(s) for +: 'NoneType' and "

CASES = (
    Case("the page", Step("/", compare="html")),
    Case("23 + 42", queued("/add", a="23", b="42"), RESULT, checks=("CE-2", "CE-4", "CE-5")),
    Case("negative numbers", queued("/add", a="-23", b="0"), RESULT, checks=("CE-5",)),
    Case(
        "a value that is not a number is queued, and the task fails",
        queued("/add", a="x", b="42"),
        FAILURE,
        checks=("CE-5", "CE-6"),
        differs=failure(f"{OPERANDS}'int'"),
    ),
    Case(
        "a missing value is queued, and the task fails",
        queued("/add"),
        FAILURE,
        checks=("CE-5", "CE-6"),
        differs=failure(f"{OPERANDS}'NoneType'"),
    ),
    Case(
        "an unknown id",
        Step("/result/00000000-0000-0000-0000-000000000000", compare="json"),
        checks=("CE-6",),
    ),
    Case(
        "pending, then ready",
        queued("/wait", seconds="1"),
        Step("/result/{id}", compare="json"),
        RESULT,
        checks=("CE-6",),
    ),
    Case("an id instead of an object", queued("/archive", user_id="2"), RESULT, checks=("CE-7",)),
    Case(
        "an unknown user",
        Step("/archive", method="POST", form={"user_id": "3"}, compare="html"),
        checks=("CE-7",),
    ),
    Case("only POST queues", Step("/add", compare="html"), checks=("CE-5",)),
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
        celery = {"broker_url": url, "result_backend": url, "task_ignore_result": True}
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
        # Celery's results contact the broker when they are collected: before it ends.
        gc.collect()


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
