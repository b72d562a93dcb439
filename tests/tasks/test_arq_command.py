from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from quart import Quart

from tests.tasks import shop
from tests.tasks.conftest import MakeApp

SETTINGS = """
from tests.tasks.shop import create_app
from tests.tasks.shop import tasks

WorkerSettings = tasks.worker_settings(create_app())
"""


@pytest.mark.slow
@pytest.mark.checks("CE-3")
async def test_arq_command(
    make_app: MakeApp, redis_url: str, queue_name: str, tmp_path: Path
) -> None:
    """arq's own command runs the tasks, in the started application, and checks the worker."""
    (tmp_path / "make_worker.py").write_text(SETTINGS)
    env = os.environ | {"QUART_REDIS_URL": redis_url, "QUART_TASKS_QUEUE_NAME": queue_name}
    env["PYTHONPATH"] = os.getcwd()
    client: Quart = make_app()[0]
    del client.extensions["tasks"]
    shop.tasks.init_app(client)

    async def arq(*options: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "arq", "make_worker.WorkerSettings", *options],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
            env=env,
        )
        async with asyncio.timeout(100):
            output, _ = await process.communicate()
        return process.returncode, output.decode()

    async with client.app_context():
        job = await shop.process_id.delay()
        code, output = await arq("--burst")
        assert code == 0, output
        assert await job.wait(timeout=60) != os.getpid()
        assert "the application has shut down" in output
        assert (await arq("--check"))[0] == 1
