"""Building, installing and serving projects."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import quart
import uv

import quartpatterns
from quartpatterns.compare.processes import Process, accepts, free_port
from tests.conftest import unavailable

__all__ = [
    "ROOT",
    "Environment",
    "Kind",
    "build",
    "copy_checkout",
    "create_project",
    "run",
    "served",
]

Kind = Literal["original", "port"]

PACKAGE = Path(quartpatterns.__file__).parent / "packaging"
EXAMPLE = PACKAGE / "example"
ROOT = PACKAGE.parents[1]
# The folders with the packages of this environment, and with quartpatterns.
DEPENDENCIES = [str(Path(quart.__file__).parents[1]), str(ROOT)]
# Prefixes of variables that would affect other programs.
REMOVED_VARIABLES = (
    "PYTHON",
    "QUART_",
    "RELEASE_BUILD",
    "SOURCE_DATE_EPOCH",
    "UV_PROJECT",
    "VIRTUAL_ENV",
)


def clean_environment(env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return environment variables without those of this test run."""
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith(REMOVED_VARIABLES)
    }
    return variables | {"GIT_CEILING_DIRECTORIES": str(ROOT.parent), **(env or {})}


def run(
    *command: str | Path, cwd: Path, code: int = 0, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program, and check its exit code."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=clean_environment(env),
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result


def create_project(kind: Kind, folder: Path) -> Path:
    """Create the project of *kind* in *folder*: its declarations and its package."""
    package = folder / "yourapplication"
    shutil.copytree(EXAMPLE / "declarations" / kind, folder, dirs_exist_ok=True)
    for name in ("templates", "static"):
        shutil.copytree(EXAMPLE / name, package / name)
    shutil.copy(EXAMPLE / "notice.txt", package)
    shutil.copy(EXAMPLE / f"{kind}.py", package / "__init__.py")
    shutil.copy(PACKAGE / "versions.py", folder / "build_version.py")
    return folder


def copy_checkout(source: Path, folder: Path) -> Path:
    """Copy this project without generated files."""
    ignored = shutil.ignore_patterns("__pycache__", "_build", "instance")
    for name in ("quartpatterns", "alembic", "tests", "docs"):
        shutil.copytree(source / name, folder / name, ignore=ignored)
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    return folder


def build(project: Path, *options: str, env: Mapping[str, str] | None = None) -> Path:
    """Build *project*, and return the wheel, or the source distribution without a wheel."""
    run(sys.executable, "-m", "build", "--no-isolation", *options, cwd=project, env=env)
    built = sorted((project / "dist").iterdir(), key=lambda one: (one.suffix, one.stat().st_mtime))
    return built[-1]


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in *folder*."""

    folder: Path

    @property
    def python(self) -> Path:
        """The path of its Python."""
        return self.folder / "bin" / "python"

    @property
    def packages(self) -> Path:
        """The folder with its packages."""
        (found,) = self.folder.glob("lib/python*/site-packages")
        return found

    @classmethod
    def empty(cls, folder: Path) -> Environment:
        """Create an empty environment."""
        venv.create(folder)
        return cls(folder)

    @classmethod
    def with_dependencies(cls, folder: Path) -> Environment:
        """Create an environment that finds the packages of this environment."""
        environment = cls.empty(folder)
        (environment.packages / "dependencies.pth").write_text("\n".join(DEPENDENCIES))
        return environment

    def install(self, *packages: str | Path, code: int = 0) -> str:
        """Install packages, and return the output."""
        command = [uv.find_uv_bin(), "pip", "install", "--python", str(self.python)]
        return run(*command, *packages, cwd=self.folder, code=code).stderr

    def install_locked(self, *packages: str | Path) -> None:
        """Install packages and their dependencies in the versions of the lock file."""
        try:
            self.install("--constraint", ROOT / "requirements.lock", *packages)
        except AssertionError as error:
            if re.search("error sending request|dns error|Failed to fetch", str(error)):
                unavailable("the package index is not available")
            raise

    def install_alone(self, *packages: str | Path) -> str:
        """Install packages without dependencies, with the build tools of this environment."""
        return self.install("--no-deps", "--no-build-isolation", *packages)


@contextlib.contextmanager
def served(
    environment: Environment,
    *command: str,
    folder: Path,
    env: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serve with a command of Python in the empty *folder*, and yield the URL.

    ``{port}`` in *command* is replaced by a free port.
    """
    port = free_port()
    folder.mkdir(exist_ok=True)
    parts = [part.format(port=port) for part in command]
    log = folder.with_suffix(".log")
    with Process(
        [environment.python, *parts], log=log, cwd=folder, env=clean_environment(env)
    ) as process:
        process.wait_until(lambda: accepts(port), timeout=60)
        yield f"http://127.0.0.1:{port}"
