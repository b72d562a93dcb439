"""Hosts, and a project to deploy to them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.conftest import unavailable
from tests.deployment.hosts import host_machines
from tests.deployment.project import Project

Projects = Callable[[int], AbstractAsyncContextManager[Project]]


@pytest.fixture(autouse=True)
def set_up_may_block(no_blocking: BlockBuster) -> None:
    """Settings are read before a loop runs; tests read them in theirs."""
    for function in no_blocking.functions.values():
        function.can_block_in("deployment/reading.py", "parse_settings")
        function.can_block_in("deployment/test_bad_input.py", "fill")


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hypercorn and what it needs, and pip, as wheels."""
    folder = tmp_path_factory.mktemp("wheels")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    for command in (
        ["wheel", "--wheel-dir", str(folder / "wheels"), "hypercorn"],
        ["download", "--no-deps", "--dest", str(folder / "tools"), "pip"],
    ):
        done = subprocess.run([*pip, *command], capture_output=True, text=True)
        if done.returncode:
            unavailable(f"no index with Hypercorn: {done.stderr.strip()[-300:]}")
    return folder


@pytest.fixture
def projects(tmp_path: Path, wheels: Path) -> Projects:
    """Makes a project with so many hosts."""

    @contextlib.asynccontextmanager
    async def make(count: int) -> AsyncIterator[Project]:
        (tmp_path / "demo").mkdir()
        async with host_machines(tmp_path / "h", count) as hosts:
            yield Project(tmp_path / "demo", wheels, hosts)

    return make


@pytest.fixture
async def project(projects: Projects) -> AsyncIterator[Project]:
    """A project with one host."""
    async with projects(1) as made:
        yield made
