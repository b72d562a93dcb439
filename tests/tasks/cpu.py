"""An application whose tasks run in processes."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from quart import Quart, current_app, g

from quartpatterns.subclassing import FaithfulQuart
from quartpatterns.tasks import Retry, Tasks, current_job

tasks = Tasks()


@tasks.task(process=True)
def about() -> dict[str, Any]:
    """Return what the task sees."""
    print("a task may print")  # noqa: T201 - it must not disturb the messages
    g.value = "own"
    return {
        "pid": os.getpid(),
        "app": current_app.name,
        "opened": current_app.config["OPENED_BY"],
        "main": threading.current_thread() is threading.main_thread(),
        "id": current_job.id,
    }


@tasks.task(process=True)
def echo(*args: Any, **kwargs: Any) -> Any:
    """Return the arguments."""
    return [args, kwargs]


@tasks.task(process=True)
def die(how: str) -> None:
    """End the process."""
    if how == "exit":
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "kill":
        os.kill(os.getpid(), 9)
    if how == "sys.exit":
        sys.exit(3)


@tasks.task(process=True)
def fail(kind: str) -> Any:
    """Raise an error, or return what is not JSON."""
    if kind == "stop":
        raise StopIteration(1)
    if kind == "value":
        raise ValueError("too large \ud800")
    return object()


@tasks.task(process=True, max_tries=3)
def retry() -> int:
    """Retry once, in any process."""
    if current_job.tries == 1:
        raise Retry(0)
    return current_job.tries


@tasks.task(process=True, timeout=1)
def hang(file: str) -> None:
    """Hang until the timeout, and write that ``finally`` has run."""
    _write(file, "started")
    try:
        while True:
            time.sleep(0.01)
    finally:
        _write(file, "finally")


@tasks.task(process=True)
def ignore_signals(file: str) -> None:
    """Catch whatever ends the task."""
    _write(file, str(os.getpid()))
    while True:
        try:
            time.sleep(600)
        except BaseException:
            pass


@tasks.task(process=True)
def sleep(file: str) -> str:
    """Work for a second."""
    _write(file, str(os.getpid()))
    time.sleep(1)
    return "slept"


@tasks.task(process=True, timeout=2)
def leave_processes(file: str, how: str) -> None:
    """Start processes that ignore signals, and end in one of several ways."""
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    other = subprocess.Popen([sys.executable, "-c", script], close_fds=False)
    if (child := os.fork()) == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    _write(file, f"{os.getpid()} {other.pid} {child}")
    if how == "exit":
        os._exit(7)
    time.sleep(600)


@tasks.task(process=True)
def fork() -> list[int]:
    """Return in two processes."""
    child = os.fork()
    return [os.getpid(), os.waitpid(child, 0)[1]] if child else []


@tasks.task(process=True)
def progress() -> None:
    """Report progress, and queue another job."""
    current_job.update_progress_sync({"done": 1, "next": echo.delay_sync(5).id})


def _write(file: str, text: str) -> None:
    with Path(file).open("a") as lines:
        print(text, file=lines)


def create_app() -> Quart:
    """Return the application, configured by environment variables."""
    app: Quart = {"Quart": Quart, "FaithfulQuart": FaithfulQuart}[os.environ["APP_CLASS"]]("cpu")
    app.config.from_prefixed_env()
    tasks.init_app(app)

    @app.before_serving
    async def open_resources() -> None:
        app.config["OPENED_BY"] = os.getpid()

    return app
