"""Applications with tasks, and workers for them, in this process and in others."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from quart import Quart

from quartpatterns.compare.processes import Process
from quartpatterns.tasks import Tasks

MakeApp = Callable[..., tuple[Quart, Tasks]]
StartWorker = Callable[..., contextlib.AbstractContextManager[Process]]


@pytest.fixture
def queue_name() -> str:
    """The name of a queue that no other test uses."""
    return f"test:{secrets.token_hex(6)}"


@pytest.fixture
def make_app(app_class: type[Quart], redis_url: str, queue_name: str) -> MakeApp:
    """A function that makes an application and its tasks, on a real Valkey."""

    def make(**config: Any) -> tuple[Quart, Tasks]:
        app = app_class(__name__)
        settings = {"REDIS_URL": redis_url, "TASKS_QUEUE_NAME": queue_name}
        app.config.from_mapping(settings | {"TASKS_POLL_DELAY": 0.02} | config)
        return app, Tasks(app)

    return make


@pytest.fixture
def start_worker(redis_url: str, queue_name: str, tmp_path: Path) -> StartWorker:
    """A function that starts ``quartpatterns worker`` for ``tests.tasks.shop``."""

    @contextlib.contextmanager
    def start(name: str = "worker", url: str = redis_url, **config: Any) -> Iterator[Process]:
        settings = {"REDIS_URL": url, "TASKS_QUEUE_NAME": queue_name} | config
        command = [sys.executable, "-m", "quartpatterns"]
        worker = Process(
            [*command, "worker", "tests.tasks.shop:create_app()"],
            log=tmp_path / f"{name}.log",
            env=os.environ | {f"QUART_{key}": str(value) for key, value in settings.items()},
        )
        with worker:
            yield worker.wait_until(lambda: "ready for the jobs" in worker.output())

    return start
