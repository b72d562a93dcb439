"""Hosts, and a project to deploy to them."""

from __future__ import annotations

import contextlib
import ensurepip
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from tests.conftest import unavailable
from tests.deployment.hosts import run_hosts
from tests.deployment.project import Project

Projects = Callable[[int], AbstractAsyncContextManager[Project]]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(autouse=True)
def allow_blocking_setup(no_blocking: BlockBuster) -> None:
    """Applications read settings before the event loop runs. Tests read them inside it."""
    for function in no_blocking.functions.values():
        function.can_block_in("deployment/settings.py", "parse_settings")
        function.can_block_in("deployment/test_bad_input.py", "fill_disk")


def download(*arguments: str) -> None:
    """Run pip, and skip the test if the package index is not available."""
    result = subprocess.run([*PIP, *arguments], capture_output=True, text=True)
    if result.returncode:
        unavailable(f"the package index is not available: {result.stderr.strip()[-300:]}")


@pytest.fixture(scope="session")
def pip_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of pip: the one that comes with Python, or one from the package index."""
    if bundled := sorted(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl")):
        return bundled[-1]
    folder = tmp_path_factory.mktemp("pip")
    download("download", "--no-deps", "--dest", str(folder), "pip")
    return next(folder.glob("pip-*.whl"))


@pytest.fixture(scope="session")
def hypercorn_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels of Hypercorn and its dependencies, from the package index."""
    folder = tmp_path_factory.mktemp("wheels")
    download("wheel", "--wheel-dir", str(folder), "hypercorn")
    return folder


@pytest.fixture
def hosts_folder() -> Iterator[Path]:
    """A folder with a short path, because the paths of Unix sockets are limited."""
    folder = Path(tempfile.mkdtemp(prefix="h"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def projects(tmp_path: Path, hosts_folder: Path, pip_wheel: Path) -> Projects:
    """Returns a context manager for a project with a number of hosts."""

    @contextlib.asynccontextmanager
    async def create(count: int) -> AsyncIterator[Project]:
        (tmp_path / "demo").mkdir()
        async with run_hosts(hosts_folder, count) as hosts:
            yield Project(tmp_path / "demo", pip_wheel, hosts)

    return create


@pytest.fixture
async def project(projects: Projects) -> AsyncIterator[Project]:
    """A project with one host."""
    async with projects(1) as created:
        yield created
